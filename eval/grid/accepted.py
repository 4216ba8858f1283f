"""What a worker hands in is looked at before it is recorded: a stray one may send anything, and then it counts nothing.

A worker may run on another machine, with another version, or be somebody else's. What it sends is held against what it
was told to do, and its files against what it says of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np

from base_models.pictures.picture_file import UnreadablePictureError, opened_picture
from eval.executors.executor import FinishedBatch
from eval.request.cells import Sampling
from eval.request.plan import Batch
from eval.store.store import Store
from eval.store.tables import Readings
from foundation.errors import UserError
from foundation.files import sha256_of
from foundation.typed.untyped import untyped

LONGEST_VECTOR = 65_536  # numbers; judges have some hundreds


class StrayWorkerError(UserError):
    """A worker sent what it was not asked for, or what it says it wrote is not there."""


class Handed:
    """The batches that workers have in hand, and what each must come back as."""

    def __init__(self, sampling: Sampling, store: Store) -> None:
        self._size = sampling.width, sampling.height
        self._store = store
        self._in_hand: dict[str, Batch] = {}
        self._lengths: dict[str, int] = {}

    def out(self, batches: Iterable[Batch]) -> Generator[Batch]:
        """The same batches, remembered as they are taken."""
        for batch in batches:
            self._in_hand[batch.pictures[0].id] = batch
            yield batch

    def check(self, finished: FinishedBatch) -> None:
        """Raise StrayWorkerError where a batch was not handed out, or is not what its worker says it is."""
        fault = self._fault_of_batch(finished) or self._fault_of_files(finished) or self._fault_of_readings(finished)
        if fault:
            raise StrayWorkerError(
                f"a worker sent {fault}; nothing of its batch was recorded: see that all nodes are yours and run this "
                "version, then run the same command again, which goes on"
            )
        del self._in_hand[finished.batch.pictures[0].id]

    def _fault_of_batch(self, finished: FinishedBatch) -> str | None:
        sent: object = finished
        if not _is_batch(sent) or finished.batch not in self._in_hand.values():
            return "a batch that it was not given"
        pictures = finished.batch.pictures
        if not len(pictures) == len(finished.files) == len(finished.failures):
            return f"{len(finished.files)} pictures of a batch of {len(pictures)}"
        return None

    def _fault_of_files(self, finished: FinishedBatch) -> str | None:
        for planned, file in zip(finished.batch.pictures, finished.files, strict=True):
            path = self._store.picture_path(planned.id)
            try:
                if sha256_of(path) != file.sha256:
                    return f"another picture than it says ({planned.id})"
                with opened_picture(path) as opened:
                    if opened.size != self._size:
                        return f"a picture of {opened.width}x{opened.height} for {self._size[0]}x{self._size[1]}"
            except FileNotFoundError:
                continue  # a folder that is not shared, which has words of its own
            except UnreadablePictureError as error:
                return f"what is no picture ({error.fault})"
        return None

    def _fault_of_readings(self, finished: FinishedBatch) -> str | None:
        own = {planned.id for planned in finished.batch.pictures}
        for model, by_subject in finished.readings.items():
            if strangers := sorted(set(by_subject) - own):
                return f"readings of pictures that are not of its batch ({strangers[0]})"
            for length in _lengths_of({model: by_subject}):
                if length is None or self._lengths.setdefault(model, length) != length:
                    return "a vector of another length, or of no numbers"
        return None


def _lengths_of(readings: Readings) -> Generator[int | None]:
    """How long each vector is; None for what is none."""
    for by_subject in readings.values():
        for reading in by_subject.values():
            vector: object = reading.vector
            if vector is None:
                continue
            yield _length_of(vector)


def _is_batch(sent: object) -> bool:
    return isinstance(sent, FinishedBatch)


def _length_of(vector: object) -> int | None:
    array = untyped(vector)
    if not isinstance(vector, np.ndarray) or array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
        return None
    return array.size if 0 < array.size <= LONGEST_VECTOR else None
