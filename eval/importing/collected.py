"""Every picture of the sources with what it tells, and those that tell too little, each with the reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from base_models.pictures.picture_file import UnreadablePictureError, size_of
from eval.importing.containers.chunk_reading import DamagedPictureError
from eval.importing.containers.picture_sources import FoundPictures, SourcePicture
from eval.importing.containers.picture_texts import PictureTexts, read_texts
from eval.importing.metadata.told import Told, UnclearPictureError
from eval.importing.naming.file_pattern import FilePattern
from eval.importing.naming.manifest import Manifest
from eval.importing.naming.trainer_samples import SampleNames
from eval.importing.readers import read_told
from foundation.progress import counted
from foundation.text_files import legible_text

WITHOUT_TEXTS = (".bmp",)
MOST_BESIDE = 2**20  # bytes of a text beside a picture
SILENT = "tells nothing of how it was made: no metadata of a tool that is known"


@dataclass(frozen=True)
class ReadPicture:
    """A picture, what it tells, and its size in pixels."""

    source: SourcePicture
    told: Told
    size: tuple[int, int]


@dataclass(frozen=True)
class Ways:
    """How pictures are read, beside their metadata. `checkpoints`: names of LoRA files that are known."""

    manifest: Manifest | None
    pattern: FilePattern | None
    samples: SampleNames
    checkpoints: Collection[str] = ()


@dataclass(frozen=True)
class Collected:
    """`unclear`: by the picture's place, why it cannot be used."""

    read: list[ReadPicture] = field(default_factory=list[ReadPicture])
    unclear: dict[str, str] = field(default_factory=dict[str, str])


def collect(found: FoundPictures, ways: Ways) -> Collected:
    """Read what all pictures tell; nothing is decoded, and no more than one picture is held."""
    collected = Collected(unclear=dict(found.faults))
    for picture in counted(found.pictures, "reading what pictures tell", len(found.pictures)):
        try:
            collected.read.append(_read(picture, ways))
        except (UnclearPictureError, DamagedPictureError, UnreadablePictureError, OSError) as error:
            collected.unclear[str(picture)] = _in_words(error)
    return collected


def _in_words(error: Exception) -> str:
    return error.fault if isinstance(error, UnreadablePictureError) else str(error)


def _read(picture: SourcePicture, ways: Ways) -> ReadPicture:
    texts = _texts(picture)
    told = _by_names(picture, ways) or read_told(texts) or _beside(picture, texts) or ways.samples.told(picture)
    if told is None:
        missed = " and its name does not fit --pattern" if ways.pattern else ""
        raise UnclearPictureError(SILENT + missed)
    return ReadPicture(picture, told, texts.size)


def _texts(picture: SourcePicture) -> PictureTexts:
    if picture.name.lower().endswith(WITHOUT_TEXTS) and not picture.member:
        return PictureTexts(size_of(picture.path), {}, picture.name)
    with picture.stream() as stream:
        return read_texts(stream, picture.name)


def _by_names(picture: SourcePicture, ways: Ways) -> Told | None:
    """What was said by the user goes before what the picture says."""
    told = ways.manifest.told(picture) if ways.manifest else None
    if told is None and ways.pattern:
        told = ways.pattern.told(picture.name.rpartition(".")[0], ways.checkpoints)
    return told


def _beside(picture: SourcePicture, texts: PictureTexts) -> Told | None:
    """A1111 can write its text into a file beside the picture."""
    path = picture.path.with_suffix(".txt")
    if picture.member or not path.is_file() or path.stat().st_size > MOST_BESIDE:
        return None
    return read_told(PictureTexts(texts.size, {"parameters": legible_text(path)}, picture.name))
