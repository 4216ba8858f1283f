"""The one reader of picture files: bounded before it is decoded, upright, and in colours as a screen shows them.

What cannot be read is one error, whatever a library raised: which file, what is wrong, what to do.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeAlias

from PIL import Image, UnidentifiedImageError

from base_models.pictures.colours import alpha_of, as_srgb, is_read_anew
from foundation.errors import UserError
from foundation.files import sha256_of, why_unopenable
from foundation.wording.said import say

Size: TypeAlias = tuple[int, int]  # width, height

# PIL's own readers of these alone: others start programs (EPS) or read what nobody means by a picture.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
ONE_PICTURE = "MPO"  # a photograph, and what a camera keeps beside it
TURNED_BY_PIL = "TIFF"
MOST_PIXELS = 178_956_970  # where PIL calls a picture a bomb; decoded, it takes 700 MB
MOST_ASPECT = 20  # a longer strip, scaled until it covers a square, takes gigabytes
ORIENTATION = 0x0112
# EXIF's numbers for pictures that are not upright, and what makes them so.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (5, 6, 7, 8)
# Part of the name of what is kept of a picture that earlier versions read otherwise. Raise it with every other reading.
READING = "upright sRGB over white"
NAMED = 3

# What is too large is an error of its own here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadablePictureError(UserError):
    """A picture file that is damaged, of an unknown kind, or of a size that is none. `fault` says which."""

    def __init__(self, path: Path, fault: str, advice: str = "replace or remove it") -> None:
        self.path, self.fault = path, fault
        super().__init__(f"{path}: {fault}; {advice}")


@dataclass(frozen=True)
class Manner:
    """How a picture is read where that is worth a word. `anew`: to other pixels than by earlier versions."""

    first_frame: bool = False
    over_white: bool = False
    anew: bool = False


@contextmanager
def opened_picture(path: Path, most_pixels: int = MOST_PIXELS) -> Generator[Image.Image]:
    """The open file, its header read and within bounds; what its reading raises becomes UnreadablePictureError."""
    if fault := why_unopenable(path):
        raise UnreadablePictureError(path, fault)
    try:
        with Image.open(path, formats=_formats()) as picture:
            _check_bounds(path, picture.size, most_pixels)
            yield picture
    except UserError:
        raise
    # Readers of damaged files raise whatever the bytes lead them into: OSError, SyntaxError, KeyError, struct.error.
    except Exception as error:
        raise UnreadablePictureError(path, f"cannot be read as a picture ({_in_words(error)})") from error


def size_of(path: Path) -> Size:
    """(width, height), upright, from the file's header. Raises UnreadablePictureError."""
    with opened_picture(path) as picture:
        if picture.format == TURNED_BY_PIL:
            picture.load()
        width, height = picture.size
        return (height, width) if _orientation(picture) in ON_ITS_SIDE else (width, height)


def load_picture(path: Path, least: int | None = None, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """The picture, upright, RGB of eight bits in sRGB, transparent parts over white; of several frames the first.

    `least`: with so many pixels a side or more, where a JPEG is decoded faster so. Raises UnreadablePictureError.
    """
    with opened_picture(path, most_pixels) as picture:
        if least is not None:
            picture.draft("RGB", (least, least))
        picture.load()  # what has its EXIF at the end tells of it now, and PIL turns a TIFF by itself
        turn = TURNS.get(_orientation(picture))
        seen = as_srgb(picture)
        return seen if turn is None else seen.transpose(turn)


def manner_of(path: Path) -> Manner:
    """How the picture is read, told anew once the file has changed. A file that cannot be read has no manner."""
    try:
        facts = path.stat()
        return _manner_of(path, facts.st_mtime_ns, facts.st_size)
    except (OSError, UnreadablePictureError):
        return Manner()


def reading_sha256(path: Path) -> str:
    """What names all that is made of a picture: the hash of its bytes, where earlier versions made the same of them.

    Raises OSError for a file that is not there.
    """
    content = sha256_of(path)
    return hashlib.sha256(f"{content} {READING}".encode()).hexdigest() if manner_of(path).anew else content


def remarks_on(paths: Iterable[Path]) -> list[str]:
    """What is to be said of how pictures are read, in sentences that name them."""
    manners = [(path, manner_of(path)) for path in paths]
    moving = [path.name for path, manner in manners if manner.first_frame]
    clear = [path.name for path, manner in manners if manner.over_white]
    said = {
        say("animated, of which the first frame is taken: {names}", names=_named(moving)): moving,
        say("with transparent parts, which are shown over white: {names}", names=_named(clear)): clear,
    }
    return [text for text, names in said.items() if names]


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this PIL has, their readers loaded."""
    Image.init()
    return tuple(one for one in FORMATS if one in Image.OPEN)


@lru_cache(maxsize=4096)
def _manner_of(path: Path, changed: int, size: int) -> Manner:
    """`changed` and `size` are part of the key only. An error is not kept."""
    with opened_picture(path) as picture:
        animated = picture.format != ONE_PICTURE and getattr(picture, "is_animated", False)
        return Manner(bool(animated), alpha_of(picture) is not None, is_read_anew(picture))


def _check_bounds(path: Path, size: Size, most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise UnreadablePictureError(path, f"{width} x {height} pixels are more than can be read", "make it smaller")
    if max(size) > MOST_ASPECT * min(size):
        fault = f"{width} x {height} pixels are no picture: one side is more than {MOST_ASPECT} times the other"
        raise UnreadablePictureError(path, fault, "crop or remove it")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF raises anything, and leaves a picture that can be read
        return 1


def _in_words(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture, or one of a kind that is not read"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS} pixels"
    return " ".join(str(error).split()) or type(error).__name__


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
