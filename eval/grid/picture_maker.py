"""Makes chosen pictures of a plan: renders those that are missing, has them scored, and writes the store.

A grid makes all of its pictures so, a search a few at a time. This is the coordinator: it alone writes the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from base_models.base_source import find_base
from base_models.drawing.batch_size import PictureShape, batch_size
from base_models.drawing.samplers import SAMPLERS
from eval.executors.choice import opened_executor
from eval.executors.executor import Amount, Executor, FinishedBatch, Job, WrittenFile
from eval.grid.accepted import Handed
from eval.judging.readings import Reader
from eval.rendering.render_cost import picture_shape
from eval.request.cells import CONTROL, Checkpoint
from eval.request.plan import Batch, Plan, PlannedPicture, any_lost, batches_of
from eval.request.spec import GridSpec
from eval.store.picture_files import PicturePlaceError
from eval.store.render_rates import Rate, add_rate
from eval.store.store import RecordedFile, Store
from eval.store.tables import PictureRow, Spent
from foundation.chunks import chunks
from foundation.progress import Reporter

LOOKED_UP_AT_ONCE = 32  # batches


@dataclass(frozen=True)
class PictureMaker:
    """Makes pictures of one plan into one store, on one executor. `batch` is as the specification asks for it.

    `request`: the hash of what is asked for, to whose account the store puts what is rendered.
    `shape`: None where each picture is a batch of its own, as on servers.
    `lost`: pictures of the store whose files are gone; those that are made again leave it.
    """

    plan: Plan
    store: Store
    request: str
    executor: Executor
    reader: Reader
    reporter: Reporter
    batch: int | str
    shape: PictureShape | None
    lost: set[str]

    def make(self, pictures: Iterable[PlannedPicture]) -> int:
        """Render and score those of `pictures` (a plan, or a list of some of its pictures) that are not there.

        Returns how many were rendered. Raises UserErrors; what was made until then stays in the store.
        """
        wanted = any(missing_from(chunk, self.store) for chunk in chunks(pictures, 500))
        if not wanted and not any_lost(pictures, self.lost):
            self.reader.read_pictures(pictures)
            return 0
        lap = lap_timer()
        try:
            rendered = self._render(pictures, lap)
            self.reader.read_pictures(pictures)
        finally:  # what went by since the last batch: its pictures were read, or it was broken off
            self.store.add_spent(Spent(self.request, 0, lap()))
        return rendered

    def renders_needed(self, pictures: Iterable[PlannedPicture]) -> int:
        """How many pictures `make` would render: what is missing, and whole batches where a file is gone."""
        if not any_lost(pictures, self.lost):
            return sum(len(missing_from(chunk, self.store)) for chunk in chunks(pictures, 500))
        batches = missing_batches(pictures, self._batch_size, self.store, self.lost)
        return sum(len(batch.pictures) for batch in batches)

    @property
    def _batch_size(self) -> int:
        return 1 if self.shape is None else batch_size(self.batch, self.shape, self.executor.device())

    def _render(self, pictures: Iterable[PlannedPicture], lap: Callable[[], float]) -> int:
        device, size = self.executor.device(), self._batch_size
        self._forget_lost(pictures, size)
        amount = amount_of(missing_batches(pictures, size, self.store))
        self.executor.check(checkpoints_in(pictures))
        advance = self.reporter.task(self._title, amount.pictures)
        began, done, handed = time.perf_counter(), 0, Handed(self.plan.sampling, self.store)
        try:
            for finished in self.executor.run(handed.out(missing_batches(pictures, size, self.store)), amount):
                handed.check(finished)
                self._record(finished, lap())
                advance(len(finished.batch.pictures))
                done += len(finished.batch.pictures)
        finally:
            seconds = (time.perf_counter() - began) * min(self.executor.workers, amount.batches)
            add_rate(self.store, self.plan.sampling, Rate(device.name, done, seconds))
        return done

    @property
    def _title(self) -> str:
        sampling = self.plan.sampling
        return f"rendering, {sampling.forwards} UNet forwards each" if sampling.sampler in SAMPLERS else "rendering"

    def _forget_lost(self, pictures: Iterable[PlannedPicture], size: int) -> None:
        """Forget each batch that has lost a file, before anything is rendered: a kill then leaves it whole to make."""
        if any_lost(pictures, self.lost):
            for batch in missing_batches(pictures, size, self.store, self.lost):
                if any_lost(batch.pictures, self.lost):
                    ids = [picture.id for picture in batch.pictures]
                    self.store.forget(ids)
                    self.lost.difference_update(ids)

    def _record(self, finished: FinishedBatch, seconds: float) -> None:
        told = zip(finished.batch.pictures, finished.files, finished.failures, strict=True)
        rows = [_row(planned, self._seen(planned.id, file), failure) for planned, file, failure in told]
        self.store.add_pictures(rows, finished.readings, Spent(self.request, len(rows), seconds))
        for note in finished.notes:
            self.reporter.say(note)

    def _seen(self, picture_id: str, file: WrittenFile) -> RecordedFile:
        """A worker's file as it is seen from here. Raises PicturePlaceError where it is not what the worker wrote."""
        stamp = self.store.pictures.stamp(picture_id)
        if stamp is None or stamp.size not in (None, file.size):
            raise PicturePlaceError(
                f"{self.store.place}: a worker saved pictures that are not seen there from here; name a folder that "
                "all nodes share, or a URL, as [store] pictures"
            )
        return RecordedFile(picture_id, file.sha256, file.size, stamp.changed)


