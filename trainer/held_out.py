"""Pictures that are never trained on: a folder of their own, or a few of the train pictures set aside."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from trainer.config import DataSection
from trainer.dataset import Dataset, read_pictures

# A mean over more says little more about overfitting, and each picture set aside is one that is not learned from.
MOST = 8


def with_held_out(dataset: Dataset, data: DataSection, seed: int) -> Dataset:
    """`dataset` with what it is tested on, and a note of it.

    A share of the train pictures is rounded down: below 20 pictures, the default share sets none aside. Raises what
    `read_dataset` does for a folder.
    """
    notes = list(dataset.notes)
    if data.held_out is not None:
        held_out = read_pictures(data.held_out, notes)
        return replace(dataset, held_out=tuple(held_out), notes=tuple(notes))
    count = min(MOST, int(data.held_out_share * len(dataset.train)))
    if not count:
        note = "no pictures are held out, so overfitting cannot be seen: give data.held_out a folder of captioned ones"
        return replace(dataset, notes=(*notes, note))
    chosen = set(Random(f"{seed}/held out").sample(range(len(dataset.train)), count))
    held_out = tuple(dataset.train[at] for at in sorted(chosen))
    train = tuple(sample for at, sample in enumerate(dataset.train) if at not in chosen)
    names = ", ".join(sample.path.name for sample in held_out)
    note = f"held out, not trained on: {names} (data.held_out_share; data.held_out names a folder of others instead)"
    return replace(dataset, train=train, held_out=held_out, notes=(*notes, note))
