"""What a file may be called that a page writes. No Streamlit here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from foundation.errors import UserError
from studio.languages.translation import tr

SUFFIX = ".safetensors"
LONGEST_NAME = 100  # characters
LONGEST_BYTES = 240  # most systems take 255, the suffix among them


class FileNameError(UserError):
    """What was typed is no plain name of a file."""


def numbered(name: str) -> Iterator[str]:
    """`blend`, `blend-2`, `blend-3`: names to take the first free one of."""
    return (name if at == 1 else f"{name}-{at}" for at in count(1))


def stem_of(name: str) -> str:
    """A LoRA file's name without its suffix. Raises FileNameError for a path, and for what not every disk takes."""
    stem = name.strip().removesuffix(SUFFIX)
    if len(stem) > LONGEST_NAME or not re.fullmatch(r"[\w][\w. -]*", stem) or len(stem.encode()) > LONGEST_BYTES:
        raise FileNameError(
            tr(
                "“{name}”: not a file name; use up to {count} letters, digits, spaces, dots, hyphens and underscores",
                name=stem[:40],
                count=LONGEST_NAME,
            )
        )
    return stem
