"""kohya's dataset folders -> samples: `<parent>/<repeats>_<class words>/<picture>`, a caption beside each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from foundation.errors import DatasetError, MissingFileError
from foundation.files import sha256_of
from trainer.config.data_section import DataSection, FolderSection
from trainer.data.captions import caption_of, endings

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class Sample:
    """A picture with its caption; an epoch shows it `repeats` times. `folder` is the kohya folder's name."""

    path: Path
    caption: str
    repeats: int
    folder: str


@dataclass(frozen=True)
class Dataset:
    """The subject's pictures, the class's (reg) pictures, those never trained on, and notes on how they were read."""

    train: tuple[Sample, ...]
    reg: tuple[Sample, ...]
    notes: tuple[str, ...]
    held_out: tuple[Sample, ...] = ()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Train, reg, held out: the order of every index into the data."""
        return self.train + self.reg + self.held_out

    def without(self, paths: Collection[Path]) -> Dataset:
        """The same data without the pictures at `paths`."""
        train, reg, held_out = (
            tuple(sample for sample in samples if sample.path not in paths)
            for samples in (self.train, self.reg, self.held_out)
        )
        return replace(self, train=train, reg=reg, held_out=held_out)

    @cached_property
    def _hashes(self) -> dict[Path, str]:
        return {one.path: sha256_of(one.path) for one in self.samples}

    def hash_of(self, sample: Sample) -> str:
        """The sha256 of a picture's bytes as they were when the first was asked for."""
        return self._hashes[sample.path]

    def sha256(self) -> str:
        """One hash over what training sees: pictures' bytes, captions, repeats, which are reg. Paths do not count."""
        digest = hashlib.sha256()
        for kind, samples in (("train", self.train), ("reg", self.reg), ("held out", self.held_out)):
            for one in samples:
                digest.update(f"{kind} {one.repeats} {self.hash_of(one)} {one.caption}\n".encode())
        return digest.hexdigest()


def dataset_of(data: DataSection) -> Dataset:
    """Read all folders that a configuration names; no picture is opened yet. Raises what `read_dataset` does."""
    named_folders = {folder.path for folder in data.folders}
    if len(named_folders) < len(data.folders):
        raise DatasetError("data.folders: names a folder twice; name it once, with all its repeats")
    return read_dataset(data.train, data.reg, data.folders, data.caption_extension)


def read_dataset(
    train: Path | None,
    reg: Path | None,
    folders: Sequence[FolderSection] = (),
    extension: str | None = None,
) -> Dataset:
    """Read the kohya folders in `train` and `reg`, where there are any, and `folders` of any name beside them.

    Raises MissingFileError for a folder that is not there; DatasetError, naming the folder or file, for a folder that
    is not kohya's or has no pictures, and for a caption that cannot be used.
    """
    notes: list[str] = []
    own = [(folder.reg, _read_listed(folder, extension, notes)) for folder in folders]
    samples, reg_samples = (_read_parent(one, extension, notes) if one else [] for one in (train, reg))
    samples += [sample for is_reg, read in own if not is_reg for sample in read]
    reg_samples += [sample for is_reg, read in own if is_reg for sample in read]
    return Dataset(tuple(samples), tuple(reg_samples), tuple(notes))


def read_pictures(folder: Path, notes: list[str], extension: str | None = None) -> list[Sample]:
    """The captioned pictures of one folder of any name; a picture without a caption is an error that names it.

    Raises MissingFileError and DatasetError as `read_dataset` does.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; give one of captioned pictures")
    return _read_folder(folder, 1, "", extension, notes)


def _read_listed(folder: FolderSection, extension: str | None, notes: list[str]) -> list[Sample]:
    if not folder.path.is_dir():
        raise MissingFileError(f"{folder.path}: no such folder; mend its path in [[data.folders]]")
    own = folder.caption_extension or extension
    return _read_folder(folder.path, folder.repeats, folder.class_words, own, notes)


def _read_parent(parent: Path, extension: str | None, notes: list[str]) -> list[Sample]:
    if not parent.is_dir():
        raise MissingFileError(f"{parent}: no such folder; give the parent of folders named like `10_name girl`")
    entries = _visible(parent)
    if loose := [path.name for path in entries if path.is_file() and path.suffix.lower() in PICTURES]:
        raise DatasetError(f"{parent}: holds pictures itself ({loose[0]}); move them into a folder like `10_name girl`")
    samples = [sample for path in entries if path.is_dir() for sample in _read_kohya_folder(path, extension, notes)]
    if not samples:
        raise DatasetError(f"{parent}: has no folder named like `10_name girl` (repeats, underscore, class words)")
    return samples


def _read_kohya_folder(folder: Path, extension: str | None, notes: list[str]) -> list[Sample]:
    repeats, words = _repeats_and_words(folder)
    return _read_folder(folder, repeats, words, extension, notes)


def _read_folder(folder: Path, repeats: int, words: str, extension: str | None, notes: list[str]) -> list[Sample]:
    entries = _visible(folder)
    pictures = [path for path in entries if path.is_file() and path.suffix.lower() in PICTURES]
    if not pictures:
        raise DatasetError(f"{folder}: has no pictures ({', '.join(PICTURES)}); sub-folders are not read")
    captions = {path.stem + ending for path in pictures for ending in endings(extension)}
    read = {*pictures, *(path for path in entries if path.name in captions)}
    if unread := [path.name for path in entries if path not in read]:
        notes.append(f"{folder}: not read, neither a picture nor the caption of one: {named(unread)}")
    return [Sample(path, caption_of(path, words, notes, extension), repeats, folder.name) for path in pictures]


def _repeats_and_words(folder: Path) -> tuple[int, str]:
    """kohya's rule: `int(name.split("_")[0])` is the repeats, the rest the class words."""
    number, _, words = folder.name.partition("_")
    try:
        repeats = int(number)
    except ValueError:
        repeats = 0
    if repeats < 1:
        raise DatasetError(
            f"{folder}: not a kohya folder; name it like `10_name girl` (repeats, 1 or more, underscore, class words)"
        )
    return repeats, words


def _visible(folder: Path) -> Sequence[Path]:
    """By name, without the dotted files and folders that systems and notebooks leave."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def named(names: Sequence[str]) -> str:
    """Up to three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
