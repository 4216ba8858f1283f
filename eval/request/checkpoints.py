"""The LoRA files that a grid names: which can be read, which epoch each is, and which hold the same tensors."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from eval.request.cells import Checkpoint
from eval.request.epochs.saved_when import SavedWhen, is_blend, when_by_header, when_by_name, with_units
from eval.request.epochs.training_order import in_training_order
from foundation.errors import ConfigurationError, LoraFileError, MissingFileError
from foundation.files import sha256_of
from foundation.progress import counted
from foundation.safetensors_header import PICKLES, read_metadata
from loras.inspecting.unreadable_file import reason_unreadable
from loras.tensors_sha256 import tensors_sha256

SUFFIX = ".safetensors"


class DamagedLorasError(LoraFileError):
    """LoRA files of a grid that cannot be read, all of them at once: checkpoints, what is blended in, and guests."""

    def __init__(
        self, checkpoints: Mapping[Path, str], also: Mapping[Path, str], guests: Mapping[Path, str] | None = None
    ) -> None:
        found = {"checkpoints": checkpoints, "also": also, "guest": guests or {}}
        named = "; ".join(f"{path}: {why}" for damaged in found.values() for path, why in damaged.items())
        keys = " and ".join(key for key, damaged in found.items() if damaged)
        super().__init__(f"{named}; no cell can be made of what cannot be read, so leave it out of [lora] {keys}")


@dataclass(frozen=True)
class FoundCheckpoints:
    """The LoRA files that a grid names, as they were trained; `damaged` ones with the reason why each is of no use."""

    checkpoints: list[Checkpoint]
    damaged: dict[Path, str]


def find_checkpoints(patterns: list[str]) -> FoundCheckpoints:
    """The files that `patterns` name. What exists of a path is taken as it is, brackets and all.

    Raises MissingFileError for a pattern that nothing matches, ConfigurationError for a folder.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        found = files_named(pattern)
        if not found:
            raise MissingFileError(
                f"{pattern}: no LoRA file matches; train first, `trainer run` writes one an epoch, or mend the path "
                "in [lora] checkpoints"
            )
        paths.update(dict.fromkeys(found))
    with ThreadPoolExecutor() as readers:  # hashing lets go of Python's lock, and of ten thousand files it is hours
        read = list(counted(readers.map(_read, paths), "reading LoRA files", len(paths)))
    good = _numbered([one for one in read if isinstance(one, _ReadLora)])
    damaged = {path: one for path, one in zip(paths, read, strict=True) if isinstance(one, str)}
    return FoundCheckpoints(_in_order(list(_paired(good))), damaged)


def _in_order(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """As they were trained. An original comes right behind its copies, which may have lost their epoch, so that what is
    asked for beside the last checkpoint stays with it."""
    originals = in_training_order((one for one in checkpoints if not one.same_as), lambda one: one.trained)
    place = {one.sha256: at for at, one in enumerate(originals)}
    return sorted(checkpoints, key=lambda one: (place[one.content], not one.same_as, one.name))


def files_named(pattern: str) -> list[Path]:
    """The paths that a pattern of `[lora] checkpoints` stands for; none where nothing matches.

    It is matched below the longest part of it that is there by its name.

    Brackets that match nothing as a pattern are letters: `kat [v2]-*`. Folders, and files that hold no weights, are not
    meant by a `*`.
    """
    path = Path(pattern)
    if path.is_dir():
        raise ConfigurationError(f"{path}: is a folder; name the files in it in [lora] checkpoints: {path}/*{SUFFIX}")
    if path.exists():
        return [path]
    there = next(parent for parent in path.parents if parent.exists())
    below = str(path.relative_to(there))
    found = sorted(glob.glob(below, root_dir=there, recursive=True))
    found = found or sorted(glob.glob(below.replace("[", "[[]"), root_dir=there, recursive=True))
    return [there / one for one in found if one.endswith((SUFFIX, *PICKLES)) and not (there / one).is_dir()]


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
    """`when_told`: its header says when it was saved, or that it is a blend: its name then says nothing of it."""

    checkpoint: Checkpoint
    tensors: str
    when_told: bool


def _read(path: Path) -> _ReadLora | str:
    """The file, or why it cannot be read."""
    try:
        checkpoint = read_checkpoint(path)
        told = checkpoint.trained.is_numbered or is_blend(read_metadata(path))
        return _ReadLora(checkpoint, tensors_sha256(path), told)
    except LoraFileError as error:
        return reason_unreadable(path, error)


def _numbered(read: list[_ReadLora]) -> list[_ReadLora]:
    """With what the names say of when each was saved, where headers do not say it."""
    silent = {one.checkpoint.path: when_by_name(one.checkpoint.path) for one in read if not one.when_told}
    whens = with_units(silent)
    return [one if one.when_told else replace(one, checkpoint=_saved(one, whens)) for one in read]


def _saved(one: _ReadLora, whens: Mapping[Path, SavedWhen]) -> Checkpoint:
    when = whens[one.checkpoint.path]
    return replace(one.checkpoint, epoch=when.epoch, step=when.step)


def _paired(read: list[_ReadLora]) -> Iterator[Checkpoint]:
    """The checkpoints, those of the same tensors under one hash: that of one with an epoch, where there is one.

    Copies lose their metadata more often than originals, and what the original has rendered is to be found again. So
    the one whose header says when it was saved comes before one whose name does.
    """
    first: dict[str, Checkpoint] = {}
    ordered = in_training_order(read, lambda one: one.checkpoint.trained)
    for one in sorted(ordered, key=lambda one: not one.when_told):
        first.setdefault(one.tensors, one.checkpoint)
    for one in read:
        original = first[one.tensors]
        yield one.checkpoint if one.checkpoint == original else replace(one.checkpoint, same_as=original.sha256)


def read_checkpoint(path: Path) -> Checkpoint:
    """Hash a file and read what its header says of when it was saved. Raises MissingFileError or LoraFileError."""
    when = when_by_header(read_metadata(path))
    return Checkpoint(path, path.stem, sha256_of(path), when.epoch, step=when.step)
