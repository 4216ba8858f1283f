"""What lies in the folders that were named: the base model, the pictures with their captions, the references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from base_models.base_source import BaseSource, find_base
from base_models.pictures.listing import list_folder, list_pictures_below
from base_models.pictures.picture_file import Size, UnreadablePictureError, size_of
from foundation.errors import ConfigurationError, MissingFileError
from miniature.paths import FOLDERS, NAME
from trainer.data.captions import is_caption
from trainer.data.dataset import Dataset, Sample, read_dataset

STEP = 64  # of a resolution, in pixels; of a base model that is smaller than that, an eighth of its own size


@dataclass(frozen=True)
class SubjectFacts:
    """The base model and its own `size`, the data with its pictures' `sizes`, and what stands for the subject.

    `captioned`: the training pictures that have a caption of their own, and not their folder's words.
    """

    base: BaseSource
    dataset: Dataset
    sizes: tuple[Size, ...]
    references: Path
    captioned: tuple[Sample, ...]

    @property
    def is_miniature(self) -> bool:
        """Whether the base is the drawn world's own."""
        return is_miniature(self.base)


def is_miniature(base: BaseSource) -> bool:
    """Whether a base model is the one that is shipped."""
    return base.name == NAME or base.path.resolve() == FOLDERS["base"]


def read_base(name: str) -> BaseSource:
    """By a path from where one stands, or a public name. Raises BaseModelError."""
    path = Path(name).expanduser()
    return find_base(str(path.absolute()) if name != NAME and path.exists() else name)


def read_data(train: Path, reg: Path | None) -> Dataset:
    """Raises what `trainer.data.dataset.read_dataset` does."""
    return read_dataset(train.expanduser(), None if reg is None else reg.expanduser())


def sizes_of(samples: Sequence[Sample]) -> tuple[Size, ...]:
    """Width and height of each picture that can be read; at least one can, or the first's error is raised."""
    sizes: list[Size] = []
    for sample in samples:
        try:
            sizes.append(size_of(sample.path))
        except UnreadablePictureError:
            if sample is samples[-1] and not sizes:
                raise
    return tuple(sizes)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder of references and below it.

    Raises MissingFileError, ConfigurationError where there are none, UnusablePicturesError for what cannot be opened.
    """
    if not folder.expanduser().is_dir():
        raise MissingFileError(f"{folder}: no such folder; it holds pictures of the subject that are not trained on")
    here = list_pictures_below(folder.expanduser())
    here.check()
    if not here.pictures:
        raise ConfigurationError(f"{folder}: has no pictures; put some of the subject there, better 12 than 4")
    return list(here.pictures)


def all_captioned(pictures: Sequence[Path]) -> bool:
    """Whether each has a caption beside it, without which the run cannot measure its loss on it."""
    return all(captions_of(path) for path in pictures)


def captioned(samples: Sequence[Sample]) -> list[Sample]:
    """Those with a caption file beside them."""
    folders = {one.path.parent for one in samples}
    known = {path.with_suffix("") for folder in folders for path in list_folder(folder).others if is_caption(path)}
    return [one for one in samples if one.path.with_suffix("") in known]


def captions_of(picture: Path) -> list[Path]:
    """The caption files beside a picture: one, as a rule."""
    return [path for path in list_folder(picture.parent).others if path.stem == picture.stem and is_caption(path)]


def choose_resolution(wanted: int, base_size: int, sizes: Sequence[Size]) -> int:
    """The side of the square that pictures are brought to the area of.

    As `wanted` (the preset's), or as the base is larger; no larger than the median picture, so that few are blown up;
    and never below the base's own size, at which it draws what it knows.
    """
    if base_size < 256:
        return base_size
    areas = sorted(width * height for width, height in sizes)
    fitting = int(areas[len(areas) // 2] ** 0.5) // STEP * STEP
    return max(base_size, min(max(wanted, base_size), fitting))


def enlarged(sizes: Sequence[Size], resolution: int) -> int:
    """How many pictures have a smaller area than they are trained at."""
    return sum(width * height < resolution**2 for width, height in sizes)
