"""Whether a LoRA's numbers are such as a sound run leaves: finite, within reason, and with an alpha that is not 0."""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor

from foundation.errors import LoraFileError
from loras.base_bound_kinds import BiasedModule, DoraModule, OftModule
from loras.module_kinds import LoraModule, Module

# Factors of a LoRA are at most some tens, alphas some hundreds.
BEYOND_REASON = 1e12


def is_finite(tensor: Tensor) -> bool:
    """Whether no number is NaN or infinite: by the extremes, in a seventh of the time that a mask of all takes."""
    if tensor.numel() == 0:
        return True
    low, high = _extremes(tensor)
    return bool(low.isfinite() and high.isfinite())


def is_within_reason(tensor: Tensor) -> bool:
    """Whether numbers are finite and none is so large that products of factors cannot be reckoned with in float64."""
    if tensor.numel() == 0:
        return True
    low, high = _extremes(tensor)
    return bool(low >= -BEYOND_REASON and high <= BEYOND_REASON)


def _extremes(tensor: Tensor) -> tuple[Tensor, Tensor]:
    low, high = (tensor if tensor.element_size() > 1 else tensor.float()).aminmax()  # 8-bit floats have none
    return low, high


def check_values(module: Module, name: str, path: Path) -> Module:
    """`module` itself. Raises LoraFileError for an alpha of 0, or values that are not finite or beyond all reason."""
    alpha = module.stored_alpha
    check_range(module, name, path)
    inner = _innermost(module)
    if alpha == 0 and not isinstance(inner, OftModule):
        # Trainers read alpha 0 as the rank, A1111 as nothing at all: no reading would be right everywhere.
        rank = f", {inner.rank}" if isinstance(inner, LoraModule) else ""
        raise LoraFileError(f"{path}: `{name}.alpha` is 0, which tools read differently; set it to the rank{rank}")
    return module


def check_range(module: Module, name: str, path: Path) -> None:
    """Raise LoraFileError for values that are not finite, or so large that only a broken run leaves them."""
    tensors, alpha = module.tensors().values(), module.stored_alpha or 0.0
    if all(is_within_reason(tensor) for tensor in tensors) and abs(alpha) <= BEYOND_REASON:
        return
    if not all(is_finite(tensor) for tensor in tensors) or not math.isfinite(alpha):
        raise LoraFileError(f"{path}: `{name}` holds NaN or infinity; the run that made it broke, use another epoch")
    raise LoraFileError(
        f"{path}: `{name}` holds a number beyond {BEYOND_REASON:g}; the run that made it broke, use another epoch"
    )


def _innermost(module: Module) -> Module | None:
    """The factors themselves, without the bias or the magnitude around them; None for a bias alone."""
    inner: Module | None = module
    while isinstance(inner, BiasedModule | DoraModule):
        inner = inner.inner
    return inner
