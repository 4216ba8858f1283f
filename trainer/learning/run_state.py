"""How far a run has come and what it met on the way: all of a run's state that is not a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from foundation.toml_config import Section

# So many recent steps say what is usual; the median of fewer than MIN_HISTORY says nothing.
HISTORY, MIN_HISTORY = 64, 12

VerdictName = Literal[
    "healthy",
    "overflow",
    "exploding",
    "diverged on these pictures",
    "vanished",
    "text encoder overfitting",
    "overfitting",
    "under-trained",
]


class PartMovement(Section):
    """How far a trained part ("unet", "te1", "te2") moved: |delta| / |W| over its modules, of which `dead` did not."""

    part: str
    moved: float
    modules: int
    dead: int


class Reading(Section):
    """What was measured at the end of an epoch, or (epoch 0) before the first step.

    `train_loss` and `held_out_loss` are means over fixed pictures, timesteps and noise, so that they can be compared
    between epochs; `held_out_without_te` is the latter with the text encoder's adapters off. `unet_movement` and
    `te_movement` are |delta| / |W| in Frobenius norms over all trained modules of the part; `parts` has each text
    encoder by itself. `mean_loss` is the mean of the epoch's steps, `d` what Prodigy or D-Adaptation have found. None:
    there is nothing to measure it on.
    """

    epoch: int
    step: int
    train_loss: float | None
    mean_loss: float | None = None
    held_out_loss: float | None = None
    held_out_without_te: float | None = None
    unet_movement: float | None = None
    te_movement: float | None = None
    parts: tuple[PartMovement, ...] = ()
    d: float | None = None


class Event(Section):
    """A step that was not made, or pictures that were left out: why, and what was done about it.

    `kind` is "pictures", "overflow", "exploding" or "text encoder exploding".
    """

    step: int
    kind: str
    what: str
    pictures: tuple[str, ...] = ()
    done: str = ""


class Verdict(Section):
    """A verdict's name, the figures that say so, and what to change ("" where nothing is to be)."""

    name: VerdictName
    reason: str
    advice: str = ""

    @property
    def words(self) -> str:
        """One line: the name, the figures, and what to change."""
        return f"{self.name}: {self.reason}" + (f"; {self.advice}" if self.advice else "")


class RunState(Section):
    """`done` steps of the plan are made. `rate` is what rollbacks left of the learning rates. `left_out` are samples.

    `loss_scale` is what losses are multiplied by where the base is float16, sound for the last `scaled_for` steps.
    `losses` and `gradients` are those of the last HISTORY sound steps; `files` are the checkpoints, name -> sha256;
    `verdicts` are an epoch each.
    """

    done: int = 0
    rate: float = 1.0
    loss_scale: float = 65536.0
    scaled_for: int = 0
    rollbacks: int = 0
    skipped_in_a_row: int = 0
    left_out: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    gradients: tuple[float, ...] = ()
    epoch_losses: tuple[float, ...] = ()
    readings: tuple[Reading, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    events: tuple[Event, ...] = ()
    files: dict[str, str] = Field(default={})
    seconds: float = 0.0

    def after(self, made: Sequence[tuple[float, float]]) -> RunState:
        """The state after some sound steps of (loss, norm of the gradient)."""
        losses, gradients = tuple(loss for loss, _ in made), tuple(norm for _, norm in made)
        return self.model_copy(
            update={
                "done": self.done + len(made),
                "skipped_in_a_row": 0,
                "losses": (*self.losses, *losses)[-HISTORY:],
                "gradients": (*self.gradients, *gradients)[-HISTORY:],
                "epoch_losses": (*self.epoch_losses, *losses),
            }
        )

    def with_event(self, event: Event, **changed: object) -> RunState:
        """One event later, and with what that changed, by the names of fields."""
        return self.model_copy(update={**changed, "events": (*self.events, event)})
