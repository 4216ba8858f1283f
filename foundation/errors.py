"""Errors that a user can fix. A command prints their text, without a traceback, and exits with code 2."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """Base of every error whose text says which file, what is wrong and what to do."""


class MissingFileError(UserError):
    """A file or folder that was asked for does not exist."""


class ConfigurationError(UserError):
    """A configuration file that cannot be read, or whose values do not hold together."""


class DatasetError(UserError):
    """A training folder that cannot be trained on."""


class UnusablePicturesError(DatasetError):
    """Pictures that cannot be learned from, each with what is wrong with it."""

    def __init__(self, faults: dict[Path, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{path}: {fault}" for path, fault in faults.items()) + "; replace or remove")


class BaseModelError(UserError):
    """A base model that cannot be loaded, or is of another family than what is put on it."""


class LoraFileError(UserError):
    """A LoRA file that is damaged, of an unknown form, or not a LoRA at all."""


class DivergedError(UserError):
    """Training stopped before a non-finite update reached the weights."""


class RunLogError(UserError):
    """A run's log of steps that cannot be read."""


class InputOverwrittenError(UserError):
    """An output that would be written over one of the files that it is made of."""


class DamagedFileError(UserError):
    """A file that the disk gave back otherwise than it was written."""


class StoppedError(UserError):
    """A run that was asked to stop, and saved what it needs to go on. `number`: the signal that asked, 2 for Ctrl-C."""

    def __init__(self, text: str, number: int = 2) -> None:
        super().__init__(text)
        self.number = number
