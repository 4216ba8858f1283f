"""The record of a run, beside its files: what went in, what came out. A finished one is why work is not done twice."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field, ValidationError

from foundation.errors import ConfigurationError
from foundation.files import sha256_of, write_text
from foundation.text_files import TextFileError, read_text
from foundation.toml_config import Section
from trainer.config.config import TrainConfig
from trainer.learning.run_state import Event, Reading, RunState, Verdict
from trainer.records.picture_changes import Marks, picture_changes
from trainer.records.run_identity import RunIdentity, changed_settings, differences, settings_of
from trainer.records.state_header import another_runs_error, read_header
from trainer.samples.curve import Curve

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "bitsandbytes", "safetensors")

# What a record has of sittings before this one. By the identity that they wrote, their state and samples know the run.
KEPT_FROM_EARLIER_SITTINGS = (
    "identity",
    "started",
    "pictures",
    "files",
    "done",
    "readings",
    "verdicts",
    "events",
    "spent_seconds",
    "cost",
)


class RunRecord(Section):
    """`files` are the epoch checkpoints so far, name -> sha256; `seconds` is None until the run has finished.

    `spent_seconds` and `cost` (at `output.price_per_hour`) are of all sittings so far. `readings` are an epoch each,
    from before the first step on; `verdicts` are an epoch each, the last is the run's; `events` are steps not made.
    `samples` are None where none were asked for. `failure` says what error ended the last sitting ("" for none).
    `pictures` are the data's marks (`trainer.records.picture_changes`); `device` is what trained, "auto" until known.
    """

    name: str
    folder: str
    identity: RunIdentity
    config: dict[str, object]
    optimizer: str
    device: str
    steps: int
    epochs: int
    notes: list[str]
    versions: dict[str, str]
    files: dict[str, str]
    seconds: float | None
    spent_seconds: float = 0.0
    cost: float | None = None
    started: str = ""
    done: int = 0
    readings: tuple[Reading, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    events: tuple[Event, ...] = ()
    samples: Curve | None = None
    failure: str = ""
    pictures: Marks = Field(default={})

    def with_samples(self, curve: Curve) -> RunRecord:
        """The record with what sample pictures showed; a note says which there are none of, and why."""
        failures = [one.note for one in curve.drawn if one.failed]
        return self.model_copy(update={"samples": curve, "notes": [*self.notes, *failures]})

    @property
    def verdict(self) -> Verdict | None:
        return self.verdicts[-1] if self.verdicts else None

    @property
    def outcome(self) -> str | None:
        """What became of it, in a word or as the error says it; None while there is nothing to say."""
        return self.failure or (self.verdict.name if self.verdict else None)


def first_record(
    config: TrainConfig,
    identity: RunIdentity,
    optimizer: str,
    steps: int,
    notes: list[str],
    device: str,
    pictures: Marks | None = None,
) -> RunRecord:
    """The record of a run that has made no step in this sitting.

    What an unfinished record of this very run says of earlier sittings stays: when it began, and its pictures, for one
    that could not be used is left out of `pictures` later.
    """
    now = RunRecord(
        name=config.output.name,
        folder=str(config.output.folder),
        identity=identity,
        config=config.model_dump(mode="json"),
        optimizer=optimizer,
        device=device,
        steps=steps,
        epochs=config.training.epochs,
        notes=notes,
        versions=versions(),
        files={},
        seconds=None,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        pictures=pictures or {},
    )
    earlier = _earlier_record(config)
    if earlier is None or earlier.seconds is not None or differences(earlier.identity, identity):
        return now
    came_to = {key: getattr(earlier, key) for key in KEPT_FROM_EARLIER_SITTINGS if getattr(earlier, key)}
    return now.model_copy(update=came_to)


def _earlier_record(config: TrainConfig) -> RunRecord | None:
    return read_record(record_path(config)) if record_path(config).is_file() else None


def with_progress(record: RunRecord, run_state: RunState, price_per_hour: float | None) -> RunRecord:
    """The record of a run that has come as far as `run_state`."""
    hours = run_state.seconds / 3600
    return record.model_copy(
        update={
            "files": run_state.files,
            "done": run_state.done,
            "readings": run_state.readings,
            "events": run_state.events,
            "verdicts": run_state.verdicts,
            "spent_seconds": round(run_state.seconds, 1),
            "cost": None if price_per_hour is None else round(hours * price_per_hour, 4),
        }
    )


def record_path(config: TrainConfig) -> Path:
    return config.output.folder / f"{config.output.name}-run.json"


def log_path(config: TrainConfig) -> Path:
    return config.output.folder / f"{config.output.name}-log.jsonl"


def samples_folder(config: TrainConfig) -> Path:
    return config.output.folder / f"{config.output.name}-samples"


def state_path(config: TrainConfig) -> Path:
    return config.output.folder / f"{config.output.name}.state"


def write_record(record: RunRecord, config: TrainConfig) -> None:
    """Write the record whole."""
    write_text(record_path(config), record.model_dump_json(indent=2) + "\n")


def finished_run(config: TrainConfig, identity: RunIdentity, pictures: Marks) -> RunRecord | None:
    """The finished record of this very run, its files intact; None when it must be made, or made to its end.

    Raises ConfigurationError when the folder holds files or a state of another run under this name: they are never
    overwritten.
    """
    folder, name, record = config.output.folder, config.output.name, _earlier_record(config)
    if record is not None and not differences(record.identity, identity):
        return record if record.seconds is not None and _intact(record, folder) else None
    if there := existing_work(config):
        whose = ["no record says which"]
        if record:
            whose = differences(record.identity, identity, picture_changes(record.pictures, pictures))
        elif there[0] == state_path(config) and (state := read_header(there[0])):
            whose = state.differences(identity)
        if whose:
            raise another_runs_error(there[0], name, whose)
    return None


def require_begun(config: TrainConfig) -> None:
    """Raises ConfigurationError where no run of this name and these settings was ever begun in the output folder."""
    record = _earlier_record(config)
    if record is None or (record.failure and not record.done and not state_path(config).is_file()):
        raise ConfigurationError(
            f"{record_path(config)}: no such run, so there is nothing to resume; leave --resume out to begin it"
        )
    if changed := changed_settings(record.identity.settings, settings_of(config)):
        raise ConfigurationError(
            f"{record_path(config)}: was begun with other settings ({'; '.join(changed)}); "
            "set them back to resume it, or choose another output.name"
        )


def read_record(path: Path) -> RunRecord:
    """Raises ConfigurationError for a file that is not a run's record."""
    try:
        return RunRecord.model_validate_json(read_text(path))
    except (ValidationError, TextFileError) as error:
        raise ConfigurationError(f"{path}: not a run's record; choose another output.name or move it away") from error


