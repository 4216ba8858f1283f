"""One module of a LoRA file, measured: kind, rank, alpha, and how far it moves a weight of what size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from base_models.kohya_names import block_of
from foundation.errors import LoraFileError
from foundation.typed.typed_torch import vector_norm
from loras.base_bound_kinds import BiasedModule, DoraModule, GloraModule, Ia3Module, NormModule, OftModule
from loras.checkpoints.base_weights import OpenBase
from loras.inspecting.delta_size import DeltaSize, size_of
from loras.inspecting.yardsticks import STABLE_DIFFUSION, Yardstick
from loras.low_rank import Product
from loras.module_kinds import Additive, LohaModule, LokrModule, LoraModule, Module, TuckerModule


@dataclass(frozen=True)
class Movement:
    """How far a weight is moved: squared Frobenius norms of the change and of the weight, over `elements` numbers.

    `measured` is False where the weight is a yardstick's, `whole` where a DoRA's magnitudes, which act
    through the base alone, are left out.
    """

    squares: float
    against: float
    elements: int
    measured: bool
    whole: bool = True

    @property
    def relative(self) -> float:
        """The change's norm over the weight's."""
        return math.sqrt(self.squares / self.against) if self.against else math.inf if self.squares else 0.0


@dataclass(frozen=True)
class ModuleReading:
    """A module as the file has it. `movement` is None for norms, biases and what is not finite.

    `scale` is alpha / rank.
    """

    name: str
    kinds: tuple[str, ...]
    rank: int | None
    alpha: float | None
    scale: float | None
    fault: str | None
    movement: Movement | None
    effective_rank: float | None

    @property
    def block(self) -> str:
        """The block that it lies in, as block weights count them: BASE, IN00.., M00, OUT00.., or "other"."""
        return block_of(self.name)

    @property
    def is_dead(self) -> bool:
        """Whether it certainly moves nothing: the delta is exactly 0."""
        return self.movement is not None and self.movement.whole and self.movement.squares == 0


def read_module(
    name: str, module: Module, base: OpenBase | None, yardstick: Yardstick = STABLE_DIFFUSION
) -> ModuleReading:
    """Measure a module, against the base's weight where there is one, else against the yardstick's.

    Raises LoraFileError where it does not fit.
    """
    core = module.inner if isinstance(module, BiasedModule) else module
    factors = core.inner if isinstance(core, DoraModule) else core
    kinds = tuple(part.kind for part in (core, module) if part is not None)
    rank, fault = _rank(factors), _fault(module)
    size = None if fault or not isinstance(factors, Additive) else size_of(factors)
    return ModuleReading(
        name,
        tuple(dict.fromkeys(kinds)),
        rank,
        module.stored_alpha,
        _scale(factors, rank),
        fault,
        None if fault or core is None else _movement(name, core, size, base, yardstick),
        None if size is None else size.effective_rank,
    )


def _fault(module: Module) -> str | None:
    """What of the module is not finite, in a word."""
    alpha = module.stored_alpha
    tensors = [tensor.float() for tensor in module.tensors().values()]
    if any(tensor.isnan().any() for tensor in tensors) or (alpha is not None and math.isnan(alpha)):
        return "NaN"
    if any(tensor.isinf().any() for tensor in tensors) or (alpha is not None and math.isinf(alpha)):
        return "infinity"
    return None


def _rank(module: Module | None) -> int | None:
    if isinstance(module, LoraModule | GloraModule):
        return module.rank
    if isinstance(module, TuckerModule):
        return module.down.shape[0]
    if isinstance(module, LohaModule):
        return module.first.rank
    return module.second.rank or module.first.rank if isinstance(module, LokrModule) else None


def _scale(module: Module | None, rank: int | None) -> float | None:
    if module is None or rank is None or module.stored_alpha is None:
        return None
    return module.stored_alpha / rank


def _movement(
    name: str, module: Module, size: DeltaSize | None, base: OpenBase | None, yardstick: Yardstick
) -> Movement | None:
    """None for what is no matrix: a norm's weight is about 1 and tells nothing beside the others."""
    if isinstance(module, NormModule) or (size is not None and size.columns == 1):
        return None
    if isinstance(module, Additive) and size is not None:
        against = None if base is None else base.squares(name, size.elements)
        typical = size.elements * yardstick.rms(size.columns) ** 2
        return Movement(size.squares, typical if against is None else against, size.elements, against is not None)
    weight = None if base is None else base.weight(name)
    if weight is not None:
        moved = _change(module, weight.float())
        if moved is not None:
            return Movement(_squares(moved), _squares(weight), weight.numel(), measured=True)
    return _guessed(module, size, yardstick)


def _guessed(module: Module, size: DeltaSize | None, yardstick: Yardstick) -> Movement | None:
    """How far a kind that acts through the base's weight moves the yardstick's."""
    if isinstance(module, OftModule):
        return _turning(module, yardstick)
    if isinstance(module, Ia3Module):
        count, typical = module.factors.numel(), yardstick.rms(module.factors.numel()) ** 2
        return Movement(_squares(module.factors) * typical, count * typical, count, measured=False)
    if isinstance(module, GloraModule):
        return _mixing(module, yardstick)
    return None if size is None else _guessed_dora(size, yardstick)


def _guessed_dora(size: DeltaSize, yardstick: Yardstick) -> Movement:
    typical = size.elements * yardstick.rms(size.columns) ** 2
    return Movement(size.squares, typical, size.elements, measured=False, whole=False)


def _turning(module: OftModule, yardstick: Yardstick) -> Movement:
    """A rotation's distance from doing nothing: how far it moves an orthonormal weight, in a typical one's units."""
    outputs = module.blocks.shape[-3] * module.blocks.shape[-1]
    typical = yardstick.rms(outputs)
    return Movement(
        module.turning() * outputs * typical**2, outputs * outputs * typical**2, outputs * outputs, measured=False
    )


def _mixing(module: GloraModule, yardstick: Yardstick) -> Movement:
    """A GLoRA on an orthonormal weight's like: what it mixes there, and what it adds."""
    inputs, outputs = module.a1.shape[0], module.b1.shape[0]
    typical = yardstick.rms(inputs) ** 2
    mixed = _product(module.a1, module.a2).squared_norm() * outputs * typical
    added = _product(module.b1, module.b2).squared_norm()
    columns = module.b2.flatten(1).shape[1]
    squares = (mixed + added) * module.scale**2
    return Movement(squares, outputs * columns * typical, outputs * columns, measured=False)


def _product(up: Tensor, down: Tensor) -> Product:
    return Product(up.float().flatten(1), down.float().flatten(1), None)


def _change(module: Module, weight: Tensor) -> Tensor | None:
    """What the weight moves by, or None where the base's weight is of another shape."""
    try:
        return module.moved(weight) - weight
    except LoraFileError:
        return None


def _squares(tensor: Tensor) -> float:
    return vector_norm(tensor.double()).item() ** 2
