"""A few real steps of a run on this machine and this base: how long each of its parts takes. Nothing is kept of them.

They are made as a run makes them, on pictures of its own, from the data's commonest bucket.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean

import torch

from base_models.base_model import load_to_train
from base_models.base_source import BaseSource
from base_models.devices import chosen_device
from base_models.threads import on_threads
from foundation.printing import how_many
from foundation.progress import Reporter, Silent
from foundation.typed.typed_torch import listed
from trainer.data.dataset import Dataset
from trainer.data.latents import PictureEncoder
from trainer.data.pictures import Frame
from trainer.data.plan import Plan, Step
from trainer.guarding.fixed_loss import fixed_loss
from trainer.guarding.state_file import save_state, take_snapshot
from trainer.guarding.update import Limits, update
from trainer.learning.processes import Processes
from trainer.learning.run_state import RunState
from trainer.planning.rates import Rates
from trainer.planning.run_plan import RunPlan
from trainer.records.run_identity import unknown_identity
from trainer.running.sample_pictures import opened_measure
from trainer.running.session import Session, prepare
from trainer.samples.drawing_in_training import draw_on

Clock = Callable[[], float]
PICTURES = 4  # that are read and encoded
# Steps of each size: at least so many after a first that warms up, more as long as they take no longer than this.
LEAST, MOST, SECONDS = 3, 12, 6.0
# Where a step of one picture takes longer than this, larger ones are reckoned from it.
SLOW = 20.0  # seconds
DRAWN_STEPS = (1, 3)  # of the sample pictures that are drawn to see how long one takes


def calibrate(
    run: RunPlan, base: BaseSource, reporter: Reporter, begun: float, clock: Clock = time.perf_counter
) -> Rates:
    """Measure. `begun`: when the command began, on the `clock`, for libraries are part of how long a run takes.

    With `time.process_time` the rates are of processor seconds. Raises what training itself raises before its first
    step.
    """
    config = run.config.model_copy(update={"data": run.config.data.model_copy(update={"cache": None})})
    asked = clock()
    opened_measure(config, run.dataset, reporter)
    judged = clock()
    loaded = load_to_train(base, getattr(torch, config.model.dtype), chosen_device(config.model.device))
    few, frames = _few_of(run)
    before_pictures = clock()
    PictureEncoder(loaded, None, Silent()).encode(few.train, frames)
    read = clock()
    session = prepare(config, few, Plan(run.plan.steps, (), frames), loaded, Silent(), Processes())
    ready = clock()
    pictures = read - before_pictures  # and once more within `prepare`
    begin = (asked - begun) + (ready - judged) - 2 * pictures
    with reporter.waiting("making a few steps to see how long they take"):
        rates = _measured(session, run, begin, clock)
    return rates.model_copy(update={"judge": judged - asked, "picture": pictures / len(few.train)})


def _few_of(run: RunPlan) -> tuple[Dataset, tuple[Frame, ...]]:
    """A few pictures of the commonest bucket, the subject's first, and how they are cut."""
    bucket, learned = run.buckets[0].size, len(run.dataset.train) + len(run.dataset.reg)
    chosen = [at for at in range(learned) if run.plan.frames[at].bucket == bucket][:PICTURES]
    few = replace(run.dataset, train=tuple(run.dataset.samples[at] for at in chosen), reg=(), held_out=())
    return few, tuple(run.plan.frames[at] for at in chosen)