def checkpoints(folder: Path, name: str) -> list[Path]:
    """The files that a run called `name` may have written into `folder`."""
    ours = re.compile(re.escape(name) + r"(-\d{6})?\.safetensors")
    return sorted(path for path in folder.glob("*.safetensors") if ours.fullmatch(path.name))


def existing_work(config: TrainConfig) -> list[Path]:
    """What would be lost if a run of this name began anew: checkpoints, and a state that has come past the start."""
    there = checkpoints(config.output.folder, config.output.name)
    return [*there, state_path(config)] if _has_state(config) else there


def _has_state(config: TrainConfig) -> bool:
    try:
        state = read_header(state_path(config))
    except ConfigurationError:  # damaged, it is still not ours to write over
        return True
    return state is not None and state.run_state.done > 0


def checkpoint_path(config: TrainConfig, epoch: int) -> Path:
    """kohya's names: `name-000001.safetensors` for an epoch, plain `name.safetensors` for the last."""
    number = "" if epoch == config.training.epochs else f"-{epoch:06d}"
    return config.output.folder / f"{config.output.name}{number}.safetensors"


def versions() -> dict[str, str]:
    """Of Python and of those libraries that shape the result and are installed."""
    found = {name: _version_of(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **{name: one for name, one in found.items() if one}}


def _version_of(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _intact(record: RunRecord, folder: Path) -> bool:
    return all((folder / name).is_file() and sha256_of(folder / name) == sha for name, sha in record.files.items())
