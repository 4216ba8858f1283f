"""kohya's dataset folders -> samples: `<parent>/<repeats>_<class words>/<picture>`, a caption beside each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from base_models.pictures.listing import PICTURES, Listing, is_picture, list_folder
from base_models.pictures.picture_file import reading_sha256
from foundation.errors import DatasetError, MissingFileError, UnusablePicturesError
from foundation.wording.said import say
from trainer.config.data_section import DataSection, FolderSection
from trainer.data.captions import caption_of, is_caption


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
        return {one.path: reading_sha256(one.path) for one in self.samples}

    def hash_of(self, sample: Sample) -> str:
        """What names a picture as training sees it: `reading_sha256`, as it was when the first was asked for."""
        return self._hashes[sample.path]

    def require_unchanged(self) -> None:
        """Raise DatasetError where pictures became others since they were hashed."""
        for path, known in self._hashes.items():
            with suppress(OSError):
                if reading_sha256(path) == known:
                    continue
            raise DatasetError(f"{path}: was changed while the run began; run again once it stays as it is")

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
    parents = (("train", train), ("reg", reg))
    samples, reg_samples = (_read_parent(one, key, extension, notes) if one else [] for key, one in parents)
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


def _read_parent(parent: Path, key: str, extension: str | None, notes: list[str]) -> list[Sample]:
    if not parent.is_dir():
        fault = "is a file" if parent.is_file() else "no such folder"
        raise MissingFileError(
            f"{parent}: {fault}, given as {key}; give the parent of folders named like `10_name girl`"
        )
    here = list_folder(parent)
    if here.pictures:
        raise _pictures_in_parent(parent, here.pictures[0].name)
    _check_openable(here)
    samples = [sample for path in here.folders for sample in _read_kohya_folder(path, extension, notes)]
    if not samples:
        raise DatasetError(
            f"{parent}: has no folder named like `10_name girl` (repeats, underscore, class words), given as {key}"
        )
    return samples


def _pictures_in_parent(parent: Path, first: str) -> DatasetError:
    if _repeats_of(parent):
        return DatasetError(f"{parent}: is itself a folder of pictures ({first}); give its parent, {parent.parent}")
    return DatasetError(f"{parent}: holds pictures itself ({first}); move them into a folder like `10_name girl`")


def _check_openable(here: Listing) -> None:
    """Raise UnusablePicturesError for a picture or a kohya folder by its name that is a link to nothing or a pipe."""
    if faults := {path: fault for path, fault in here.unopenable.items() if is_picture(path) or _repeats_of(path)}:
        raise UnusablePicturesError(faults)


def _read_kohya_folder(folder: Path, extension: str | None, notes: list[str]) -> list[Sample]:
    repeats = _repeats_of(folder)
    if not repeats:
        raise _not_kohyas(folder)
    return _read_folder(folder, repeats, folder.name.partition("_")[2], extension, notes)


def _not_kohyas(folder: Path) -> DatasetError:
    if inner := next((path for path in list_folder(folder).folders if _repeats_of(path)), None):
        return DatasetError(f"{folder}: holds kohya folders itself ({inner.name}); give it, not {folder.parent}")
    return DatasetError(
        f"{folder}: not a kohya folder; name it like `10_name girl` (repeats, 1 or more, underscore, class words)"
    )


def _read_folder(folder: Path, repeats: int, words: str, extension: str | None, notes: list[str]) -> list[Sample]:
    here = list_folder(folder)
    _check_openable(here)
    if not here.pictures:
        raise DatasetError(f"{folder}: has no pictures ({', '.join(PICTURES)}); sub-folders are not read")
    captions = _captions_in(here, extension)
    notes += _what_is_odd(folder, here, captions)
    return [
        Sample(path, caption_of(path, captions.get(path.stem, ()), words, notes), repeats, folder.name)
        for path in here.pictures
    ]


def _captions_in(here: Listing, extension: str | None) -> dict[str, list[Path]]:
    """The caption files by the stem that they share with a picture; raises DatasetError where two pictures do."""
    pictures: dict[str, list[Path]] = {}
    for path in here.pictures:
        pictures.setdefault(path.stem, []).append(path)
    captions: dict[str, list[Path]] = {}
    for path in (*here.others, *here.unopenable):
        if is_caption(path, extension) and path.stem in pictures:
            captions.setdefault(path.stem, []).append(path)
    for stem, files in captions.items():
        if len(pictures[stem]) > 1:
            one, other = pictures[stem][:2]
            raise DatasetError(
                f"{files[0]}: is the caption of two pictures, {one.name} and {other.name}; give one of them "
                "another name and a caption of its own, or remove it"
            )
    return captions


def _what_is_odd(folder: Path, here: Listing, captions: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """What is not read, and what other tools would not read, in words."""
    known = [path for files in captions.values() for path in files]
    unread = sorted(path for path in (*here.folders, *here.others, *here.unopenable) if path not in known)
    if unread:
        names = named([path.name for path in unread])
        yield say("{folder}: not read, neither a picture nor the caption of one: {names}", folder=folder, names=names)
    by_letters = {path.stem.lower(): path.name for path in here.pictures}
    for path in unread:
        if is_caption(path) and (picture := by_letters.get(path.stem.lower())):
            yield say(
                "{file}: is not the caption of {picture}, for their names differ in capitals; rename it",
                file=path,
                picture=picture,
            )
    if loud := [path.name for path in known if path.suffix != path.suffix.lower()]:
        yield say(
            "{folder}: read as captions: {names}; kohya reads small letters alone, so rename them for it",
            folder=folder,
            names=named(loud),
        )


def _repeats_of(folder: Path) -> int:
    """kohya's rule: `int(name.split("_")[0])`; 0 where the name says none."""
    try:
        return max(0, int(folder.name.partition("_")[0]))
    except ValueError:
        return 0


def named(names: Sequence[str]) -> str:
    """Up to three names, and how many more there are."""
    first = ", ".join(names[:3])
    return say("{names} and {count} more", names=first, count=len(names) - 3) if len(names) > 3 else first
