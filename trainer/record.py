"""The record of a run, beside its files: what went in, what came out. A finished one is why work is not done twice."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from trainer.config import TrainConfig
from trainer.errors import ConfigurationError
from trainer.files import sha256_of, write_text
from trainer.toml_config import Section

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "bitsandbytes", "safetensors")


class RunIdentity(Section):
    """Everything that shapes the tensors. Runs with equal identities are the same run, wherever their folders lie."""

    settings: dict[str, dict[str, str | int | float | None]]
    data_sha256: str
    base_sha256: str


class RunRecord(Section):
    """`files` are the epoch checkpoints so far, name -> sha256; `seconds` is None until the run has finished."""

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


def identity_of(config: TrainConfig, data_sha256: str, base_sha256: str) -> RunIdentity:
    """The configuration without its paths and names (contents are hashed instead), the data and the base model."""
    settings = config.model_dump(
        mode="json",
        exclude={
            "preset": True,
            "model": {"base", "device"},
            "data": {"train", "reg"},
            "output": {"folder", "name"},
        },
    )
    return RunIdentity(settings=settings, data_sha256=data_sha256, base_sha256=base_sha256)


def record_path(config: TrainConfig) -> Path:
    return config.output.folder / f"{config.output.name}-run.json"


def write_record(record: RunRecord, config: TrainConfig) -> None:
    """Write the record whole."""
    write_text(record_path(config), record.model_dump_json(indent=2) + "\n")


def earlier_run(config: TrainConfig, identity: RunIdentity) -> RunRecord | None:
    """The finished record of this very run, its files intact; None when it must be made (a killed one starts over).

    Raises ConfigurationError when the folder holds files of another run under this name: they are never overwritten.
    """
    folder, name = config.output.folder, config.output.name
    record, there = _read(record_path(config)), checkpoints(folder, name)
    if record is not None and record.identity == identity:
        return record if record.seconds is not None and _intact(record, folder) else None
    if there:
        whose = _difference(record.identity, identity) if record else "no record says which"
        raise ConfigurationError(
            f"{there[0]}: belongs to another run named `{name}` ({whose}); "
            "choose another output.name, or move that run's files away"
        )
    return None


def checkpoints(folder: Path, name: str) -> list[Path]:
    """The files that a run called `name` may have written into `folder`."""
    ours = re.compile(re.escape(name) + r"(-\d{6})?\.safetensors")
    return sorted(path for path in folder.glob("*.safetensors") if ours.fullmatch(path.name))


def checkpoint_path(config: TrainConfig, epoch: int) -> Path:
    """kohya's names: `name-000001.safetensors` for an epoch, plain `name.safetensors` for the last."""
    number = "" if epoch == config.training.epochs else f"-{epoch:06d}"
    return config.output.folder / f"{config.output.name}{number}.safetensors"


def versions() -> dict[str, str]:
    """Of Python and of the libraries that shape the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _read(path: Path) -> RunRecord | None:
    if not path.is_file():
        return None
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not a run's record; choose another output.name or move it away") from error


def _intact(record: RunRecord, folder: Path) -> bool:
    return all((folder / name).is_file() and sha256_of(folder / name) == sha for name, sha in record.files.items())


def _difference(old: RunIdentity, new: RunIdentity) -> str:
    changed = [
        f"{table}.{key}: {old.settings.get(table, {}).get(key)} -> {value}"
        for table, values in new.settings.items()
        for key, value in values.items()
        if old.settings.get(table, {}).get(key) != value
    ]
    changed += ["other pictures or captions"] * (old.data_sha256 != new.data_sha256)
    changed += ["another base model"] * (old.base_sha256 != new.base_sha256)
    return "; ".join(changed)
