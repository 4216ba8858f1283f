"""The run as a list of steps, made before any model is loaded: which samples each update learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import TypeVar

from base_models.pictures.picture_file import Size
from foundation.errors import ConfigurationError
from trainer.config.training_section import TrainingSection
from trainer.data.dataset import Dataset, Sample
from trainer.data.pictures import Frame

Item = TypeVar("Item")


@dataclass(frozen=True)
class Step:
    """One update: `number` and `epoch` count from 1; each batch holds indices into `Dataset.samples`."""

    number: int
    epoch: int
    batches: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Plan:
    """Every update of a run, in order, and how often each reg picture is looked at in the whole run.

    `frames` say how each of `Dataset.samples` is cut; a batch holds pictures of one bucket.
    """

    steps: tuple[Step, ...]
    reg_uses: tuple[int, ...]
    frames: tuple[Frame, ...]


def make_plan(dataset: Dataset, training: TrainingSection, frames: Sequence[Frame], processes: int = 1) -> Plan:
    """Plan the run: each epoch shows the train pictures with their repeats and, where there are reg pictures, as many.

    Updates an epoch: ceil(batches / (accumulation * processes)), with ceil(n / batch) batches for each bucket of n, as
    kohya counts: a step has a batch for each process and each accumulation. `frames` are those of `dataset.samples`.
    The same seed gives the same plan. Raises ConfigurationError when the warm-up would not end, or the rate's way down
    would have to begin before that.
    """
    train = [at for at, sample in enumerate(dataset.train) for _ in range(sample.repeats)]
    deck = endless_deck(dataset.reg, Random(f"{training.seed}/reg"))
    steps: list[Step] = []
    uses = [0] * len(dataset.reg)
    for epoch in range(1, training.epochs + 1):
        drawn = list(islice(deck, len(train)))
        for at in drawn:
            uses[at] += 1
        order = train + [len(dataset.train) + at for at in drawn]
        Random(f"{training.seed}/order/{epoch}").shuffle(order)
        batches = _batches(order, frames, training.batch_size)
        groups = _chunks(batches, training.gradient_accumulation * processes)
        steps += [Step(len(steps) + number, epoch, group) for number, group in enumerate(groups, 1)]
    if (warmup := training.warmup(len(steps))) >= len(steps):
        raise ConfigurationError(
            f"training.lr_warmup_steps is {warmup}, but the run has only {len(steps)} steps; lower it"
        )
    if (decay := training.decay(len(steps))) > len(steps) - warmup:
        raise ConfigurationError(
            f"training.lr_decay_steps is {decay}, but only {len(steps) - warmup} steps are left after the warm-up; "
            "lower it"
        )
    return Plan(tuple(steps), tuple(uses), tuple(frames))


def _batches(order: Sequence[int], frames: Sequence[Frame], size: int) -> list[tuple[int, ...]]:
    """Batches of one bucket each, in the order in which their first pictures come."""
    by_bucket: dict[Size, list[tuple[int, int]]] = {}
    for place, at in enumerate(order):
        by_bucket.setdefault(frames[at].bucket, []).append((place, at))
    batches = [batch for bucket in by_bucket.values() for batch in _chunks(bucket, size)]
    return [tuple(at for _, at in batch) for batch in sorted(batches)]


def endless_deck(reg: Sequence[Sample], rng: Random) -> Iterator[int]:
    """Indices of reg pictures, drawn evenly: pictures of equal repeats differ by one use at most, at any point.

    Where kohya takes them in order and never sees the tail, this deals shuffled rounds. A picture of n repeats is in
    the first n rounds of each deck, so every picture is seen once before one is seen twice.
    """
    rounds = max((sample.repeats for sample in reg), default=0)
    while rounds:
        for number in range(rounds):
            hand = [at for at, sample in enumerate(reg) if sample.repeats > number]
            rng.shuffle(hand)
            yield from hand


def reg_note(plan: Plan) -> str | None:
    """How the reg pictures are used, in words; None without any."""
    if not plan.reg_uses:
        return None
    low, high = min(plan.reg_uses), max(plan.reg_uses)
    if low == 0:
        unused = plan.reg_uses.count(0)
        return f"{unused} of {len(plan.reg_uses)} reg pictures are never used: there are more than the run has room for"
    often = f"{low}" if low == high else f"{low} to {high}"
    return f"each of the {len(plan.reg_uses)} reg pictures is used {often} times"


def _chunks(items: Sequence[Item], size: int) -> tuple[tuple[Item, ...], ...]:
    return tuple(tuple(items[start : start + size]) for start in range(0, len(items), size))
