"""Epochs, repeats and batch for a wanted number of steps: exact plans of the data at hand, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log

from foundation.errors import ConfigurationError
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.plan import make_plan
from trainer.learning.processes import process_count
from trainer.planning.run_plan import RunPlan
from trainer.planning.wanted_steps import ImpossibleStepsError, check_wanted
from trainer.planning.what_worked import standings

SHOWN = 5
BATCHES, EPOCHS, FEW_EPOCHS = (1, 2, 4, 8), (8, 10, 12, 14, 16), (1, 2, 4)
# Further off than this share of what was wanted, a plan is no answer.
NEAR = 0.1
MANY = 8  # wanted steps a picture, from which on eight epochs are none too many
PLANNED, LEAST_PLANNED = 40, 6  # that are reckoned exactly: as many as take a second or two, step by step
STEPS_RECKONED = 400_000


@dataclass(frozen=True)
class Suggestion:
    """A plan that comes near: `repeats` by folder, as its name should begin; `stands_out`: keys of what worked."""

    epochs: int
    batch: int
    repeats: dict[str, int]
    steps: int
    times_shown: float
    stands_out: tuple[str, ...]

    @property
    def renamed(self) -> dict[str, str]:
        """kohya's folders to rename, from what to what; those of `[[data.folders]]` have their repeats there."""
        kohyas = {name: name.partition("_") for name in self.repeats if name.partition("_")[0].isdigit()}
        new = {name: f"{self.repeats[name]}_{words}" for name, (_, _, words) in kohyas.items()}
        return {name: better for name, better in new.items() if name != better}


def suggest(run: RunPlan, wanted: int) -> list[Suggestion]:
    """Plans of about `wanted` steps over the run's data, the best first. Raises ImpossibleStepsError."""
    check_wanted(wanted)
    planned = min(PLANNED, max(LEAST_PLANNED, STEPS_RECKONED // wanted))
    tried = sorted(_candidates(run, wanted), key=lambda one: one[0])[:planned]
    found = [_planned(run, epochs, batch, scale) for _, epochs, batch, scale in tried]
    near = [one for one in found if one and abs(one.steps - wanted) <= NEAR * wanted]
    if not near:
        least = min((one.steps for one in found if one), default=run.steps)
        raise ImpossibleStepsError(
            f"--suggest {wanted}: with {len(run.dataset.train)} pictures of the subject no plan comes near; "
            f"one has {least} steps, so ask for so many, or train on other pictures"
        )
    distinct = {(one.epochs, one.batch, tuple(one.repeats.items())): one for one in near}
    return sorted(distinct.values(), key=lambda one: _order(one, wanted, run.config))[:SHOWN]


def _order(one: Suggestion, wanted: int, config: TrainConfig) -> tuple[float, ...]:
    """What stands out, then how far from the wanted steps in whole percents, then what changes least."""
    off, training = round(100 * abs(one.steps - wanted) / wanted), config.training
    return len(one.stands_out), off, abs(one.batch - training.batch_size), abs(one.epochs - training.epochs)


def _candidates(run: RunPlan, wanted: int) -> Iterator[tuple[float, int, int, float]]:
    """(distance by a rough count, epochs, batch, what repeats are multiplied by)."""
    training = run.config.training
    pictures = run.shown_an_epoch * (2 if run.dataset.reg else 1)
    a_step = training.gradient_accumulation * process_count()
    few = FEW_EPOCHS if wanted < MANY * len(run.dataset.train) else ()
    epochs_tried: set[int] = {*EPOCHS, training.epochs, *few}
    batches: set[int] = {*BATCHES, training.batch_size}
    for epochs, batch in product(sorted(epochs_tried), sorted(batches)):
        scale = wanted * batch * a_step / (epochs * pictures)
        for one in {_possible(run.dataset, scale * about) for about in (0.95, 1.0, 1.05)}:
            rough = epochs * one * pictures / (batch * a_step)
            yield abs(log(rough / wanted)) + 0.05 * abs(log(batch / training.batch_size)), epochs, batch, one


def _possible(dataset: Dataset, scale: float) -> float:
    """The scale at which the least repeats are a whole number of 1 or more."""
    least = min(sample.repeats for sample in dataset.train)
    return max(1, round(least * scale)) / least


def _planned(run: RunPlan, epochs: int, batch: int, scale: float) -> Suggestion | None:
    train = tuple(replace(one, repeats=max(1, round(one.repeats * scale))) for one in run.dataset.train)
    dataset = replace(run.dataset, train=train)
    config = _with(run.config, epochs, batch)
    try:
        plan = make_plan(dataset, config.training, run.plan.frames, process_count())
    except ConfigurationError:  # a warm-up that does not end
        return None
    planned = RunPlan(config, dataset, plan)
    return Suggestion(
        epochs=epochs,
        batch=batch,
        repeats={sample.folder: sample.repeats for sample in train},
        steps=planned.steps,
        times_shown=sum(planned.uses[: len(train)]) / len(train),
        stands_out=tuple(one.row.key for one in standings(planned) if one.stands_out),
    )


def _with(config: TrainConfig, epochs: int, batch: int) -> TrainConfig:
    training = config.training.model_copy(update={"epochs": epochs, "batch_size": batch})
    return config.model_copy(update={"training": training})


def as_rows(found: Sequence[Suggestion]) -> list[dict[str, object]]:
    """For programs."""
    return [
        {
            "epochs": one.epochs,
            "batch_size": one.batch,
            "repeats": one.repeats,
            "rename": one.renamed,
            "steps": one.steps,
            "times_shown": one.times_shown,
            "stands_out": list(one.stands_out),
        }
        for one in found
    ]
