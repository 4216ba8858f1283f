"""What a model that is used may be used for, as far as its folder says."""

from __future__ import annotations

from pathlib import Path

from foundation.text_files import legible_text

LICENCE_FILES = ("MODEL.LICENSE", "LICENSE", "LICENSE.txt", "LICENSE.md")
UNKNOWN_LICENCE = "unknown licence"


def licence_file_of(folder: Path) -> str | None:
    """The first line of the folder's licence file; None where it has none."""
    for file in (folder / name for name in LICENCE_FILES):
        lines = legible_text(file).split("\n")
        text = next((line.strip("# \t\r") for line in lines if line.strip("# \t\r")), None)
        if text:
            return text
    return None
