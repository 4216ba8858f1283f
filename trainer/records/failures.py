"""Runs that ended before they could train, or in the middle, with an error: their records say which."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import cast

from foundation.errors import ConfigurationError, DivergedError, StoppedError, UserError
from foundation.wording.said import Said, say
from trainer.config.config import TrainConfig
from trainer.learning.processes import is_first_process
from trainer.records.record import (
    RunRecord,
    existing_work,
    first_record,
    log_path,
    read_record,
    record_path,
    write_record,
)
from trainer.records.run_identity import changed_keys, unknown_identity
from trainer.records.run_log import RunLog, RunLogError


@contextmanager
def failure_recorded(config: TrainConfig) -> Generator[None]:
    """An error that ends the block stands in the run's record, and goes on.

    Where there is no record yet, one is made, but never over files of another run. What the guards give up, and what a
    signal stopped, have said so themselves.
    """
    try:
        yield
    except (DivergedError, StoppedError):
        raise
    except Exception as error:
        if is_first_process():
            with suppress(OSError):  # the error itself is what the user is to see
                _note(config, error)
        raise


def _note(config: TrainConfig, error: Exception) -> None:
    record = _own_record(config)
    if record is None:
        return
    steps = _steps_made(config, record)
    what = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    write_record(record.model_copy(update={"failure": str(_when(steps, error).with_values(error=what))}), config)


def _when(steps: int, error: Exception) -> Said:
    if steps:
        return say("failed after step {step}: {error}", step=steps)
    if isinstance(error, UserError):
        return say("refused before the first step: {error}")
    return say("failed before the first step: {error}")


def _own_record(config: TrainConfig) -> RunRecord | None:
    """That of this run, or a new one (in place of one that never came to a step); None where the name is another's."""
    try:
        record = read_record(record_path(config)) if record_path(config).is_file() else None
    except ConfigurationError:
        return None
    if record is not None and _same_configuration(record.config, config.model_dump(mode="json")):
        return record if record.seconds is None else None
    if existing_work(config) or (record and (record.done or not record.failure)):
        return None
    return first_record(config, unknown_identity(config), config.training.optimizer, 0, [], config.model.device)


def _same_configuration(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    """Whether two configurations say the same, names and paths included; a key that one lacks is at its default."""
    tables = {name: [_as_table(one.get(name)) for one in (old, new)] for name in (*old, *new)}
    return not any(changed_keys(name, *both) for name, both in tables.items())


def _as_table(values: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values) if isinstance(values, Mapping) else {"": values}


def _steps_made(config: TrainConfig, record: RunRecord) -> int:
    """By the log, which has every step, where the record has those of its last writing."""
    try:
        return RunLog(log_path(config)).steps()[-1].step
    except (IndexError, RunLogError):
        return record.done