def _measured(session: Session, run: RunPlan, begin: float, clock: Clock) -> Rates:
    config, made = run.config, _Made(clock)
    full = max(shape.count for shape in run.shapes)
    steps = {1: made.seconds(_stepping(session, 1, 1))}
    slow = steps[1] > SLOW
    for count in sorted({2, full} - {1}) if not slow else ():
        if count <= full:
            steps[count] = made.seconds(_stepping(session, count, 1))
    largest = max(steps)
    rests = 1.0
    if config.training.te_stop_at < 1:
        after = session.updater.setup.text_steps + 1
        rests = made.seconds(_stepping(session, largest, after)) / steps[largest]
    more = 1.0
    if config.training.gradient_accumulation > 1 and not slow:
        more = made.seconds(_stepping(session, largest, 1, batches=2)) / steps[largest] - 1
    state, window = _state(session, clock), made.once(lambda: _look(session))
    sample, sample_step = _sample(session, clock) if config.samples.prompts and not slow else (0.0, 0.0)
    return Rates(
        machine=_machine(session),
        day=date.today().isoformat(),
        size=run.buckets[0].size,
        begin=max(0.0, begin),
        picture=0.0,
        steps=steps,
        text_rests=min(1.0, rests),
        batch_more=min(1.0, max(0.0, more)),
        reading=made.once(lambda: fixed_loss(session.updater.setup, [0])),
        window=window,
        state=state,
        sample=sample,
        sample_step=sample_step,
        steps_made=made.count,
    )


class _Made:
    """Times what is done, and counts the steps."""

    def __init__(self, clock: Clock) -> None:
        self.count, self.clock = 0, clock

    def seconds(self, step: Callable[[], object]) -> float:
        """Of one step: the mean of a few after the first, for a run is slowed by all that slows these."""
        began = self.clock()
        step()
        self.count += 1
        if self.clock() - began > SLOW:
            return self.clock() - began
        times: list[float] = []
        while len(times) < LEAST or (len(times) < MOST and sum(times) < SECONDS):
            began = self.clock()
            step()
            times.append(self.clock() - began)
        self.count += len(times)
        return fmean(times)

    def once(self, work: Callable[[], object]) -> float:
        """Seconds of what is no step, the second time."""
        work()
        began = self.clock()
        work()
        return self.clock() - began


def _stepping(session: Session, count: int, number: int, batches: int = 1) -> Callable[[], object]:
    """A step as the plan's step of that number would be, of `batches` of `count` pictures each."""
    samples = tuple(islice(cycle(range(len(session.dataset.train))), count))
    step, updater = Step(number, 1, (samples,) * batches), session.updater
    sound = torch.ones((), dtype=torch.bool, device=updater.weights.live[0].device)
    return lambda: listed(update(updater, step, RunState(), Limits(), sound))  # waits for the device


def _look(session: Session) -> object:
    """What is done once a window: how far the weights went, and the copy of the sound state."""
    with on_threads(1):
        session.gauge.measure()
        return take_snapshot(RunState(), session.updater.weights, session.updater.optimizer)


def _state(session: Session, clock: Clock) -> float:
    """Seconds of a saved state, written to a folder that is gone afterwards."""
    snapshot = take_snapshot(RunState(), session.updater.weights, session.updater.optimizer)
    with tempfile.TemporaryDirectory() as folder:
        began = clock()
        save_state(snapshot, unknown_identity(session.config), Path(folder) / "calibration.state")
        return clock() - began


def _sample(session: Session, clock: Clock) -> tuple[float, float]:
    """Seconds of a sample picture without its steps, and of each step."""
    drawing = session.config.drawing_on(session.updater.setup.base.family)
    prompt, seconds = session.config.samples.prompts[0], list[float]()
    for steps in (DRAWN_STEPS[0], *DRAWN_STEPS):  # the first warms up
        began = clock()
        draw_on(session.updater.setup, replace(drawing, steps=steps), [prompt], [1], 1)
        seconds.append(clock() - began)
    one, more = seconds[1:]
    a_step = max(0.0, (more - one) / (DRAWN_STEPS[1] - DRAWN_STEPS[0]))
    return max(0.0, one - DRAWN_STEPS[0] * a_step), a_step


def _machine(session: Session) -> str:
    device = session.updater.setup.base.device
    if device.type != "cpu":
        return torch.cuda.get_device_name(device)
    return f"this CPU, {how_many(torch.get_num_threads(), 'thread')}"
