"""A base model that draws whatever prompts and seeds it is given, on one device or on all of them at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from base_models.base_model import load_base
from base_models.base_source import BaseSource
from base_models.devices import chosen_device, devices_to_share
from base_models.drawing.batch_size import DeviceFacts, Fitting, batch_size, device_facts, shape_of
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import render
from base_models.drawing.sampling import make_scheduler
from base_models.drawing.settings import DrawingSettings
from base_models.malloc_settings import keep_freed_memory
from foundation.errors import UserError
from foundation.progress import at_hand


class PainterLostError(UserError):
    """A process that drew has ended by itself."""


@dataclass(frozen=True)
class Wanted:
    """A picture to be drawn: its prompt, and the seed of its noise."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class PaintJob:
    """All that a painter is told besides the pictures that are wanted. `device` as a configuration names it."""

    source: BaseSource
    dtype: str
    device: str
    drawing: DrawingSettings

    @property
    def at_once(self) -> int:
        """Pictures a batch, by the model and the first device alone, so that batches are the same after a kill."""
        size = self.drawing.width, self.drawing.height
        shape = shape_of(self.source, size, getattr(torch, self.dtype))
        return batch_size("auto", shape, self._facts())

    def _facts(self) -> DeviceFacts:
        return device_facts(torch.device(chosen_device(self.device)))


class Painters(Protocol):
    """What draws batches, in whatever order they are done."""

    def draw(self, batches: Iterable[Sequence[Wanted]]) -> Iterator[tuple[Sequence[Wanted], np.ndarray]]:
        """Each batch with its pictures (N, H, W, 3), float32 in 0..1, NaN where not finite. The next batch is asked for
        only when a device is free for it."""
        ...


class Painter:
    """A base model on one device. `say` is told where memory is short."""

    def __init__(self, job: PaintJob, say: Callable[[str], None] | None = None) -> None:
        keep_freed_memory()
        self._job = job
        self._base = load_base(job.source, getattr(torch, job.dtype), job.device)
        make_scheduler(job.drawing.sampler, self._base.scheduler_config)  # refuses before anything is drawn
        self._unet = GuidedUnet(self._base.unet)
        self._fitting = Fitting(self._render, say or at_hand().say)

    def pictures(self, wanted: Sequence[Wanted]) -> np.ndarray:
        """(N, H, W, 3) float32 in 0..1, NaN where not finite. Raises NoMemoryLeftError where not one fits."""
        return self._fitting(wanted)

    def draw(self, batches: Iterable[Sequence[Wanted]]) -> Iterator[tuple[Sequence[Wanted], np.ndarray]]:
        """In the order given."""
        for batch in batches:
            yield batch, self.pictures(batch)

    def _render(self, wanted: Sequence[Wanted]) -> np.ndarray:
        drawing = self._job.drawing
        guidance = read_prompts(self._base, [one.prompt for one in wanted], drawing.negative, drawing.clip_skip)
        return render(self._base, self._unet, drawing, guidance, [one.seed for one in wanted])


class SharedPainters:
    """A process for each of several devices, started anew (CUDA does not survive a fork)."""

    def __init__(self, job: PaintJob, devices: Sequence[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._jobs = [replace(job, device=device) for device in devices]
        self._pools = [ProcessPoolExecutor(1, mp_context=context) for _ in devices]

    def draw(self, batches: Iterable[Sequence[Wanted]]) -> Iterator[tuple[Sequence[Wanted], np.ndarray]]:
        """Raises what a process raised, and PainterLostError where one was lost."""
        waiting = iter(batches)
        drawn: dict[Future[np.ndarray], tuple[int, Sequence[Wanted]]] = {}
        for at in range(len(self._pools)):
            self._hand_out(at, waiting, drawn)
        while drawn:
            for future in wait(drawn, return_when=FIRST_COMPLETED).done:
                at, batch = drawn.pop(future)
                pictures = _answer(future, self._jobs[at].device)
                self._hand_out(at, waiting, drawn)
                yield batch, pictures

    def close(self) -> None:
        """End the processes; what one has in hand is lost."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _hand_out(
        self,
        at: int,
        waiting: Iterator[Sequence[Wanted]],
        drawn: dict[Future[np.ndarray], tuple[int, Sequence[Wanted]]],
    ) -> None:
        batch = next(waiting, None)
        if batch is not None:
            drawn[self._pools[at].submit(_drawn, self._jobs[at], batch)] = at, batch


@contextmanager
def opened_painters(job: PaintJob) -> Generator[Painters]:
    """On `job.device`; with "auto", on all GPUs that there are."""
    devices = devices_to_share(job.device)
    if len(devices) == 1:
        yield Painter(job)
        return
    painters = SharedPainters(job, devices)
    try:
        yield painters
    finally:
        painters.close()


def _answer(future: Future[np.ndarray], device: str) -> np.ndarray:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise PainterLostError(
            f"the process that draws on {device} ended by itself; what is drawn is kept, and running the same command "
            "again goes on from there"
        ) from error


_own: list[Painter] = []  # of a process that was started for one device


def _drawn(job: PaintJob, wanted: Sequence[Wanted]) -> np.ndarray:
    """In a process of its own, which loads the model once."""
    if not _own:
        _own.append(Painter(job))
    return _own[0].pictures(wanted)
