"""A planned run, carried out: the loop over epochs and steps, and the files it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TextIO

import torch

from trainer.adapters import snapshot
from trainer.base_model import BaseModel, chosen_device, load_base
from trainer.config import TrainConfig
from trainer.dataset import Dataset
from trainer.errors import ConfigurationError, DivergedError, LoraFileError
from trainer.files import sha256_of, sweep_partial
from trainer.latents import too_long
from trainer.learner import learn
from trainer.lora_file import LoraFile, write_lora
from trainer.optimizers import Built
from trainer.plan import Plan, Step, reg_note
from trainer.progress import Reporter
from trainer.record import RunIdentity, RunRecord, checkpoint_path, versions, write_record
from trainer.schedule import cosine_with_restarts
from trainer.session import Session, prepare
from trainer.training_metadata import epoch_metadata


def train(config: TrainConfig, dataset: Dataset, plan: Plan, identity: RunIdentity, reporter: Reporter) -> RunRecord:
    """Train `plan`, epoch by epoch, and keep the record on the disk true at every moment.

    Raises what `run_training` does.
    """
    if config.model.device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError('model.device is "cuda", but there is no CUDA device here; use "auto" or "cpu"')
    try:
        return _train(config, dataset, plan, identity, reporter)
    except torch.OutOfMemoryError as error:
        raise ConfigurationError(
            "the GPU's memory is too small for this run; lower training.batch_size (and raise gradient_accumulation), "
            'lower data.resolution, or set model.dtype = "bfloat16"'
        ) from error


def _train(config: TrainConfig, dataset: Dataset, plan: Plan, identity: RunIdentity, reporter: Reporter) -> RunRecord:
    started = time.monotonic()
    config.output.folder.mkdir(parents=True, exist_ok=True)
    sweep_partial(config.output.folder)
    base = load_base(config.model.base, device=config.model.device)
    session = prepare(config, dataset, plan, base, reporter)
    notes = [*dataset.notes, *_notes(dataset, plan, base, session.built)]
    for note in notes:
        reporter.say(f"note: {note}")
    record = _first_record(config, identity, session, notes)
    write_record(record, config)
    try:
        for written in _epochs(session, reporter):
            record = record.model_copy(update={"files": {**record.files, written.name: sha256_of(written)}})
            write_record(record, config)
    except DivergedError as error:
        write_record(record.model_copy(update={"notes": [*notes, str(error)]}), config)
        raise
    record = record.model_copy(update={"seconds": round(time.monotonic() - started, 1)})
    write_record(record, config)
    return record


def _notes(dataset: Dataset, plan: Plan, base: BaseModel, built: Built) -> Iterator[str]:
    if cut := too_long(base.tokenizer, dataset.samples):
        yield f"{len(cut)} captions are longer than the text encoder reads and are cut, the first is of {cut[0].path}"
    if usage := reg_note(plan):
        yield usage
    if built.note:
        yield built.note


def _first_record(config: TrainConfig, identity: RunIdentity, session: Session, notes: Sequence[str]) -> RunRecord:
    return RunRecord(
        name=config.output.name,
        folder=str(config.output.folder),
        identity=identity,
        config=config.model_dump(mode="json"),
        optimizer=session.built.kind,
        device=chosen_device(config.model.device),
        steps=len(session.plan.steps),
        epochs=config.training.epochs,
        notes=list(notes),
        versions=versions(),
        files={},
        seconds=None,
    )


def _epochs(session: Session, reporter: Reporter) -> Iterator[Path]:
    """Train epoch by epoch; yield each file once it is written."""
    advance = reporter.task("training", len(session.plan.steps))
    config = session.config
    with (config.output.folder / f"{config.output.name}-log.jsonl").open("w", encoding="utf-8") as log:
        for epoch, steps in groupby(session.plan.steps, key=lambda step: step.epoch):
            done: list[tuple[Step, float]] = []
            for step in steps:
                done.append((step, _step(session, step, log)))
                advance(1)
            path = _save(session, done[-1][0])
            mean = sum(loss for _, loss in done) / len(done)
            reporter.say(f"epoch {epoch} of {config.training.epochs}: mean loss {mean:.4f}, {path.name}")
            yield path


def _step(session: Session, step: Step, log: TextIO) -> float:
    settings = session.config.training
    total = len(session.plan.steps)
    factor = cosine_with_restarts(step.number - 1, settings.lr_warmup_steps, total, settings.lr_cycles)
    for parameters, group in zip(session.built.optimizer.param_groups, session.groups, strict=True):
        parameters["lr"] = group.lr * factor
    loss = learn(session.learner, session.built.optimizer, step)
    rates = {"unet_lr": settings.unet_lr * factor, "te_lr": settings.te_lr * factor}
    log.write(json.dumps({"step": step.number, "epoch": step.epoch, "loss": loss, **rates}) + "\n")
    log.flush()
    return loss


def _save(session: Session, step: Step) -> Path:
    path = checkpoint_path(session.config, step.epoch)
    lora = LoraFile(
        snapshot(session.adapters, session.config.lora.alpha),
        {**session.metadata, **epoch_metadata(step, path.stem)},
    )
    try:
        write_lora(lora, path, getattr(torch, session.config.output.save_dtype))
    except LoraFileError as error:
        raise DivergedError(f"{path}: epoch {step.epoch} was not written: {error}; lower unet_lr and te_lr") from error
    return path
