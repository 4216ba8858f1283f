"""Steps made in windows, each looked at before the next: a broken one is undone, explained, and dealt with.

The device is waited for once a window. Until then a flag on it keeps a broken update, and all after it, from the
weights; then the window is made again up to the broken step, exactly, because each batch has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import torch

from base_models.threads import on_threads
from foundation.errors import DivergedError
from foundation.typed.typed_torch import listed
from foundation.wording.said import say
from trainer.config.config import GuardsSection
from trainer.data.plan import Step
from trainer.guarding.culprits import Culprits, find_culprits
from trainer.guarding.explosion_limits import limits_for
from trainer.guarding.figures_at_hand import FiguresAtHand
from trainer.guarding.state_file import Snapshot, put_back, take_snapshot
from trainer.guarding.update import Limits, Updater, update
from trainer.guarding.weight_change import WeightChangeGauge
from trainer.learning.optimizers import found_rate
from trainer.learning.run_state import Event, RunState

# Moved by twice its own weights, nothing of the base is left. Deltas of finished LoRAs are 0.003 to 0.3 of the weights.
EXPLODED = 2.0
# So many skipped steps without a sound one between them are no accident.
MOST_SKIPPED = 10
LEFT_OUT, LEFT_OUT_WITH_PICTURES = say("left this step out"), say("left this step out and those pictures")
# The scale of float16's loss begins at 65,536, doubles after so many sound steps and halves where a gradient overflows,
# as torch's GradScaler has it; but the steps that overflowed are made again, and not left out.
SCALE_HOLDS = 2000
OVERFLOWN = say("the gradient is not finite")


class MadeStep(NamedTuple):
    """A sound step; `d` is what an optimizer that finds its own rate multiplies learning rates by, after it."""

    loss: float
    gradient: float
    d: float | None


@dataclass(frozen=True)
class Fault:
    """What broke, and at which step; `step` None: not one of them, but the window as a whole.

    `kind` is "exploding", or "text encoder exploding" where the UNet's part is sound.
    """

    what: str
    step: Step | None
    kind: str = "exploding"


class GuardedSteps:
    """Carries out a plan's steps; `run_state` is the state after the last sound window.

    `saved` returns the last state that was saved: what a rollback goes back to when no single picture is to blame.
    `at_hand` says, at any moment and to any thread, how far the window under way has come.
    """

    def __init__(
        self,
        updater: Updater,
        gauge: WeightChangeGauge,
        policy: GuardsSection,
        run_state: RunState,
        saved: Callable[[], Snapshot],
    ) -> None:
        self.updater, self.gauge, self.run_state = updater, gauge, run_state
        self._policy, self._saved = policy, saved
        self._good = take_snapshot(run_state, updater.weights, updater.optimizer)
        self.at_hand = FiguresAtHand()

    @property
    def good(self) -> Snapshot:
        """The state after the last sound window, as it is in memory."""
        return Snapshot(self.run_state, self._good.weights, self._good.optimizer)

    def go_on_from(self, state: Snapshot) -> None:
        """Put a saved state in the place of everything there is."""
        self._keep(put_back(state, self.updater.weights, self.updater.optimizer))

    def make(self, window: Sequence[Step]) -> list[MadeStep]:
        """Make the steps of `window`; where one breaks, those before it, and then what the policy says.

        Returns those that were made, from the first on. Raises DivergedError when the policy says stop, or has run out
        of what it may try.
        """
        limits, sound = limits_for(self.run_state), window
        made: list[MadeStep] = []
        fault: Fault | None = None
        # What is made again is looked at like the first time: a GPU's kernels may add in another order, so that a step
        # which held breaks now; and sound figures may be of weights that were ruined already.
        while sound:
            figures, broken = self._tried(sound, limits)
            if broken is None:
                made = self._made(figures)
                break
            self._undo()
            fault, until = broken, broken.step.number if broken.step else 0
            sound = [step for step in sound if step.number < until]
        if fault is not None:
            self._recover(fault, window[len(sound)], limits)
        return made

    def _tried(self, window: Sequence[Step], limits: Limits) -> tuple[list[tuple[float, float, float]], Fault | None]:
        """Make a window, at half the loss's scale as long as a gradient overflows: what does so at 1 is a fault."""
        asked = self.run_state
        while True:
            figures = self._updates(window, limits)
            fault = self._looked_at(window, figures, limits)
            if fault is None or not self.updater.scales_loss or fault.what != OVERFLOWN:
                return figures, fault
            if self.run_state.loss_scale <= 1:
                self.run_state = asked  # it was not the scale's
                return figures, fault
            self._undo()
            self.run_state = self.run_state.model_copy(
                update={"loss_scale": self.run_state.loss_scale / 2, "scaled_for": 0}
            )

    def _looked_at(
        self, window: Sequence[Step], figures: Sequence[tuple[float, float, float]], limits: Limits
    ) -> Fault | None:
        """What the first process sees, so that all go on alike."""
        return self.updater.processes.told_by_first(
            lambda: _first_fault(window, figures, limits) or self._moved_too_far()
        )

    def _undo(self) -> None:
        self.at_hand.forget()
        put_back(self._good, self.updater.weights, self.updater.optimizer)

    def _updates(self, steps: Sequence[Step], limits: Limits) -> list[tuple[float, float, float]]:
        sound = torch.ones((), dtype=torch.bool, device=self.updater.weights.live[0].device)
        figures: list[torch.Tensor] = []
        self._found_rates: list[float | None] = []
        for step in steps:
            figures.append(update(self.updater, step, self.run_state, limits, sound))
            self.at_hand.add(step.number, figures[-1])
            self._found_rates.append(found_rate(self.updater.optimizer))
            sound = figures[-1][2] > 0
        return [(loss, norm, let_through) for loss, norm, let_through in listed(torch.stack(figures))]

    def _made(self, figures: Sequence[tuple[float, float, float]]) -> list[MadeStep]:
        made = [MadeStep(loss, norm, d) for (loss, norm, _), d in zip(figures, self._found_rates, strict=True)]
        run_state = self.run_state.after([(one.loss, one.gradient) for one in made])
        self._keep(_scaled_on(run_state, len(made)) if self.updater.scales_loss else run_state)
        return made

    def _keep(self, run_state: RunState) -> None:
        self.run_state = run_state
        with on_threads(1):
            self._good = take_snapshot(run_state, self.updater.weights, self.updater.optimizer)

    def _moved_too_far(self) -> Fault | None:
        with on_threads(1):
            movement = self.gauge.measure()
        if movement.largest <= EXPLODED:
            return None
        return Fault(
            say(
                "the LoRA moves `{module}` by {times} times the base's weights, and all it trains by {total} times",
                module=movement.loudest,
                times=f"{movement.loudest_size:.3g}",
                total=f"{movement.largest:.3g}",
            ),
            None,
            "exploding" if (movement.unet or 0.0) > EXPLODED or not movement.is_finite else "text encoder exploding",
        )

    def _recover(self, fault: Fault, first: Step, limits: Limits) -> None:
        culprits, step = Culprits({}, False), fault.step
        if step is not None:
            culprits = self.updater.processes.told_by_first(
                lambda: find_culprits(self.updater, step, self.run_state.left_out, limits)
            )
        event = self._event(fault, first, culprits)
        if culprits.everything_breaks and "not finite" in fault.what:
            raise self._stop(event.model_copy(update={"kind": "overflow"}))
        if self._policy.on_divergence == "stop":
            raise self._stop(event)
        left_out = {*self.run_state.left_out, *culprits.faults}
        if culprits.faults and left_out.issuperset(range(self.updater.setup.of_subject)):
            nothing = say("{what}; no picture of the subject is left to learn from", what=event.what)
            raise self._stop(event.model_copy(update={"what": nothing}))
        if self._policy.on_divergence == "skip":
            self._skip(event, culprits)
        else:
            self._roll_back(event, culprits)

    def _event(self, fault: Fault, first: Step, culprits: Culprits) -> Event:
        names = self.updater.setup.inputs.names
        pictures = tuple(f"{names[sample]}: {what}" for sample, what in culprits.faults.items())
        kind = "pictures" if pictures else fault.kind
        number = fault.step.number if fault.step else first.number
        return Event(step=number, kind=kind, what=fault.what, pictures=pictures)

    def _roll_back(self, event: Event, culprits: Culprits) -> None:
        if self.run_state.rollbacks >= self._policy.max_rollbacks:
            raise self._stop(event)
        events = self.run_state.events
        if not culprits.faults:
            found = _findings(self.run_state)
            self.go_on_from(self._saved())
            # What was found on the way holds, however far the run goes back.
            self.run_state = self.run_state.model_copy(update=found)
        rate = self.run_state.rate / 2
        done = say(
            "back to the state after step {step}, learning rates at {rate} of what was asked for",
            step=self.run_state.done,
            rate=f"{rate:g}",
        )
        if culprits.faults:
            done = say("{done}, those pictures left out", done=done)
        self._found(
            event.model_copy(update={"done": done}),
            events=events,
            rate=rate,
            rollbacks=self.run_state.rollbacks + 1,
            left_out=tuple(sorted({*self.run_state.left_out, *culprits.faults})),
        )

    def _skip(self, event: Event, culprits: Culprits) -> None:
        if self.run_state.skipped_in_a_row >= MOST_SKIPPED:
            raise self._stop(event)
        self._found(
            event.model_copy(update={"done": LEFT_OUT_WITH_PICTURES if culprits.faults else LEFT_OUT}),
            events=self.run_state.events,
            done=self.run_state.done + 1,
            skipped_in_a_row=self.run_state.skipped_in_a_row + 1,
            left_out=tuple(sorted({*self.run_state.left_out, *culprits.faults})),
        )

    def _found(self, event: Event, events: tuple[Event, ...], **changed: object) -> None:
        self._keep(self.run_state.model_copy(update={**changed, "events": (*events, event)}))

    def _stop(self, event: Event) -> DivergedError:
        self.run_state = self.run_state.with_event(event.model_copy(update={"done": say("stopped")}))
        pictures = f"; {'; '.join(event.pictures)}" if event.pictures else ""
        return DivergedError(f"step {event.step}: {event.what}{pictures}; nothing of it reached the weights or a file")


