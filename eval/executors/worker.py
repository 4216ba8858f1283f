"""A worker: renders batches, and saves (on a GPU: also scores) one while the next is being rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch

from base_models.drawing.batch_size import DeviceFacts, device_facts
from base_models.drawing.png import failure_of, png_of, to_bytes
from eval.executors.executor import FinishedBatch, Job, WrittenFile
from eval.judging.picture_readers import Models
from eval.rendering.a1111_parameters import parameters_text
from eval.rendering.prefetch import prefetched
from eval.rendering.renderer import Renderer
from eval.request.plan import Batch
from eval.store.picture_files import picture_place
from foundation.errors import BaseModelError


class Worker:
    """One device with the job's base model on it."""

    def __init__(self, job: Job) -> None:
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        self._job = job
        self._notes: list[str] = []
        self._place = picture_place(job.pictures, Path(gettempdir()))
        self._models: Models | None = None
        self.renderer = Renderer(job.model, job.sampling, self._notes.append)
        if self.renderer.base.sha256 != job.sampling.base:
            raise BaseModelError(
                f"{job.model.base}: is another model on a worker's machine than where the grid was planned; copy it"
            )

    @property
    def device(self) -> DeviceFacts:
        """Its kind, name and memory in bytes."""
        return device_facts(self.renderer.base.device)

    def work(self, batches: Iterable[Batch]) -> Generator[FinishedBatch]:
        """Each batch, in order, once its pictures are saved; the next is rendered meanwhile, in a thread."""
        with prefetched(((batch, self.renderer.render(batch)) for batch in batches), room=1) as rendered:
            for batch, pictures in rendered:
                yield self._finish(batch, pictures)

    def _finish(self, batch: Batch, pictures: np.ndarray) -> FinishedBatch:
        base_name = Path(self.renderer.base.name).stem
        files: list[WrittenFile] = []
        for planned, picture in zip(batch.pictures, pictures, strict=True):
            parameters = parameters_text(self._job.sampling, base_name, planned.cell, planned)
            png = png_of(picture, parameters)
            self._place.write(planned.id, png)
            files.append(WrittenFile(hashlib.sha256(png).hexdigest(), len(png)))
        readings = {}
        # Beside a GPU the CPU has nothing to do. On a CPU, where saving mostly waits for the disk but scoring
        # computes, scoring beside rendering would only take its cores away: there it comes afterwards.
        if self.device.kind != "cpu":
            self._models = self._models or Models.load(self._job.score)
            shown = zip((planned.id for planned in batch.pictures), map(to_bytes, pictures), strict=True)
            readings = self._models.read(dict(shown))
        notes, self._notes[:] = tuple(self._notes), []
        return FinishedBatch(batch, tuple(files), tuple(failure_of(picture) for picture in pictures), readings, notes)
