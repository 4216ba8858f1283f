"""What a preview is to show, kept as one small file that the next move overwrites; and the pictures beside it.

asked.json     the pictures that are wanted now, the first one first
DIGEST.png     a picture that was drawn
DIGEST.json    why one cannot be
step.json      how far the one in hand is
worker.lock    held by the process that draws
No Streamlit here, and no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from foundation.files import bytes_within, sweep_partial, write_text
from foundation.toml_config import Section
from loras.blending.merge_methods import EXACT_SUM

ASKED, STEP, LOCK = "asked.json", "step.json", "worker.lock"
LARGEST_FILE = 2**20  # bytes of such a record; a longer one is none of ours
MOST_KEPT = 200  # pictures

Kept = TypeVar("Kept", bound=Section)


class WantedPicture(Section):
    """A picture of a blend at weight 1, on the base model and by the settings of the grid `spec`, in `steps` steps.

    `parts` as `eval blend` takes them, none for the base model alone; `method` and `rank` ("" for none) likewise.
    `state`: what tells whether the files are still what they were.
    """

    spec: str
    prompt: str
    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    parts: tuple[str, ...] = ()
    method: str = EXACT_SUM
    rank: str = ""
    state: str = ""

    @property
    def digest(self) -> str:
        """Names its picture: whatever differs makes it another one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]


class Asked(Section):
    """All that is wanted now."""

    pictures: tuple[WantedPicture, ...] = ()


class Failure(Section):
    """Why a picture cannot be drawn, in words."""

    words: str


class Step(Section):
    """How many steps of a picture are done; 0 while the base model is loaded and the files are blended."""

    digest: str
    done: int


@dataclass(frozen=True)
class Preview:
    """What became of a wanted picture: its file once it is drawn, why it cannot be, or how many steps are done.

    `in_hand`: it is the one that is drawn now, or was when the process ended.
    """

    picture: Path | None = None
    failure: str = ""
    done: int = 0
    in_hand: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody draws it any more."""
        return self.picture is not None or bool(self.failure)


def ask(place: Path, pictures: Sequence[WantedPicture]) -> None:
    """Want these pictures, and no others any more."""
    asked = Asked(pictures=tuple(pictures))
    if _read(place / ASKED, Asked) != asked:
        write_text(place / ASKED, asked.model_dump_json())


def ask_in_turn(place: Path, pictures: Sequence[WantedPicture]) -> None:
    """Want these again where another browser has asked for its own meanwhile, once those are over: in turn."""
    if next_wanted(place) is None:
        ask(place, pictures)


def asked_for(place: Path) -> tuple[WantedPicture, ...]:
    """What is wanted now."""
    asked = _read(place / ASKED, Asked)
    return asked.pictures if asked else ()


def next_wanted(place: Path) -> WantedPicture | None:
    """The first of these that nobody has drawn or given up."""
    return next((one for one in asked_for(place) if not preview_of(place, one).is_over), None)


def preview_of(place: Path, wanted: WantedPicture) -> Preview:
    """What became of it."""
    picture = place / f"{wanted.digest}.png"
    if picture.is_file():
        return Preview(picture)
    if failure := _read(place / f"{wanted.digest}.json", Failure):
        return Preview(failure=failure.words)
    step = _read(place / STEP, Step)
    return Preview(done=step.done, in_hand=True) if step and step.digest == wanted.digest else Preview()


def keep_failure(place: Path, wanted: WantedPicture, words: str) -> None:
    """It cannot be drawn, until somebody asks again."""
    write_text(place / f"{wanted.digest}.json", Failure(words=words).model_dump_json())


def keep_step(place: Path, wanted: WantedPicture, done: int) -> None:
    """So many of its steps are done."""
    write_text(place / STEP, Step(digest=wanted.digest, done=done).model_dump_json())


def forget_failures(place: Path) -> None:
    """What could not be drawn is tried again."""
    for wanted in asked_for(place):
        with suppress(OSError):
            (place / f"{wanted.digest}.json").unlink()


def sweep(place: Path) -> None:
    """Keep the latest pictures and failures alone, and nothing half-written."""
    sweep_partial(place)
    kept = [path for path in (*place.glob("*.png"), *place.glob("*.json")) if path.name not in (ASKED, STEP)]
    for path in sorted(kept, key=lambda one: one.stat().st_mtime)[:-MOST_KEPT]:
        path.unlink(missing_ok=True)


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    """A record, or None where there is none of ours."""
    try:
        return kind.model_validate_json(bytes_within(path, LARGEST_FILE))
    except (OSError, ValidationError):
        return None
