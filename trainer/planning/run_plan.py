"""A run counted before anything is loaded: its steps, its pictures and how often each is used, its buckets.

The run itself is planned here, so what is foretold is what is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from base_models.pictures.picture_file import Size
from trainer.config.config import TrainConfig
from trainer.data.buckets import frames_of
from trainer.data.dataset import Dataset, Sample, dataset_of
from trainer.data.held_out import with_held_out
from trainer.data.picture_notes import with_picture_notes
from trainer.data.plan import Plan, make_plan
from trainer.learning.processes import process_count


@dataclass(frozen=True)
class Bucket:
    """A size that pictures are trained at, and how many are; `shown`: pictures of it in the whole run."""

    size: Size
    train: int
    reg: int
    held_out: int
    shown: int


@dataclass(frozen=True)
class FolderUse:
    """A kohya folder: how many pictures, each shown how often in the run at least and at most, how many never."""

    name: str
    kind: str
    pictures: int
    repeats: int
    least: int
    most: int
    unused: int


@dataclass(frozen=True)
class Shape:
    """A batch as it is computed: so many pictures of one size, and whether text encoders learn from it too."""

    size: Size
    count: int
    text_learns: bool


@dataclass(frozen=True)
class RunPlan:
    """What a configuration makes of its data."""

    config: TrainConfig
    dataset: Dataset
    plan: Plan

    @property
    def steps(self) -> int:
        """Updates in the whole run."""
        return len(self.plan.steps)

    @cached_property
    def steps_by_epoch(self) -> tuple[int, ...]:
        """Updates of each epoch, the first first. Reg pictures are drawn anew, so epochs may differ by a few."""
        counted = Counter(step.epoch for step in self.plan.steps)
        return tuple(counted[epoch] for epoch in range(1, self.config.training.epochs + 1))

    @cached_property
    def uses(self) -> tuple[int, ...]:
        """How often the run learns from each of `dataset.samples`; what is held out never."""
        counted = Counter(at for step in self.plan.steps for batch in step.batches for at in batch)
        return tuple(counted[at] for at in range(len(self.dataset.samples)))

    @property
    def learned(self) -> tuple[tuple[Sample, int], ...]:
        """Train and reg pictures, each with how often it is used."""
        count = len(self.dataset.train) + len(self.dataset.reg)
        return tuple(zip(self.dataset.samples[:count], self.uses[:count], strict=True))

    @property
    def unused(self) -> tuple[Sample, ...]:
        """Pictures that the run has no room for."""
        return tuple(sample for sample, uses in self.learned if not uses)

    @property
    def shown_an_epoch(self) -> int:
        """Pictures of the subject that an epoch shows, with their repeats."""
        return sum(sample.repeats for sample in self.dataset.train)

    @cached_property
    def buckets(self) -> tuple[Bucket, ...]:
        """Those that hold pictures which are learned from, the fullest first."""
        train, reg = len(self.dataset.train), len(self.dataset.reg)
        sizes = [frame.bucket for frame in self.plan.frames]
        parts = [Counter(part) for part in (sizes[:train], sizes[train : train + reg], sizes[train + reg :])]
        shown: Counter[Size] = Counter()
        for size, uses in zip(sizes, self.uses, strict=True):
            shown[size] += uses
        of_train, of_reg, of_held_out = parts
        found = [
            Bucket(size, of_train[size], of_reg[size], of_held_out[size], shown[size]) for size in {*of_train, *of_reg}
        ]
        return tuple(sorted(found, key=lambda one: (-one.train - one.reg, one.size)))

    @cached_property
    def shapes(self) -> Counter[Shape]:
        """How many batches of each shape are computed in the whole run."""
        last_of_text = int(self.config.training.te_stop_at * self.steps)
        trains_text = any(rate for part, rate in self.config.training.rates.items() if part != "unet")
        return Counter(
            Shape(self.plan.frames[batch[0]].bucket, len(batch), trains_text and step.number <= last_of_text)
            for step in self.plan.steps
            for batch in step.batches
        )

    @property
    def folders(self) -> tuple[FolderUse, ...]:
        """Each folder's part in the run."""
        return (*self._folders("subject", 0, self.dataset.train), *self._reg_folders())

    def _reg_folders(self) -> Iterator[FolderUse]:
        return self._folders("reg", len(self.dataset.train), self.dataset.reg)

    def _folders(self, kind: str, first: int, samples: tuple[Sample, ...]) -> Iterator[FolderUse]:
        uses: dict[tuple[str, int], list[int]] = {}
        for at, sample in enumerate(samples, first):
            uses.setdefault((sample.folder, sample.repeats), []).append(self.uses[at])
        for (name, repeats), found in uses.items():
            yield FolderUse(name, kind, len(found), repeats, min(found), max(found), found.count(0))


def plan_run(config: TrainConfig) -> RunPlan:
    """Read the data and plan the run, as `trainer run` does. No picture is decoded but for what looks alike.

    Raises DatasetError and its kin for folders, pictures and captions that cannot be used, ConfigurationError for a
    schedule that the steps do not hold.
    """
    dataset = with_held_out(dataset_of(config.data), config.data, config.training.seed)
    return planned(config, with_picture_notes(dataset))


def planned(config: TrainConfig, dataset: Dataset) -> RunPlan:
    """The plan over data that was read. Raises ConfigurationError."""
    return RunPlan(
        config, dataset, make_plan(dataset, config.training, frames_of(dataset, config.data), process_count())
    )
