"""What stands out in a plan against what worked: rows of a table, each with its source.

A row that stands out is no fault. It names where to look first when a run fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from foundation.wording.said import say
from trainer.planning.run_plan import RunPlan

ONE_SUCCESS = say("a practitioner's one success after twelve failures: 45 pictures shown 50 times an epoch, 12 epochs")
THEIR_NOTES = say("the same practitioner's notes on the runs that failed")
MINIATURE = say("runs on the miniature (docs/log.md)")
# A figure that nobody noted bounds for stands out at so many times what worked, or at one part in as many.
FAR, VERY_FAR = 3.0, 10.0


@dataclass(frozen=True)
class Worked:
    """A row: `figure` of a plan, `low` to `high` of what worked, and what to do below or above it."""

    key: str
    called: str
    figure: Callable[[RunPlan], float | None]
    low: float
    high: float
    source: str
    below: str
    above: str
    preset: str = "portrait"
    unit: str = ""

    def judged(self, run: RunPlan) -> Standing | None:
        """None where the plan has no such figure."""
        value = self.figure(run)
        if value is None:
            return None
        advice = self.below if value < self.low else self.above if value > self.high else ""
        return Standing(self, value, advice)


@dataclass(frozen=True)
class Standing:
    """A plan's figure beside its row; `advice` is empty where it lies within what worked."""

    row: Worked
    value: float
    advice: str

    @property
    def stands_out(self) -> bool:
        """Whether it lies outside."""
        return bool(self.advice)


def _rate_times_scale(run: RunPlan) -> float | None:
    lora, rate = run.config.lora, run.config.training.unet_lr
    finds_its_own = run.config.training.optimizer in ("DAdaptAdam", "Prodigy", "Adafactor")
    return None if finds_its_own or not rate else rate * lora.alpha / lora.rank


def _times_shown(run: RunPlan) -> float:
    """Of a picture of the subject, in the whole run."""
    return fmean(run.uses[: len(run.dataset.train)])


def _steps_a_picture(run: RunPlan) -> float:
    return run.steps / len(run.dataset.train)


def _repeats(run: RunPlan) -> float:
    return fmean(sample.repeats for sample in run.dataset.train)


def _unused_share(run: RunPlan) -> float | None:
    return sum(not uses for _, uses in run.learned) / len(run.dataset.reg) if run.dataset.reg else None


def _rows(
    preset: str, source: str, *, batch: float, epochs: tuple[float, float], shown: float, steps: float, rate: float
) -> tuple[Worked, ...]:
    """The rows of what worked once, with these figures."""
    return (
        Worked(
            "epochs", say("epochs"), lambda run: run.config.training.epochs, *epochs, source,
            say("fewer files to choose from: raise training.epochs and lower the repeats by as much"),
            say("24 epochs of a bad set failed: look at the data before training longer, and lower the "
            "repeats"), preset,
        ),
        Worked(
            "times_shown", say("a picture is shown"), _times_shown, shown / FAR, shown * FAR, source,
            say("raise the repeats, or training.epochs"),
            say("lower the repeats, or training.epochs: it is learned by heart"), preset, "times",
        ),
        Worked(
            "steps_a_picture", say("steps a picture of the subject"), _steps_a_picture, steps / FAR, steps * FAR,
            source,
            say("raise the repeats or lower the batch; `--suggest STEPS` reckons it"),
            say("lower the repeats or raise the batch; `--suggest STEPS` reckons it"), preset,
        ),
        Worked(
            "rate_times_scale", say("rate x alpha / rank"), _rate_times_scale, rate / VERY_FAR, rate * VERY_FAR, source,
            say("a weight moves by less than a tenth of what worked: raise training.unet_lr or lora.alpha, or train "
            "longer"),
            say("a weight moves by more than ten times what worked, as where alpha is near the rank: that needs fewer "
            "steps; look at early epochs"), preset,
        ),
        Worked(
            "batch", say("pictures a step"), lambda run: run.config.training.batch_size, batch / 2, batch * 2, source,
            say("converges slowly: 2 or 4 was better, where memory holds it"),
            say("fewer, larger steps: raise the repeats to keep their number"), preset,
        ),
    )  # fmt: skip


PORTRAIT = _rows("portrait", ONE_SUCCESS, batch=4, epochs=(8, 16), shown=600, steps=300, rate=2e-4 / 128)
OF_THE_MINIATURE = _rows("miniature", MINIATURE, batch=8, epochs=(2, 16), shown=48, steps=9, rate=2e-3)
OF_ALL = (
    Worked(
        "repeats", say("repeats of a picture"), _repeats, 1, 100, THEIR_NOTES,
        "", say("an epoch this long gives few files to choose from: lower the repeats, raise training.epochs"), "",
    ),
    Worked(
        "accumulation", say("batches a step"), lambda run: run.config.training.gradient_accumulation, 1, 12,
        THEIR_NOTES, "",
        say("more than 12 changed little and makes fewer steps: lower training.gradient_accumulation"), "",
    ),
    Worked(
        "reg_unused", say("share of reg pictures never used"), _unused_share, 0, 0, THEIR_NOTES,
        "", say("more reg pictures than steps ask for saved no bad run: leave them, or remove some; nothing is lost"),
        "",
    ),
)  # fmt: skip
ROWS = (*PORTRAIT, *OF_THE_MINIATURE, *OF_ALL)


def standings(run: RunPlan) -> tuple[Standing, ...]:
    """Every row that speaks of the plan's preset."""
    found = (row.judged(run) for row in ROWS if row.preset in ("", run.config.preset))
    return tuple(one for one in found if one is not None)
