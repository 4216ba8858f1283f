"""What is worth a word about how a run's pictures are read."""

from __future__ import annotations

from dataclasses import replace

from base_models.pictures.picture_file import remarks_on
from foundation.wording.said import say
from trainer.data.dataset import Dataset


def with_picture_notes(dataset: Dataset) -> Dataset:
    """The same data, its notes naming pictures that move or are transparent; each file's header is read."""
    said = [say("pictures {remark}", remark=remark) for remark in remarks_on(sample.path for sample in dataset.samples)]
    return replace(dataset, notes=(*dataset.notes, *said))
