"""What a picture costs, worked out from the base model's configuration alone: memory and floating-point operations."""

from __future__ import annotations

import torch

from base_models.base_source import BaseSource
from base_models.drawing.arithmetic import decoding_operations, operations_a_second, step_operations
from base_models.drawing.batch_size import PictureShape, shape_of
from eval.request.cells import Sampling


def picture_shape(base: BaseSource, sampling: Sampling) -> PictureShape:
    """Read off the configurations of the base model's parts. Raises BaseModelError."""
    return shape_of(base, (sampling.width, sampling.height), getattr(torch, sampling.dtype))


def operations_a_picture(base: BaseSource, sampling: Sampling) -> float:
    """Floating-point operations of one picture: the steps of UNet with guidance, and the decoding.

    Prompts are encoded once for many pictures, and not counted. Raises BaseModelError.
    """
    size = sampling.width, sampling.height
    return sampling.steps * step_operations(base, size, 2) + decoding_operations(base, size)


def seconds_a_picture(base: BaseSource, sampling: Sampling, device: torch.device) -> float:
    """An estimate for a device on which nothing was rendered yet. Raises BaseModelError."""
    return operations_a_picture(base, sampling) / operations_a_second(device, getattr(torch, sampling.dtype))