@contextmanager
def opened_maker(
    spec: GridSpec, plan: Plan, store: Store, request: str, reporter: Reporter, ray: str | None = None
) -> Generator[PictureMaker]:
    """A maker of a specification's pictures; its workers and models live as long as the block.

    `ray`: "auto" or a cluster's address, to render there. Choose pictures by `plan.picture(cell, unit)`; what is loaded
    is kept from one `make` to the next.
    """
    job = Job(spec.model, plan.sampling, spec.score, store.place, elsewhere=spec.elsewhere)
    here = spec.elsewhere is None
    shape = picture_shape(find_base(spec.model.base, spec.model.overrides), plan.sampling) if here else None
    reader, lost = Reader(spec.score, store, reporter), store.lost()
    with opened_executor(job, ray) as executor:
        yield PictureMaker(plan, store, request, executor, reader, reporter, spec.sampler.batch, shape, lost)


def missing_batches(
    pictures: Iterable[PlannedPicture], size: int, store: Store, lost: Collection[str] = ()
) -> Iterator[Batch]:
    """The plan's batches, without the pictures that are there; one that has `lost` a file is whole.

    A batch is recorded whole or not at all, so a part of one is there only from a grid of another shape; after a kill
    the same remainders follow, and pictures come out to the same bits. So they do where files were deleted, because a
    picture's last bits hang on what is rendered beside it.
    """
    for batches in chunks(batches_of(pictures, size), LOOKED_UP_AT_ONCE):
        missing = {one.id for one in missing_from([one for batch in batches for one in batch.pictures], store)}
        for batch in batches:
            if any_lost(batch.pictures, lost):
                yield batch
            elif left := tuple(picture for picture in batch.pictures if picture.id in missing):
                yield Batch(left)


def missing_from(pictures: list[PlannedPicture], store: Store) -> list[PlannedPicture]:
    """Those that the store does not have."""
    there = store.failures(picture.id for picture in pictures)
    return [picture for picture in pictures if picture.id not in there]


def lap_timer() -> Callable[[], float]:
    """Says, whenever it is asked, how many seconds of wall time went by since it was last asked, or made."""
    last = time.perf_counter()

    def lap() -> float:
        nonlocal last
        before, last = last, time.perf_counter()
        return last - before

    return lap


def amount_of(batches: Iterable[Batch]) -> Amount:
    """Counted by walking through the work."""
    pictures = count = checkpoints = unet_changes = text_changes = 0
    checkpoint = unet_key = ""
    texts: set[str] = set()
    for batch in batches:
        count += 1
        pictures += len(batch.pictures)
        if batch.checkpoint != checkpoint:
            checkpoints, checkpoint, texts = checkpoints + 1, batch.checkpoint, set[str]()
        if batch.unet_key != unet_key:
            unet_changes, unet_key = unet_changes + 1, batch.unet_key
        for key in {picture.cell.text_key for picture in batch.pictures if picture.cell} - texts:
            text_changes += 1
            texts.add(key)
    return Amount(pictures, count, checkpoints, unet_changes, text_changes)


def checkpoints_in(pictures: Iterable[PlannedPicture]) -> Iterator[Checkpoint]:
    """Every LoRA file that is put on, once."""
    seen: set[str] = set()
    for picture in pictures:
        for use in picture.cell.acting if picture.cell else ():
            if use.checkpoint.sha256 not in seen:
                seen.add(use.checkpoint.sha256)
                yield use.checkpoint


def _row(planned: PlannedPicture, file: RecordedFile, failure: str | None) -> PictureRow:
    cell = planned.cell.lora_id if planned.cell else CONTROL
    kept = {"sha256": file.sha256, "size": file.size, "changed": file.changed}
    return PictureRow(id=planned.id, cell=cell, prompt=planned.prompt, seed=planned.seed, failure=failure, **kept)
