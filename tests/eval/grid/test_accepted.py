"""A stray worker's pictures and vectors are refused, and nothing of its batch is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.executors.executor import Amount, FinishedBatch, WrittenFile
from eval.executors.in_process import InProcess
from eval.grid.accepted import Handed, StrayWorkerError
from eval.request.plan import Batch
from eval.store.store import Store, create_store
from eval.store.tables import Reading
from executor_jobs import Example, example
from foundation.typed.untyped import untyped

Change = Callable[[FinishedBatch, Store], FinishedBatch]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("stray"), seeds=2)


@dataclass
class Refereed:
    """A store, and the batches that came to it so far."""

    example: Example
    store: Store
    taken: list[FinishedBatch] = field(default_factory=list[FinishedBatch])

    def run(self, change: Change) -> None:
        """Render all batches; the second is changed on its way."""
        job = replace(self.example.model, pictures=self.store.place)
        handed = Handed(job.sampling, self.store)
        amount: Amount = self.example.amount
        batches: Iterable[Batch] = handed.out(self.example.batches)
        for finished in InProcess(job).run(batches, amount):
            sent = change(finished, self.store) if self.taken else finished
            handed.check(sent)
            self.taken.append(sent)


@pytest.fixture
def refereed(made: Example, tmp_path: Path) -> Refereed:
    return Refereed(made, create_store(tmp_path / "store"))


def picture_of(size: tuple[int, int]) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


def written(finished: FinishedBatch, store: Store, data: bytes, is_said: bool) -> FinishedBatch:
    """Its first picture's file has other bytes, and says so or not."""
    store.picture_path(finished.batch.pictures[0].id).write_bytes(data)
    said = WrittenFile(hashlib.sha256(data).hexdigest(), len(data)) if is_said else finished.files[0]
    return replace(finished, files=(said, *finished.files[1:]))


def read(finished: FinishedBatch, **vectors: object) -> FinishedBatch:
    by_subject = {one.id: Reading(np.ones(4, np.float32)) for one in finished.batch.pictures}
    by_subject |= {name: Reading(untyped(vector)) for name, vector in vectors.items()}
    return replace(finished, readings={"judge": by_subject})


def test_what_was_asked_for_is_taken(refereed: Refereed) -> None:
    refereed.run(lambda finished, _: read(finished))
    assert [one.batch for one in refereed.taken] == refereed.example.batches


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one, store: written(one, store, picture_of((8, 8)), False), "another picture than it says"),
        (lambda one, store: written(one, store, picture_of((8, 8)), True), "a picture of 8x8 for"),
        (lambda one, store: written(one, store, b"no picture", True), "what is no picture"),
        (lambda one, _: replace(one, files=one.files[1:]), "1 pictures of a batch of 2"),
        (lambda one, _: replace(one, failures=()), "pictures of a batch of 2"),
        (lambda one, _: replace(one, batch=Batch(one.batch.pictures[::-1])), "a batch that it was not given"),
        (lambda one, _: "done", "a batch that it was not given"),
        (lambda one, _: read(one, reference=np.ones(4, np.float32)), "not of its batch"),
        (lambda one, _: read(one, **{one.batch.pictures[0].id: np.ones(5, np.float32)}), "another length"),
        (lambda one, _: read(one, **{one.batch.pictures[0].id: np.ones((2, 2), np.float32)}), "of no numbers"),
        (lambda one, _: read(one, **{one.batch.pictures[0].id: np.array(["a"] * 4)}), "of no numbers"),
        (lambda one, _: read(one, **{one.batch.pictures[0].id: [1.0] * 4}), "of no numbers"),
    ],
)
def test_what_was_not_is_refused(refereed: Refereed, change: Change, message: str) -> None:
    with pytest.raises(StrayWorkerError, match=message):
        refereed.run(change)
    assert len(refereed.taken) == 1


def test_a_batch_is_taken_once(refereed: Refereed) -> None:
    with pytest.raises(StrayWorkerError, match="not given"):
        refereed.run(lambda _, __: refereed.taken[0])
