"""The LoRA files that a grid names: which can be read, which epoch each is, and which hold the same tensors."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from eval.request.cells import Checkpoint, training_order
from foundation.errors import LoraFileError, MissingFileError
from foundation.files import sha256_of
from foundation.progress import counted
from foundation.safetensors_header import read_metadata
from loras.tensors_sha256 import tensors_sha256
from loras.unreadable_file import reason_unreadable


class DamagedLorasError(LoraFileError):
    """LoRA files of a grid that cannot be read, all of them at once: checkpoints, and what is blended in."""

    def __init__(self, checkpoints: Mapping[Path, str], also: Mapping[Path, str]) -> None:
        named = "; ".join(f"{path}: {reason}" for path, reason in {**checkpoints, **also}.items())
        keys = " and ".join(key for key, damaged in (("checkpoints", checkpoints), ("also", also)) if damaged)
        super().__init__(f"{named}; no cell can be made of what cannot be read, so leave it out of [lora] {keys}")


@dataclass(frozen=True)
class FoundCheckpoints:
    """The LoRA files that a grid names, as they were trained; `damaged` ones with the reason why each is of no use."""

    checkpoints: list[Checkpoint]
    damaged: dict[Path, str]


def find_checkpoints(patterns: list[str]) -> FoundCheckpoints:
    """The files that `patterns` name. What exists of a path is taken as it is, brackets and all.

    Raises MissingFileError for a pattern that nothing matches.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        found = _matches(pattern)
        if not found:
            raise MissingFileError(f"{pattern}: no LoRA file matches; check the path in [lora] checkpoints")
        paths.update(dict.fromkeys(found))
    with ThreadPoolExecutor() as readers:  # hashing lets go of Python's lock, and of ten thousand files it is hours
        read = list(counted(readers.map(_read, paths), "reading LoRA files", len(paths)))
    good = [one for one in read if isinstance(one, _ReadLora)]
    damaged = {path: one for path, one in zip(paths, read, strict=True) if isinstance(one, str)}
    return FoundCheckpoints(_in_order(list(_paired(good))), damaged)


def _in_order(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """As they were trained. An original comes right behind its copies, which may have lost their epoch, so that what is
    asked for beside the last checkpoint stays with it."""
    epochs = {one.sha256: one.epoch for one in checkpoints if not one.same_as}
    return sorted(checkpoints, key=lambda one: (*training_order(epochs[one.content], ""), not one.same_as, one.name))


def _matches(pattern: str) -> list[Path]:
    """The paths that a pattern stands for, which is matched below the longest part of it that is there by its name."""
    path = Path(pattern)
    if path.exists():
        return [path]
    there = next(parent for parent in path.parents if parent.exists())
    below = sorted(glob.glob(str(path.relative_to(there)), root_dir=there, recursive=True))
    return [there / found for found in below]


@dataclass(frozen=True)
class BlendedLoras:
    """The LoRA files that are blended in, by their paths in the specification; `damaged` ones with the reason."""

    checkpoints: dict[Path, Checkpoint]
    damaged: dict[Path, str]


def find_blended(files: Iterable[Path]) -> BlendedLoras:
    """Read what `[lora] also` names. Raises MissingFileError for a file that is not there."""
    found = BlendedLoras({}, {})
    for path in dict.fromkeys(files):
        try:
            found.checkpoints[path] = read_checkpoint(path)
        except LoraFileError as error:
            found.damaged[path] = reason_unreadable(path, error)
    return found


@dataclass(frozen=True)
class _ReadLora:
    checkpoint: Checkpoint
    tensors: str


def _read(path: Path) -> _ReadLora | str:
    """The file, or why it cannot be read."""
    try:
        return _ReadLora(read_checkpoint(path), tensors_sha256(path))
    except LoraFileError as error:
        return reason_unreadable(path, error)


def _paired(read: list[_ReadLora]) -> Iterator[Checkpoint]:
    """The checkpoints, those of the same tensors under one hash: that of one with an epoch, where there is one.

    Copies lose their metadata more often than originals, and what the original has rendered is to be found again.
    """
    first: dict[str, Checkpoint] = {}
    for one in sorted(read, key=lambda one: training_order(one.checkpoint.epoch, one.checkpoint.name)):
        first.setdefault(one.tensors, one.checkpoint)
    for one in read:
        original = first[one.tensors]
        yield one.checkpoint if one.checkpoint == original else replace(one.checkpoint, same_as=original.sha256)


def read_checkpoint(path: Path) -> Checkpoint:
    """Hash a file and read its epoch. Raises MissingFileError or LoraFileError."""
    epoch = read_metadata(path).get("ss_epoch", "")
    return Checkpoint(path, path.stem, sha256_of(path), int(epoch) if epoch.isdigit() else None)
