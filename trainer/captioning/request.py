"""What `trainer caption` is asked, and the faults of what is asked together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from foundation.errors import ConfigurationError
from miniature.paths import NAME, SUBJECT

ONNX = ".onnx"
NO_FACES = "none"


class Model(StrEnum):
    """Who describes pictures."""

    CLIP = "clip"
    TAGGER = "tagger"
    BLIP = "blip"


class CaptionRequestError(ConfigurationError):
    """What was asked for cannot be done, or not together."""


class NoCaptionerError(CaptionRequestError):
    """A table that would be empty: no picture has a caption, and nobody is to propose one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder}: no picture has a caption to look through; name who proposes one: --model clip, --model blip "
            "or --model tagger --tagger model.onnx (docs/captions.md)"
        )


@dataclass(frozen=True)
class CaptionRequest:
    """What stands on the command line. `review`: a table to write in place of captions; `table`: one to read back."""

    folder: Path
    models: tuple[Model, ...] = ()
    tagger: Path | None = None
    clip: str | None = None
    blip: str | None = None
    faces: str | None = None
    vocabulary: Path | None = None
    phrases: Path | None = None
    template: str | None = None
    trigger: str | None = None
    class_word: str | None = None
    overwrites: bool = False
    review: Path | None = None
    table: Path | None = None
    replace: str | None = None
    by: str | None = None
    regex: bool = False
    clean: bool = False
    undo: bool = False

    def check(self) -> None:
        """Raise CaptionRequestError unless it is one thing that is asked, with all that it needs."""
        asked = {
            "--model": bool(self.models),
            "--replace": self.replace is not None,
            "--clean": self.clean,
            "--undo": self.undo,
            "--from": self.table is not None,
        }
        chosen = [name for name, is_asked in asked.items() if is_asked]
        if len(chosen) > 1:
            raise CaptionRequestError(f"{' and '.join(chosen)}: one at a time; run the command once for each")
        if not chosen and self.review is None:
            raise CaptionRequestError(
                "say what to do: --model clip (or tagger, blip) writes captions, --replace, --clean and --from "
                "FILE.csv change them, --undo puts back, --review FILE.csv writes a table"
            )
        if self.review is not None and chosen not in ([], ["--model"]):
            raise CaptionRequestError(f"--review goes with --model, or stands alone; {chosen[0]} changes captions")
        if Model.TAGGER in self.models and self.tagger is None:
            raise CaptionRequestError("--model tagger needs its ONNX file: --tagger model.onnx, its tag list beside it")
        if Model.TAGGER in self.models and self.tagger is not None and not self.tagger.expanduser().exists():
            raise CaptionRequestError(f"{self.tagger}: no such tagger; give its ONNX file, or the folder that has it")
        if (self.replace is None) != (self.by is None):
            raise CaptionRequestError('--replace FIND and --with TEXT go together; --with "" leaves the words out')
        if self.regex and self.replace is None:
            raise CaptionRequestError("--regex goes with --replace FIND --with TEXT")


def on_the_miniature(request: CaptionRequest) -> CaptionRequest:
    """`--clip miniature` brings its own face pack and vocabulary, unless others are named: it knows no other words."""
    if Model.CLIP not in request.models or request.clip != NAME:
        return request
    return replace(request, faces=request.faces or NAME, vocabulary=request.vocabulary or SUBJECT / "vocabulary.toml")


def with_tagger_told(request: CaptionRequest, second: Path | None) -> CaptionRequest:
    """`--model tagger PATH` leaves the path among the arguments: the one that is an ONNX file, or holds one."""
    if second is None:
        return request
    if Model.TAGGER not in request.models or request.tagger is not None:
        raise CaptionRequestError(f"{second}: one dataset at a time; give its folder alone")
    folder, tagger = request.folder, second
    if _is_tagger(folder) and not _is_tagger(second):
        folder, tagger = second, folder
    return replace(request, folder=folder, tagger=tagger)


def _is_tagger(path: Path) -> bool:
    return path.suffix.lower() == ONNX or (path / "model.onnx").is_file()
