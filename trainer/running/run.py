"""A training run from its configuration to its record. No heavy library is loaded before there is work to do."""

from __future__ import annotations

from base_models.base_source import find_base
from foundation.errors import ConfigurationError, MissingFileError
from foundation.extras import missing_named
from foundation.progress import Reporter, Silent
from trainer.config.config import TrainConfig
from trainer.learning.processes import is_first_process
from trainer.planning.duration import kept_duration
from trainer.planning.plan_in_words import run_in_words
from trainer.planning.run_plan import plan_run
from trainer.records.failures import failure_recorded
from trainer.records.picture_changes import marks_of
from trainer.records.record import RunRecord, checkpoint_path, finished_run, first_record, write_record
from trainer.records.run_identity import identity_of
from trainer.records.run_lock import run_lock


def run_training(config: TrainConfig, reporter: Reporter | None = None) -> RunRecord:
    """Train what `config` says and return the record. A finished run is not made again; an unfinished one goes on.

    Writes one LoRA file an epoch, `NAME-log.jsonl` (a line a step) and `NAME-run.json` into the output folder.
    The record is there before anything is loaded, and says what error ended the run, if one did.
    Raises DivergedError when training broke (files of earlier epochs stay), TrainingBusyError where another process
    trains it, or another UserError that a user can fix.
    """
    reporter = reporter if reporter is not None and is_first_process() else Silent()
    with failure_recorded(config):
        _require_starting_lora(config)
        run = plan_run(config)
        dataset = run.dataset
        base = find_base(config.model.base, config.model.overrides)
        with reporter.waiting("reading the pictures and the base model's files"):
            identity = identity_of(config, dataset.sha256(), base.sha256)
    pictures = marks_of(dataset)
    if done := finished_run(config, identity, pictures):
        reporter.say(f"already trained: {checkpoint_path(config, config.training.epochs)}")
        return done
    optimizer, device = config.training.optimizer, config.model.device
    with run_lock(config):
        _begin(first_record(config, identity, optimizer, run.steps, [*dataset.notes], device, pictures), config)
        with failure_recorded(config):
            for line in run_in_words(run, base, kept_duration(run, base)):
                reporter.say(line)
            with missing_named("trainer run"), reporter.waiting("starting torch and diffusers"):
                from trainer.running.training import train  # torch, diffusers and peft take seconds to load

            return train(config, dataset, run.plan, identity, reporter)


def _require_starting_lora(config: TrainConfig) -> None:
    path = config.lora.network_weights
    if path is not None and not path.is_file():
        raise MissingFileError(f"{path}: no such file; mend lora.network_weights, or leave it out to begin anew")


def _begin(record: RunRecord, config: TrainConfig) -> None:
    """A record from before anything is loaded, so that a run that fails then is one in the ledger."""
    if not is_first_process():
        return
    try:
        write_record(record, config)
    except OSError as error:
        folder = config.output.folder
        raise ConfigurationError(
            f"{folder}: cannot be written ({error.strerror}); choose another output.folder"
        ) from error
