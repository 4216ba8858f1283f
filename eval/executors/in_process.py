"""The executor of one device: a worker in this very process."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import cached_property

from eval.executors.executor import Amount, FinishedBatch, Job
from eval.executors.worker import Worker
from eval.rendering.batch_size import DeviceFacts
from eval.request.cells import Checkpoint
from eval.request.plan import Batch


class InProcess:
    """Loads the base model when it is first needed, and keeps it until closed."""

    workers = 1

    def __init__(self, job: Job) -> None:
        self._job = job

    @cached_property
    def _worker(self) -> Worker:
        return Worker(self._job)

    def device(self) -> DeviceFacts:
        return self._worker.device

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._worker.renderer.check(checkpoints)

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        del amount  # nothing to be divided
        yield from self._worker.work(batches)

    def close(self) -> None:
        self.__dict__.pop("_worker", None)
