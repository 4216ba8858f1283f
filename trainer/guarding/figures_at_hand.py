"""What steps have shown so far, for whoever watches: nothing here waits for the device, or makes the steps wait."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor

from foundation.typed.typed_torch import listed

MOST = 64  # more than a GPU is ever behind


class NewestStep(NamedTuple):
    """A step that is done, and its loss."""

    number: int
    loss: float


class _Copied(NamedTuple):
    number: int
    figures: Tensor  # on the CPU; whole once `there`
    there: torch.cuda.Event | None


class FiguresAtHand:
    """The figures of the last steps that were tried.

    A GPU copies them out when it comes to it, behind the step's own work; asking says which copies are there. Steps are
    added by the thread that trains; another may ask.
    """

    def __init__(self) -> None:
        self._steps: deque[_Copied] = deque(maxlen=MOST)

    def forget(self) -> None:
        """The steps before are undone."""
        self._steps.clear()

    def add(self, number: int, figures: Tensor) -> None:
        """A step was handed to the device; `figures` are what it will show, the loss first."""
        if figures.device.type != "cuda":
            self._steps.append(_Copied(number, figures, None))
            return
        here = torch.empty(figures.shape, dtype=figures.dtype, pin_memory=True).copy_(figures, non_blocking=True)
        there = torch.cuda.Event()
        there.record()
        self._steps.append(_Copied(number, here, there))

    def newest(self) -> NewestStep | None:
        """The last step that is done, None where none is."""
        for step in reversed(tuple(self._steps)):  # a copy: another thread adds
            if step.there is None or step.there.query():
                loss, *_ = listed(step.figures)
                return NewestStep(step.number, loss)
        return None
