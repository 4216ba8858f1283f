"""The order in which checkpoints were trained, and where each lies on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple, TypeVar

from eval.request.epochs.saved_when import run_called

Item = TypeVar("Item")
Place = tuple[float, float]
MOST_NAMED = 6


class Trained(NamedTuple):
    """When a checkpoint was saved, as far as is known, and its name."""

    epoch: int | None
    step: int | None
    name: str

    @property
    def is_numbered(self) -> bool:
        """Whether it is known when it was saved. One of which it is not is a run's last: kohya gives it no number."""
        return self.epoch is not None or self.step is not None


def in_training_order(items: Iterable[Item], trained: Callable[[Item], Trained]) -> list[Item]:
    """The items as they were trained: by epoch and step, then by name; those without a number last."""
    listed = list(items)
    place = _clock([trained(one) for one in listed])

    def key(item: Item) -> tuple[bool, Place, str]:
        one = trained(item)
        return not one.is_numbered, place(one) if one.is_numbered else (0, 0), one.name

    return sorted(listed, key=key)


def on_the_way(items: Iterable[Item], trained: Callable[[Item], Trained]) -> list[Item]:
    """Those that lie on the way of a training, in its order: with an epoch or a step, or the last of such a run.

    A blend, or another training's file without a number, is none of them. None where nobody has a number.
    """
    ordered = in_training_order(items, trained)
    runs = {run_called(trained(one).name) for one in ordered if trained(one).is_numbered}
    return [one for one in ordered if trained(one).is_numbered or trained(one).name in runs]


def positions(trained: Sequence[Trained]) -> list[float]:
    """A number for each that grows along the training: epochs, or steps where epochs do not tell files apart.

    Those without a number lie behind all others.
    """
    unit, rate = _unit(trained), _steps_an_epoch(trained)
    if unit == "neither":
        ranks = {one: at for at, one in enumerate(in_training_order(set(trained), lambda one: one))}
        return [float(ranks[one]) for one in trained]
    found = [_number(one, unit, rate) if one.is_numbered else None for one in trained]
    known = sorted({number for number in found if number is not None})
    gaps = [after - before for before, after in pairwise(known)]
    last = (known[-1] if known else 0.0) + (1.0 if unit == "epoch" else min(gaps, default=1.0))
    return [last if number is None else number for number in found]


def order_in_words(trained: Sequence[Trained]) -> str:
    """One line that says what was read of when each was saved; "" where there are fewer than two."""
    ordered = in_training_order(dict.fromkeys(trained), lambda one: one)
    if len(ordered) < 2:
        return ""
    said = [f"{one.name} ({_when(one)})" for one in ordered]
    if len(said) > MOST_NAMED:
        said = [*said[:2], f"{len(said) - 4} more", *said[-2:]]
    return f"in the order of training: {', '.join(said)}{_doubt(ordered)}"


def _when(one: Trained) -> str:
    epoch = None if one.epoch is None else f"epoch {one.epoch}"
    step = None if one.step is None else f"step {one.step}"
    return ", ".join(filter(None, (epoch, step))) or "no number, so last"


def _doubt(ordered: Sequence[Trained]) -> str:
    if _unit(ordered) != "neither":
        return ""
    return "; no file says how many steps an epoch has, so those with an epoch stand before those with a step alone"


def _clock(trained: Sequence[Trained]) -> Callable[[Trained], Place]:
    """What files with a number are sorted by: epoch and step, or steps, to which epochs are converted if need be."""
    numbered = [one for one in trained if one.is_numbered]
    if all(one.epoch is not None for one in numbered):
        return lambda one: (one.epoch or 0, one.step or 0)
    if (rate := _steps_an_epoch(numbered)) is not None or all(one.step is not None for one in numbered):
        return lambda one: (one.step if one.step is not None else (one.epoch or 0) * (rate or 1), 0)
    return lambda one: (0, one.epoch) if one.epoch is not None else (1, one.step or 0)


def _unit(trained: Sequence[Trained]) -> str:
    """What positions are counted in: "epoch", "step", or "neither" where the two cannot be compared."""
    numbered = {one for one in trained if one.is_numbered}
    epochs = [(run_called(one.name), one.epoch) for one in numbered]
    have_steps = all(one.step is not None for one in numbered)
    if all(one.epoch is not None for one in numbered) and not (have_steps and len(set(epochs)) < len(epochs)):
        return "epoch"
    return "step" if have_steps or _steps_an_epoch(list(numbered)) is not None else "neither"


def _number(one: Trained, unit: str, rate: float | None) -> float:
    if unit == "step":
        return float(one.step) if one.step is not None else (one.epoch or 0) * (rate or 1.0)
    return float(one.epoch or 0)


def _steps_an_epoch(trained: Sequence[Trained]) -> float | None:
    rates = [one.step / one.epoch for one in trained if one.epoch and one.step]
    return median(rates) if rates else None
