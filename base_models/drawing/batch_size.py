"""Batches that fit the memory: a size chosen by rule when planned, and halving where the rule was too hopeful."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from base_models.base_source import BaseSource
from base_models.drawing.arithmetic import Size, reduction_of
from foundation.errors import UserError
from foundation.printing import how_many
from foundation.typed.untyped import untyped

Item = TypeVar("Item")
# Beyond these a batch gains nothing: a GPU is busy, and on a CPU more samples only leave the caches.
LARGEST = {"cuda": 32, "cpu": 16}
# Share of the device's memory that pictures may take; weights, their pristine copies and scoring models have the rest.
SHARE = 0.5
# Tensors of the first level's shape that a UNet and a decoder hold at their peak: skips, attention, feed-forward.
UNET_TENSORS, VAE_TENSORS = 24, 8
ALLOCATION_FAILED = ("can't allocate memory", "not enough memory", "out of memory", "cudnn_status_alloc_failed")


class NoMemoryLeftError(UserError):
    """Not even one picture fits the device's memory."""


@dataclass(frozen=True)
class DeviceFacts:
    """What a worker renders on: its kind ("cpu", "cuda"), a name people know, and its memory in bytes."""

    kind: str
    name: str
    memory: int


@dataclass(frozen=True)
class PictureShape:
    """What a picture's memory follows from: its sides in latents, and the first widths of UNet and decoder."""

    latents: tuple[int, int]
    unet_width: int
    vae_width: int
    reduction: int
    bytes_a_number: int

    @property
    def bytes_needed(self) -> int:
        """At the peak, guidance's second sample included."""
        area = self.latents[0] * self.latents[1]
        unet = 2 * area * self.unet_width * UNET_TENSORS
        vae = area * self.reduction**2 * self.vae_width * VAE_TENSORS
        return max(unet, vae) * self.bytes_a_number


def shape_of(base: BaseSource, size: Size, dtype: torch.dtype) -> PictureShape:
    """Read off the configurations of the base model's parts, for pictures of `size`. Raises BaseModelError."""
    unet, vae = base.configuration("unet"), base.configuration("vae")
    reduction = reduction_of(base)
    return PictureShape(
        latents=(size[1] // reduction, size[0] // reduction),
        unet_width=unet["block_out_channels"][0],
        vae_width=vae["block_out_channels"][0],
        reduction=reduction,
        bytes_a_number=dtype.itemsize,
    )


def batch_size(asked: int | str, shape: PictureShape, device: DeviceFacts) -> int:
    """Pictures a batch. "auto": as many as half the device's memory holds, up to what keeps it busy.

    It follows from the request and the device alone, never from what is free just now: batches, and so pictures' bits,
    must be the same after a kill.
    """
    if isinstance(asked, int):
        return asked
    return max(1, min(LARGEST.get(device.kind, 32), int(device.memory * SHARE) // shape.bytes_needed))


def device_facts(device: torch.device) -> DeviceFacts:
    """Read off the machine. A CPU's memory is the whole machine's."""
    if device.type == "cuda":
        facts = untyped(torch.cuda).get_device_properties(device)
        return DeviceFacts("cuda", facts.name, facts.total_memory)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return DeviceFacts(device.type, how_many(torch.get_num_threads(), "CPU thread"), memory)


class Fitting(Generic[Item]):
    """Renders what it is given, in halves where memory is short, and keeps to the size that was found to fit.

    `render`: items -> pictures (N, H, W, 3). `say` is told once for each size given up.
    """

    def __init__(self, render: Callable[[Sequence[Item]], np.ndarray], say: Callable[[str], None]) -> None:
        self._render, self._say = render, say
        self._limit: int | None = None

    def __call__(self, items: Sequence[Item]) -> np.ndarray:
        """All pictures in order. Raises NoMemoryLeftError where one alone does not fit."""
        pictures: list[np.ndarray] = []
        done = 0
        while done < len(items):
            taken = items[done : done + (self._limit or len(items))]
            made = self._attempt(taken)
            if made is None:
                self._halve(len(taken))
                continue
            pictures.append(made)
            done += len(taken)
        return np.concatenate(pictures)

    def _attempt(self, items: Sequence[Item]) -> np.ndarray | None:
        """None where memory ran out. Nothing of the failed attempt, not even its traceback, outlives this call."""
        try:
            return self._render(items)
        except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
            if not _is_out_of_memory(error):
                raise
        return None

    def _halve(self, size: int) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if size == 1:
            raise NoMemoryLeftError(
                "the device's memory does not hold one picture; make pictures smaller ([sampler] width, height), "
                'choose a smaller type ([model] dtype = "float16"), or close what else uses the device'
            )
        self._limit = size // 2
        self._say(f"memory ran out at {size} pictures a batch; going on with {self._limit}")


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(one in said for one in ALLOCATION_FAILED)
