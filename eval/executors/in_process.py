"""The executor of one device: a worker in this very process."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import cached_property

from base_models.drawing.batch_size import DeviceFacts
from eval.executors.executor import Amount, FinishedBatch, Job
from eval.executors.worker import Worker
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
        """What this process renders on; the base model is loaded for it."""
        return self._worker.device

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Raise LoraFileError for a file that does not fit the base model."""
        self._worker.renderer.check(checkpoints)

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        """Render in the order given. Raises what rendering raises."""
        del amount  # nothing to be divided
        yield from self._worker.work(batches)

    def close(self) -> None:
        """Let go of the base model; a later run loads it again."""
        self.__dict__.pop("_worker", None)
