"""Tensors kept in 8 bits with a scale beside them, as ComfyUI's scaled fp8 and torchao's int8 have it."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from foundation.errors import LoraFileError

BYTES = frozenset(["I8"])


def dequantised(tensor: Tensor, scale: Tensor, key: str, path: Path) -> Tensor:
    """The tensor times its scale, float32: one number, or one a row.

    Raises LoraFileError for a scale of another shape.
    """
    if scale.numel() == 1:
        return tensor.float() * scale.float().reshape(())
    if scale.numel() != len(tensor):
        raise LoraFileError(
            f"{path}: the scale of `{key}` is {tuple(scale.shape)}, which is neither one number nor one a row"
        )
    return tensor.float() * scale.float().reshape(-1, *[1] * (tensor.dim() - 1))
