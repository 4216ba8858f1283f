"""Pictures that are never trained on: a folder of their own, or a few of the train pictures set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from base_models.pictures.near_duplicates import Sketch, same_pictures, sketch
from base_models.pictures.picture_file import UnreadablePictureError
from foundation.errors import DatasetError
from foundation.files import sha256_of
from trainer.config.data_section import DataSection
from trainer.data.dataset import Dataset, Sample, read_pictures

# A mean over more says little more about overfitting, and each picture set aside is one that is not learned from.
MOST = 8


class TrainedHeldOutError(DatasetError):
    """Held-out pictures that are all trained on, so that they could never show overfitting."""


def with_held_out(dataset: Dataset, data: DataSection, seed: int) -> Dataset:
    """`dataset` with what it is tested on, and a note of it. No picture that is held out is trained on.

    A share of the train pictures is rounded down: below 20 pictures, the default share sets none aside. Raises what
    `read_dataset` does for a folder, and TrainedHeldOutError where nothing is left of it.
    """
    if data.held_out is not None:
        return _of_folder(dataset, data.held_out, data.caption_extension)
    count = min(MOST, int(data.held_out_share * len(dataset.train)))
    chosen = set(Random(f"{seed}/held out").sample(range(len(dataset.train)), count))
    held_out = tuple(dataset.train[at] for at in sorted(chosen))
    rest = [sample for at, sample in enumerate(dataset.train) if at not in chosen]
    also = {one.path for one, _ in _twins(rest, held_out)} if held_out else set[Path]()
    train = tuple(sample for sample in rest if sample.path not in also)
    if not held_out or not train:
        why = "are held out" if not held_out else "can be held out, because all are nearly the same"
        note = f"no pictures {why}, so overfitting cannot be seen: give data.held_out a folder of captioned ones"
        return replace(dataset, notes=(*dataset.notes, note))
    note = f"held out, not trained on: {_names(held_out)}"
    if also:
        note += f"; nor is what is the same or nearly so: {_names([one for one in rest if one.path in also])}"
    note += " (data.held_out_share; data.held_out names a folder of others instead)"
    return replace(dataset, train=train, held_out=held_out, notes=(*dataset.notes, note))


def _of_folder(dataset: Dataset, folder: Path, extension: str | None) -> Dataset:
    """Without the pictures that are trained on: these would be learned by heart, and hide that others are not."""
    notes = list(dataset.notes)
    found = read_pictures(folder, notes, extension)
    twins = _twins(found, dataset.train, dataset.reg)
    pairs = ", ".join(f"{one.path.name} (as {other.folder}/{other.path.name})" for one, other in twins)
    trained = {one.path for one, _ in twins}
    held_out = tuple(sample for sample in found if sample.path not in trained)
    if not held_out:
        raise TrainedHeldOutError(
            f"{folder}: all its pictures are trained on, or nearly so: {pairs}; put others there, or leave out "
            "data.held_out"
        )
    if pairs:
        notes.append(f"{folder}: left out, because they are trained on or nearly so: {pairs}")
    return replace(dataset, held_out=held_out, notes=tuple(notes))


def _twins(
    samples: Sequence[Sample], others: Sequence[Sample], reg: Sequence[Sample] = ()
) -> list[tuple[Sample, Sample]]:
    """Those of `samples` that are the same picture as one of `others`, by content or to the eye, with that one.

    Of `reg` pictures, which may be thousands and show others, only the content is compared.
    """
    known = {sha256_of(other.path): other for other in (*reg, *others)}
    twins = {sample.path: known[content] for sample in samples if (content := sha256_of(sample.path)) in known}
    looks = [(other, look) for other in others if (look := _look(other)) is not None]
    left = [(one, look) for one in samples if one.path not in twins and (look := _look(one)) is not None]
    for at, beside in same_pictures([look for _, look in left], [look for _, look in looks]):
        twins.setdefault(left[at][0].path, looks[beside][0])
    return [(sample, twins[sample.path]) for sample in samples if sample.path in twins]


def _look(sample: Sample) -> Sketch | None:
    """None for a picture that cannot be read, which is said when it is to be encoded."""
    try:
        return sketch(sample.path)
    except UnreadablePictureError:
        return None


def _names(samples: Sequence[Sample]) -> str:
    return ", ".join(sample.path.name for sample in samples)