def _scaled_on(run_state: RunState, steps: int) -> RunState:
    """The loss's scale after so many more sound steps: twice as large after SCALE_HOLDS of them."""
    held = run_state.scaled_for + steps
    grown = {"loss_scale": run_state.loss_scale * 2, "scaled_for": 0}
    return run_state.model_copy(update=grown if held >= SCALE_HOLDS else {"scaled_for": held})


def _findings(run_state: RunState) -> dict[str, object]:
    return {
        "rate": run_state.rate,
        "rollbacks": run_state.rollbacks,
        "left_out": run_state.left_out,
        "events": run_state.events,
        "seconds": run_state.seconds,
    }


def _first_fault(window: Sequence[Step], figures: Sequence[tuple[float, float, float]], limits: Limits) -> Fault | None:
    for step, (loss, norm, let_through) in zip(window, figures, strict=True):
        if not let_through:
            return Fault(_in_words(loss, norm, limits), step)
    return None


def _in_words(loss: float, norm: float, limits: Limits) -> str:
    if not isfinite(loss):
        return say("the loss is not finite")
    if not isfinite(norm):
        return OVERFLOWN
    if loss > limits.loss:
        return say(
            "the loss is {loss}, far above what is usual here (limit {limit})",
            loss=f"{loss:.3g}",
            limit=f"{limits.loss:.3g}",
        )
    if norm > limits.gradient:
        return say(
            "the gradient's norm is {norm}, far above what is usual here (limit {limit})",
            norm=f"{norm:.3g}",
            limit=f"{limits.gradient:.3g}",
        )
    return say("the weights after the update are not finite")
