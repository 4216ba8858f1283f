"""What lies in the folders, read as kohya reads them, but for stopping: whatever is wrong is kept, to be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from base_models.pictures.listing import Listing, is_picture, list_folder, list_pictures_below
from foundation.files import bytes_within
from foundation.text_files import MOST_OF_A_CAPTION, TextFileError, caption_text, is_utf8
from trainer.checking.settings import Place, Role
from trainer.data.captions import is_caption

NOTHING = Listing((), (), (), {})


@dataclass(frozen=True)
class Folder:
    """A folder that was looked into. `repeats` is 0 where kohya would skip it; `fault`: why it cannot be read."""

    path: Path
    role: Role
    repeats: int
    words: str
    listing: Listing
    is_parent: bool = False
    fault: str = ""
    extension: str | None = None

    @cached_property
    def captions(self) -> dict[str, list[Path]]:
        """The caption files, by their stems."""
        found: dict[str, list[Path]] = {}
        for path in (*self.listing.others, *self.listing.unopenable):
            if is_caption(path, self.extension):
                found.setdefault(path.stem, []).append(path)
        return found


@dataclass(frozen=True)
class CaptionFile:
    """A caption as it lies on the disk: its first line; `more`: whether lines follow; `fault`: why it is no text.

    `is_utf8`: whether its bytes are UTF-8, as other trainers read them.
    """

    path: Path
    text: str = ""
    more: bool = False
    is_utf8: bool = True
    fault: str = ""


@dataclass(frozen=True)
class Sighted:
    """A picture that is listed. `caption` is what training reads: the first line, or the folder's class words."""

    path: Path
    role: Role
    folder: Folder
    files: tuple[CaptionFile, ...]

    @property
    def caption(self) -> str:
        """As training reads it; empty where it can read none."""
        return next((one.text for one in self.files if one.text), self.folder.words)

    @property
    def is_captioned(self) -> bool:
        """Whether a caption file with words lies beside it."""
        return any(one.text for one in self.files)


@dataclass(frozen=True)
class Survey:
    """All folders, and all pictures of those that training reads."""

    folders: tuple[Folder, ...]
    pictures: tuple[Sighted, ...]

    @cached_property
    def by_role(self) -> Mapping[Role, tuple[Sighted, ...]]:
        """The pictures of each role."""
        return {role: tuple(one for one in self.pictures if one.role == role) for role in Role}

    @property
    def train(self) -> tuple[Sighted, ...]:
        """The pictures of the subject."""
        return self.by_role[Role.TRAIN]

    @property
    def reg(self) -> tuple[Sighted, ...]:
        """The pictures of others of the class."""
        return self.by_role[Role.REG]

    @property
    def references(self) -> tuple[Sighted, ...]:
        """Pictures of the subject that are not trained on."""
        return self.by_role[Role.REFERENCE]


def surveyed(places: Sequence[Place]) -> Survey:
    """Look into every place. Nothing but captions is opened."""
    folders = [folder for place in places for folder in _folders_of(place)]
    own = {place.path.resolve(): place.role for place in places}
    read = [folder for folder in folders if own.get(folder.path.resolve(), folder.role) == folder.role]
    return Survey(tuple(folders), tuple(one for folder in read for one in _pictures_in(folder)))


def repeats_of(name: str) -> int:
    """kohya's rule: `int(name.split("_")[0])`; 0 where the name says none."""
    try:
        return max(0, int(name.partition("_")[0]))
    except ValueError:
        return 0


def _folders_of(place: Place) -> Iterator[Folder]:
    here, fault = _listed(place.path)
    if place.deep:
        below = list_pictures_below(place.path) if not fault else NOTHING
        yield Folder(place.path, place.role, 1, "", below, fault=fault)
        return
    if not place.is_parent:
        yield Folder(place.path, place.role, place.repeats, place.words, here, fault=fault, extension=place.extension)
        return
    is_kohyas = bool(repeats_of(place.path.name))
    words = place.path.name.partition("_")[2] if is_kohyas else ""
    yield Folder(place.path, place.role, 1, words, here, is_parent=True, fault=fault, extension=place.extension)
    for path in here.folders:
        listing, fault = _listed(path)
        repeats = repeats_of(path.name)
        words = path.name.partition("_")[2] if repeats else ""
        yield Folder(path, place.role, repeats, words, listing, fault=fault, extension=place.extension)


def _listed(path: Path) -> tuple[Listing, str]:
    try:
        return list_folder(path), ""
    except OSError as error:
        return NOTHING, error.strerror or str(error)


def _pictures_in(folder: Folder) -> Iterator[Sighted]:
    """Also those in places where kohya would not see them: what is wrong with them is worth knowing, too."""
    paths = [*folder.listing.pictures, *(path for path in folder.listing.unopenable if is_picture(path))]
    known = folder.captions
    for path in sorted(paths):
        files = known.get(path.stem, []) if path.parent == folder.path else []
        yield Sighted(path, folder.role, folder, tuple(read_caption(one) for one in sorted(files)))


def read_caption(path: Path) -> CaptionFile:
    """What stands in a caption file, whatever it is."""
    try:
        first, *rest = (line.strip() for line in caption_text(path).split("\n"))
        utf8 = is_utf8(bytes_within(path, MOST_OF_A_CAPTION))
    except TextFileError as error:
        return CaptionFile(path, fault=error.fault)
    except OSError as error:
        return CaptionFile(path, fault=error.strerror or str(error))
    return CaptionFile(path, first, any(rest), utf8)
