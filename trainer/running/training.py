"""A planned run: everything loaded, pictures that cannot be used left out, then carried out to its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from base_models.base_model import load_to_train
from base_models.base_source import find_base
from base_models.devices import chosen_device
from base_models.prompts.prompt_syntax import fault_of_prompt
from foundation.errors import ConfigurationError, UnusablePicturesError
from foundation.extras import require
from foundation.files import sweep_partial
from foundation.progress import Reporter
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset, Sample
from trainer.data.latents import too_long
from trainer.data.plan import Plan, make_plan, reg_note
from trainer.learning.optimizers import require_package_of
from trainer.learning.processes import Processes, join_processes
from trainer.learning.run_state import Event
from trainer.learning.starting_lora import read_starting_lora
from trainer.records.record import RunRecord, first_record
from trainer.records.run_identity import RunIdentity
from trainer.running.execution import Execution
from trainer.running.interrupt import stop_requests
from trainer.running.sample_pictures import opened_measure
from trainer.running.session import Session, prepare

if TYPE_CHECKING:  # insightface takes seconds to import, and not every run measures
    from trainer.samples.sample_identity import IdentityMeasure


def train(config: TrainConfig, dataset: Dataset, plan: Plan, identity: RunIdentity, reporter: Reporter) -> RunRecord:
    """Train `plan` from where the run's state is, and keep the record on the disk true at every moment.

    Raises what `run_training` does.
    """
    chosen_device(config.model.device)
    if config.model.dtype == "float16" and (config.model.device == "cpu" or not torch.cuda.is_available()):
        raise ConfigurationError('model.dtype is "float16", which CPUs cannot train in; use "bfloat16" or "float32"')
    require_package_of(config.training.optimizer)
    if config.lora.algo != "lora":
        require("lycoris", "trainer run", f'lora.algo = "{config.lora.algo}"')
    if config.lora.network_weights:
        read_starting_lora(config.lora.network_weights)  # a file that does not fit is said before minutes of loading
    if config.output.tensorboard:
        require("tensorboard", "trainer run", "[output] tensorboard")
    processes, device = join_processes(config.model.device)
    try:
        if processes.is_first:
            config.output.folder.mkdir(parents=True, exist_ok=True)
            sweep_partial(config.output.folder)
        measure = opened_measure(config, dataset, reporter) if processes.is_first else None
        session, events = make_session(config, dataset, plan, device, reporter, processes)
        return carry_out(session, identity, events, reporter, measure)
    except torch.OutOfMemoryError as error:
        raise ConfigurationError(f"the GPU's memory is too small for this run; {memory_advice(config)}") from error
    finally:
        processes.leave()


def memory_advice(config: TrainConfig) -> str:
    """What to change so that less memory is needed: first what changes least, and nothing that is so already."""
    training = config.training
    advice: list[str] = []
    if not config.model.gradient_checkpointing:
        advice.append("set model.gradient_checkpointing = true")
    if config.model.dtype == "float32":
        advice.append('set model.dtype = "bfloat16"')
    if training.batch_size > 1:
        advice.append("lower training.batch_size (and raise training.gradient_accumulation)")
    if training.unet_lr and any(rate for part, rate in training.rates.items() if part != "unet"):
        advice.append("leave the text encoders as they are (training.te_lr = 0)")
    return ", or ".join([*advice, "lower data.resolution or lora.rank"])


def make_session(
    config: TrainConfig, dataset: Dataset, plan: Plan, device: str, reporter: Reporter, processes: Processes
) -> tuple[Session, tuple[Event, ...]]:
    """A session over the pictures that can be used; an event says which could not, and so are not in its plan.

    Raises UnusablePicturesError for those where `on_divergence` is "stop", or where nothing to train on is left.
    """
    source = find_base(config.model.base, config.model.overrides)
    base = load_to_train(source, getattr(torch, config.model.dtype), device)
    try:
        return prepare(config, dataset, plan, base, reporter, processes), ()
    except UnusablePicturesError as error:
        usable = dataset.without(error.faults)
        if config.guards.on_divergence == "stop" or not usable.train:
            raise
        pictures = tuple(f"{path}: {fault}" for path, fault in error.faults.items())
        reporter.say("left out: " + "; ".join(pictures))
        event = Event(step=0, kind="pictures", what="cannot be learned from", pictures=pictures, done="left them out")
        kept = [frame for sample, frame in zip(dataset.samples, plan.frames, strict=True) if sample in usable.samples]
        plan = make_plan(usable, config.training, kept, processes.count)
        return prepare(config, usable, plan, base, reporter, processes), (event,)


def carry_out(
    session: Session,
    identity: RunIdentity,
    events: tuple[Event, ...],
    reporter: Reporter,
    measure: IdentityMeasure | None = None,
) -> RunRecord:
    """Train a session from where its state is to its end, and return the record. `measure`: of its samples' identity.

    Raises DivergedError when the guards give up, StoppedError when a signal asked for it; the state is then saved.
    """
    notes = [*session.dataset.notes, *_notes(session)]
    for note in notes:
        reporter.say(f"note: {note}")
    config, steps = session.config, len(session.plan.steps)
    record = first_record(config, identity, session.built.kind, steps, notes, _device_of(session))
    execution = Execution(session, record, reporter, measure)
    execution.start(events)
    with stop_requests() as stop:
        return execution.to_the_end(stop)


def _device_of(session: Session) -> str:
    """`cpu`, or `cuda (NVIDIA H100)`."""
    device = session.updater.setup.base.device
    return str(device) if device.type == "cpu" else f"{device} ({torch.cuda.get_device_name(device)})"


def _notes(session: Session) -> Iterator[str]:
    samples, data = session.dataset.train + session.dataset.reg, session.config.data
    if cut := too_long(session.updater.setup.base.tokenizers[0], samples, data.chunks):
        words = f"{len(cut)} captions are longer than {data.max_token_length} tokens and are cut, the first is of"
        longer = "" if data.chunks == 3 else "; data.max_token_length = 225 reads more"
        yield f"{words} {cut[0].path}{longer}"
    if odd := captions_note(samples):
        yield odd
    yield from session.notes
    if usage := reg_note(session.plan):
        yield usage
    if session.built.note:
        yield session.built.note


def captions_note(samples: Sequence[Sample]) -> str | None:
    """What to say of captions in which something means else in other tools; it is learned as words."""
    odd = [(one.path, fault) for one in samples if (fault := fault_of_prompt(one.caption))]
    if not odd:
        return None
    path, fault = odd[0]
    return f"captions are learned as words, and {len(odd)} hold more than words; the first is of {path}: {fault}"
