"""A session carried out: windows of steps, ends of epochs, and what is written so that nothing is lost on the way."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING

import torch

from foundation.errors import DivergedError, LoraFileError, StoppedError
from foundation.files import sha256_of
from foundation.progress import Reporter, Seen
from loras.lora_file import LoraFile
from loras.trained_file import write_trained
from trainer.data.plan import Step
from trainer.guarding.guarded_steps import GuardedSteps, MadeStep
from trainer.guarding.state_file import Snapshot, load_state, save_state
from trainer.guarding.verdict import RunSettings, judge
from trainer.learning.adapters import snapshot
from trainer.learning.lr_schedule import travel_of
from trainer.learning.run_state import Event, RunState
from trainer.records.record import RunRecord, checkpoint_path, log_path, state_path, with_progress, write_record
from trainer.records.run_log import LoggedStep, RunLog
from trainer.records.tensorboard_log import EventLog, NoEvents, TensorBoard
from trainer.records.training_metadata import epoch_metadata
from trainer.running.epoch_readings import Readings
from trainer.running.interrupt import StopRequest
from trainer.running.sample_pictures import SamplePictures
from trainer.running.session import Session

if TYPE_CHECKING:  # insightface takes seconds to import, and not every run measures
    from trainer.samples.sample_identity import IdentityMeasure

# Steps between two looks at what the device has flagged. A snapshot of the sound state is taken as often.
STEPS_A_WINDOW = 8


class Execution:
    """A session being carried out. Only the first process writes. `measure`: of its samples' identity, if any."""

    def __init__(
        self, session: Session, record: RunRecord, reporter: Reporter, measure: IdentityMeasure | None = None
    ) -> None:
        self._session, self._config, self._record, self._reporter = session, session.config, record, reporter
        self._writes = session.updater.processes.is_first
        self._readings = Readings(session)
        self._log = RunLog(log_path(self._config))
        self._events = _event_log(session) if self._writes else NoEvents()
        wanted = self._writes and self._config.samples.prompts
        self._samples = SamplePictures(session, record.identity.sha256(), reporter, measure) if wanted else None
        self._guarded = GuardedSteps(session.updater, session.gauge, self._config.guards, RunState(), self._saved)
        self._travel = travel_of(self._config.training, len(session.plan.steps))
        self._began, self._spent_before = time.monotonic(), 0.0

    @property
    def run_state(self) -> RunState:
        return self._guarded.run_state

    def start(self, events: tuple[Event, ...]) -> None:
        """From the saved state if there is one of this run; else before the first step, whose state is saved."""
        state = load_state(state_path(self._config), self._record.identity)
        if state is None:
            self._events.go_on_from(None, ())
            first = RunState(events=events)
            with self._reporter.waiting("measuring the base model's loss"):
                self._guarded.run_state = first.model_copy(update={"readings": (self._readings.read(first, 0),)})
            self._events.epoch(self.run_state.readings[0])
            self._save_state()
        else:
            self._guarded.go_on_from(state)
            self._spent_before = self.run_state.seconds
            self._reporter.say(f"going on after step {self.run_state.done} of {len(self._session.plan.steps)}")
        self._session.updater.processes.wait()
        if self._writes:
            self._log.back_to(self.run_state.done)
            if state is not None:
                self._events.go_on_from(self.run_state.done, self._log.steps())
        if self._samples:
            with self._session.updater.weights.averaged():
                self._events.samples(self._samples.catch_up(self.run_state), self.run_state.done)
        self._write_record()

    def to_the_end(self, stop: StopRequest) -> RunRecord:
        """Make what is left of the plan.

        Raises DivergedError when the guards give up; StoppedError, with the state saved, once a stop was asked for.
        """
        with self._reporter.watched("training", len(self._session.plan.steps), "step", self._seen):
            while window := self._next_window():
                self._make(window)
                if self._session.updater.processes.any(bool(stop)):
                    self._save_state()
                    self._write_record()
                    raise StoppedError(
                        f"stopped after step {self.run_state.done} of {len(self._session.plan.steps)}; "
                        "its state is saved, and the same command goes on from there",
                        stop.number or int(signal.SIGINT),  # another process may have been asked
                    )
        record = self._write_record(finished=True)
        if self._writes:
            state_path(self._config).unlink(missing_ok=True)
        return record

    def _seen(self) -> Seen:
        """How far training has come at this moment: asked by another thread, it waits for nothing."""
        done, newest = self.run_state.done, self._guarded.at_hand.newest()
        done = done if newest is None else newest.number
        if not done:
            return Seen(done)
        step = self._session.plan.steps[done - 1]
        rate = max(self._session.updater.rates(step)) * self.run_state.rate
        loss = [] if newest is None else [f"loss {newest.loss:.4f}"]
        return Seen(done, (*loss, f"lr {rate:.1e}"))

    def _next_window(self) -> Sequence[Step]:
        """Up to the next place where a state may be saved: those places are the same wherever a run was interrupted."""
        steps, done = self._session.plan.steps, self.run_state.done
        cuts = (STEPS_A_WINDOW, self._config.output.save_state_every)
        end = next(
            (
                at
                for at in range(done + 1, len(steps))
                if steps[at].epoch != steps[at - 1].epoch or any(at % cut == 0 for cut in cuts)
            ),
            len(steps),
        )
        return steps[done:end]

    def _make(self, window: Sequence[Step]) -> None:
        before = self.run_state
        try:
            made = self._guarded.make(window)
        except DivergedError as error:
            raise self._given_up(error) from error
        self._tell(before, window[: len(made)], made)
        done, steps = self.run_state.done, self._session.plan.steps
        if not done:
            return
        at_end = done == len(steps) or steps[done].epoch != steps[done - 1].epoch
        if at_end and self.run_state.readings[-1].epoch < steps[done - 1].epoch:
            self._end_epoch(steps[done - 1])
        elif done % self._config.output.save_state_every == 0:
            self._save_state()

    def _tell(self, before: RunState, steps: Sequence[Step], made: Sequence[MadeStep]) -> None:
        """What was made goes into the log; what was found is said, and stands in the record at once."""
        found = self.run_state.events[len(before.events) :]
        for event in found:
            self._reporter.say(_in_words(event))
        if self._writes:
            logged = [self._logged(step, before.rate, one) for step, one in zip(steps, made, strict=True)]
            self._log.add(logged)
            self._events.steps(logged)
        if found:
            self._write_record()
            if self._writes:
                self._log.back_to(self.run_state.done)
                self._events.go_on_from(self.run_state.done, self._log.steps())

    def _logged(self, step: Step, left: float, made: MadeStep) -> LoggedStep:
        asked = [one * left for one in self._session.updater.rates(step)]
        rates = dict(zip(self._session.rate_names, asked, strict=True))
        if made.d is not None:
            rates |= {f"d*{name}": made.d * rate for name, rate in rates.items()}
        return LoggedStep(step.number, step.epoch, made.loss, made.gradient, rates)

    def _end_epoch(self, last: Step) -> None:
        """Measure, judge and save. A kill between any two of these makes the same of the same state again."""
        path = checkpoint_path(self._config, last.epoch)
        measuring = self._reporter.waiting(f"saving and measuring epoch {last.epoch}")
        with measuring, self._session.updater.weights.averaged():
            files = (
                {**self.run_state.files, path.name: self._save_lora(path, last)}
                if self._writes
                else self.run_state.files
            )
            reading = self._readings.read(self.run_state, last.epoch)
        self._events.epoch(reading)
        readings = (*self.run_state.readings, reading)
        verdict = judge(readings, self.run_state.events, self._settings())
        self._guarded.run_state = self.run_state.model_copy(
            update={
                "files": files,
                "readings": readings,
                "verdicts": (*self.run_state.verdicts, verdict),
                "epoch_losses": (),
            }
        )
        self._save_state()
        self._write_record()
        mean = f"mean loss {reading.mean_loss:.4f}, " if reading.mean_loss is not None else ""
        self._reporter.say(f"epoch {last.epoch} of {self._config.training.epochs}: {mean}{path.name}")
        self._reporter.say(f"  {verdict.words}")
        if self._samples:
            with self._session.updater.weights.averaged():
                self._events.samples(self._samples.after_epoch(last.epoch), self.run_state.done)
            self._write_record()

    def _save_lora(self, path: Path, last: Step) -> str:
        lora = LoraFile(
            snapshot(self._session.adapters),
            {**self._session.metadata, **epoch_metadata(last, path.stem, self._record, datetime.now(UTC))},
        )
        try:
            write_trained(lora, path, getattr(torch, self._config.output.save_dtype))
        except LoraFileError as error:
            what = f"epoch {last.epoch} does not fit {self._config.output.save_dtype} and was not written: {error}"
            event = Event(step=last.number, kind="exploding", what=what, done="stopped")
            self._guarded.run_state = self.run_state.with_event(event)
            raise self._given_up(DivergedError(f"{path}: {what}")) from error
        return sha256_of(path)

    def _given_up(self, error: DivergedError) -> DivergedError:
        """The record gets the run's last verdict, and so does the error's text."""
        verdict = judge(self.run_state.readings, self.run_state.events, self._settings())
        self._guarded.run_state = self.run_state.model_copy(update={"verdicts": (*self.run_state.verdicts, verdict)})
        self._write_record()
        return DivergedError(f"{error}\n{verdict.words}. Files of earlier epochs are sound.")

    def _settings(self) -> RunSettings:
        config, setup = self._config, self._session.updater.setup
        parts = ["unet", *(f"te{at}" for at in range(1, len(setup.base.text_encoders) + 1))]
        rates = {part: config.training.rates[part] for part in parts}
        scale = median_low([one.scale for one in self._session.adapters.values()])
        return RunSettings(scale, rates, config.model.dtype, setup.text_steps, self._travel)

    def _saved(self) -> Snapshot:
        state = load_state(state_path(self._config), self._record.identity)
        if state is None:
            raise DivergedError(f"{state_path(self._config)}: the run's own state is gone, so it cannot go back to it")
        return state

    def _save_state(self) -> None:
        spent = self._spent_before + time.monotonic() - self._began
        self._guarded.run_state = self.run_state.model_copy(update={"seconds": spent})
        if self._writes:
            save_state(self._guarded.good, self._record.identity, state_path(self._config))

    def _write_record(self, finished: bool = False) -> RunRecord:
        spent = self._spent_before + time.monotonic() - self._began
        run_state = self.run_state.model_copy(update={"seconds": spent})
        record = with_progress(self._record, run_state, self._config.output.price_per_hour)
        if self._samples:
            record = record.with_samples(self._samples.curve)
        if finished:
            record = record.model_copy(update={"seconds": record.spent_seconds})
        if self._writes:
            write_record(record, self._config)
        return record


def _event_log(session: Session) -> EventLog:
    output = session.config.output
    if not output.tensorboard:
        return NoEvents()
    steps = sum(step.epoch == 1 for step in session.plan.steps)
    return TensorBoard(output.folder / f"{output.name}-tensorboard", steps)


def _in_words(event: Event) -> str:
    pictures = f" ({'; '.join(event.pictures)})" if event.pictures else ""
    return f"step {event.step}: {event.what}{pictures}: {event.done}"
