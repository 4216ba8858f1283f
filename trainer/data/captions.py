"""A picture's caption, by kohya's rules: the first line of the file beside it, else its folder's class words.

And how a step varies it: left out, its tags shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from foundation.errors import DatasetError
from foundation.text_files import TextFileError, caption_text
from trainer.config.data_section import DataSection

CAPTIONS = (".txt", ".caption")


def endings(extension: str | None) -> tuple[str, ...]:
    """How caption files' names end: as `data.caption_extension` says, or as ours do."""
    return CAPTIONS if extension is None else (extension.lower(),)


def is_caption(path: Path, extension: str | None = None) -> bool:
    """Whether the name is a caption's, in capitals or not.

    With an `extension` only a file of that ending is one, so where no file has it, all have the class words.
    """
    return path.suffix.lower() in endings(extension)


def caption_of(picture: Path, files: Sequence[Path], class_words: str, notes: list[str]) -> str:
    """The picture's caption, of the caption `files` beside it; `notes` gets a line when more lines are not read.

    Raises DatasetError, naming the file, for two caption files, an empty one, one that is no text, and for a picture
    without any words at all.
    """
    if len(files) > 1:
        raise DatasetError(f"{picture}: has two captions, {files[0].name} and {files[1].name}; keep one")
    if files:
        return _first_line(files[0], notes)
    if not class_words:
        raise DatasetError(f"{picture}: has no caption, and its folder's name no class words; give it one of them")
    return class_words


def _first_line(path: Path, notes: list[str]) -> str:
    try:
        lines = caption_text(path).split("\n")
    except TextFileError as error:
        raise DatasetError(str(error)) from error
    first, *rest = (line.strip() for line in lines)
    if not first:
        raise DatasetError(f"{path}: its first line is empty; write the caption there, or remove the file")
    if any(rest):
        notes.append(f"{path}: only the first line is the caption; the lines below it are not read")
    return first


def varied(caption: str, data: DataSection, epoch: int, rng: Random) -> str:
    """The caption as one step of `epoch` (from 1) reads it, by kohya's rules.

    Dropped as a whole with `caption_dropout_rate`, and in every epoch that `caption_dropout_every_n_epochs` divides;
    tags behind the first `keep_tokens` shuffled, and each of them dropped with `caption_tag_dropout_rate`.
    """
    dropped = data.caption_dropout_rate > 0 and rng.random() < data.caption_dropout_rate
    every = data.caption_dropout_every_n_epochs
    if dropped or (every and epoch % every == 0):
        return ""
    if not (data.shuffle_caption or data.caption_tag_dropout_rate):
        return caption
    tags = [tag.strip() for tag in caption.split(",")]
    kept, loose = tags[: data.keep_tokens], tags[data.keep_tokens :]
    if data.shuffle_caption:
        rng.shuffle(loose)
    if data.caption_tag_dropout_rate:
        loose = [tag for tag in loose if rng.random() >= data.caption_tag_dropout_rate]
    return ", ".join(kept + loose)
