"""A picture's caption, by kohya's rules: the first line of the file beside it, else its folder's class words."""

from __future__ import annotations

from pathlib import Path

from trainer.errors import DatasetError

CAPTIONS = (".txt", ".caption")


def caption_of(picture: Path, class_words: str, notes: list[str]) -> str:
    """The picture's caption; `notes` gets a line when more lines of the file are not read.

    Raises DatasetError, naming the file, for two caption files, an empty one, one that is not UTF-8, and for a picture
    without any words at all.
    """
    files = [path for suffix in CAPTIONS if (path := picture.with_suffix(suffix)).is_file()]
    if len(files) > 1:
        raise DatasetError(f"{picture}: has two captions, {files[0].name} and {files[1].name}; keep one")
    if files:
        return _first_line(files[0], notes)
    if not class_words:
        raise DatasetError(f"{picture}: has no caption, and its folder's name no class words; give it one of them")
    return class_words


def _first_line(path: Path, notes: list[str]) -> str:
    try:
        # Editors on Windows put a byte order mark in front; it is no part of the caption.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8; save the caption as UTF-8 text") from error
    first, *rest = (line.strip() for line in lines)
    if not first:
        raise DatasetError(f"{path}: its first line is empty; write the caption there, or remove the file")
    if any(rest):
        notes.append(f"{path}: only the first line is the caption; the lines below it are not read")
    return first
