"""LoHa and LoKr on a model by LyCORIS' own modules, which make the parameters and the delta as for `lycoris.kohya`."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from foundation.typed.typed_torch import fork_rng, manual_seed
from foundation.typed.untyped import untyped
from loras.low_rank_norm import grams, squared_norm
from loras.module_kinds import Module
from loras.module_tensors import ModuleTensors, module_from

if TYPE_CHECKING:
    from trainer.config.config import LoraSection

# Parameters of one half of a LoKr, whole or as two.
FIRST_HALF = ("lokr_w1", "lokr_w1_a", "lokr_w1_b")


class LycorisLayer(nn.Module):
    """base(x) + op(x, delta), where the delta is LyCORIS'. It stands where the base's layer stood."""

    def __init__(self, base: nn.Linear | nn.Conv2d, delta: nn.Module) -> None:
        super().__init__()
        self.base_layer, self.delta = base, delta
        self._on = True

    @property
    def weight(self) -> Tensor:
        """The base's, which a model may ask for its type."""
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        """The base's."""
        return self.base_layer.bias

    def enable_adapters(self, enabled: bool) -> None:
        """As PEFT's layers: switched off, the base answers alone."""
        self._on = enabled

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the base takes; what diffusers passes on besides is not read."""
        base = self.base_layer(x)
        if not self._on:
            return base
        made = untyped(self.delta)
        return base + made.op(x, made.get_weight(made.shape).to(x.dtype), None, **made.kw_dict)


@dataclass(frozen=True)
class LycorisFactors:
    """One module's trained parameters by LyCORIS' names; the weight moves by `scale` times what they multiply to.

    `kernel` is that of a convolution, whose factors are flat.
    """

    named: Mapping[str, nn.Parameter]
    alpha: float
    scale: float
    kernel: tuple[int, ...]

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """In the order of `named`."""
        return tuple(self.named.values())

    def with_parameters(self, parameters: tuple[nn.Parameter, ...]) -> LycorisFactors:
        """The same with others in the place of its own, such as their twins."""
        return LycorisFactors(dict(zip(self.named, parameters, strict=True)), self.alpha, self.scale, self.kernel)

    def delta_squares(self) -> Tensor:
        """The squared Frobenius norm of the delta. Of a LoKr's it is the product of its halves' norms."""
        parts = {name: one.float() for name, one in self.named.items()}
        if "hada_w1_a" in parts:
            halves = [parts[f"hada_w{number}_a"] @ parts[f"hada_w{number}_b"] for number in (1, 2)]
            return (halves[0] * halves[1]).square().sum() * self.scale**2
        first = {name: one for name, one in parts.items() if name in FIRST_HALF}
        second = {name: one for name, one in parts.items() if name not in FIRST_HALF}
        return _half_squares(first) * _half_squares(second) * self.scale**2

    def module(self) -> Module:
        """As a LoRA file has it, copied to the CPU."""
        tensors = {name: one.detach().to("cpu", torch.float32, copy=True) for name, one in self.named.items()}
        return module_from(ModuleTensors(Path(), "", {**tensors, "alpha": torch.tensor(self.alpha)}, self.kernel))


def _half_squares(parts: Mapping[str, Tensor]) -> Tensor:
    if len(parts) == 1:
        return next(iter(parts.values())).square().sum()
    left, right = parts.values()
    return squared_norm(*grams(left, right))


def attach_lycoris(
    model: nn.Module, named: Mapping[str, str], wide: set[str], lora: LoraSection, seed: int
) -> dict[str, LycorisFactors]:
    """Put adapters of `lora.algo` on the layers at the paths that `named` has, in place, and return them by its names.

    Paths in `wide` get `conv_rank` and `conv_alpha`. The same seed gives the same start, which moves nothing.
    """
    attached: dict[str, LycorisFactors] = {}
    with fork_rng(), _quiet():
        manual_seed(seed)
        for path, name in named.items():
            rank, alpha = (lora.conv_rank, lora.conv_alpha) if path in wide else (lora.rank, lora.alpha)
            attached[name] = _attach(model, path, rank, alpha, lora)
    return attached


@contextmanager
def _quiet() -> Generator[None]:
    """LyCORIS logs on stdout, where the record goes: that small layers have whole matrices, which docs say."""
    import lycoris.logging  # sets its own level when it is imported

    logger: logging.Logger = untyped(lycoris.logging).logger
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _attach(model: nn.Module, path: str, rank: int, alpha: float, lora: LoraSection) -> LycorisFactors:
    from lycoris.modules.loha import LohaModule
    from lycoris.modules.lokr import LokrModule

    base = cast("nn.Linear | nn.Conv2d", model.get_submodule(path))
    own = {"factor": lora.factor, "decompose_both": lora.decompose_both, "full_matrix": lora.full_matrix}
    kind, options = (LohaModule, dict[str, object]()) if lora.algo == "loha" else (LokrModule, own)
    delta = untyped(kind)(path, base, 1.0, rank, alpha, bypass_mode=False, **options)
    delta.to(base.weight.device, torch.float32)
    base.requires_grad_(False)
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, LycorisLayer(base, delta))
    kernel = tuple(base.kernel_size) if isinstance(base, nn.Conv2d) else ()
    return LycorisFactors(dict(delta.named_parameters()), float(delta.alpha), float(delta.scale), kernel)
