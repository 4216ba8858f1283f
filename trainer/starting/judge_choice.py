"""Who can judge a subject: faces for people, whole pictures for all else; of the packs that are there, the best."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from foundation.path_fields import LOCAL_CLIP, OPENCV_FACES
from miniature.paths import NAME
from trainer.starting.request import StartRequest, Subject

OF_PEOPLE = (
    "person people human man woman boy girl guy gentleman lady male female child kid baby teenager adult actor actress "
    "singer model portrait face selfie mother father sister brother bride groom 1girl 1boy 1woman 1man"
)
PEOPLE = frozenset(OF_PEOPLE.split())
# Those that insightface publishes, the best first; all are for non-commercial research.
PACKS = ("buffalo_l", "antelopev2", "buffalo_m", "buffalo_s", "buffalo_sc")
INSIGHTFACE = Path("~/.insightface/models")
CLIP = "ViT-B-32/laion2b_s34b_b79k"


@dataclass(frozen=True)
class ChosenJudges:
    """`faces` is None for a subject without a face. `is_there`: whether the face pack lies on this machine."""

    subject: Subject
    faces: str | None
    clip: str
    is_there: bool
    notes: tuple[str, ...]


def choose_judges(request: StartRequest, class_word: str, is_miniature: bool) -> ChosenJudges:
    """As asked for; else by the class word, and by what lies on this machine."""
    subject = request.subject or ("face" if request.faces else _subject_of(class_word))
    clip = request.clip or (NAME if is_miniature else CLIP)
    if subject == "image":
        return ChosenJudges(subject, None, clip, True, (_why(request, class_word),))
    faces = request.faces or (NAME if is_miniature else next(iter(packs_there()), PACKS[0]))
    is_there = faces not in PACKS or faces in packs_there()
    return ChosenJudges(subject, faces, clip, is_there, () if is_there else (_absent(faces),))


def packs_there() -> list[str]:
    """Names of insightface's packs on this machine, the best first."""
    folder = INSIGHTFACE.expanduser()
    return [name for name in PACKS if any((folder / name).rglob("*.onnx"))]


def without_a_path(name: str, folder: Path) -> str:
    """A face pack's or CLIP's name as it is written into a file of `folder`, from whatever place it was named."""
    for kind in (OPENCV_FACES, LOCAL_CLIP):
        if name.startswith(kind):
            return f"{kind}{written_path(Path(name.removeprefix(kind)), folder)}"
    return written_path(Path(name), folder) if name != NAME and Path(name).expanduser().exists() else name


def written_path(path: Path, folder: Path) -> str:
    """How a path is written into a file of `folder`: from there where it lies within, else whole."""
    whole, start = path.expanduser().absolute(), folder.absolute()
    return f"./{whole.relative_to(start).as_posix()}" if whole.is_relative_to(start) else str(whole)


def _subject_of(class_word: str) -> Subject:
    words = re.findall(r"[^\W_]+", class_word.casefold())
    return "face" if PEOPLE.intersection(words) else "image"


def _why(request: StartRequest, class_word: str) -> str:
    if request.subject:
        return "likeness is of whole pictures, as asked for"
    return f"likeness is of whole pictures, for `{class_word}` is no person; if it is one: --subject face"


def _absent(faces: str) -> str:
    return (
        f"no face pack is on this machine: {faces} is fetched by insightface when it is first used (non-commercial "
        "research only; free of that: --faces opencv:FOLDER), so no face was looked for yet"
    )
