"""Who and what is in the folders that likeness is measured by: said before anything is rendered or trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.vision.people import people_in
from foundation.errors import ConfigurationError
from foundation.wording.said import say
from miniature.paths import NAME

# What to name for photographs of people: insightface's packs, fetched once, and those that OpenCV runs.
PACKS = ("buffalo_l", "antelopev2", "opencv:FOLDER")
NAMED = 4
# One in so many is somebody else: they then move the direction that stands for the subject, and the ceiling with it.
TOO_MANY = 8
# A face smaller than this share of what the recogniser takes in is blown up, and shows it little; but one that is as
# large as this share of what is drawn is as large as those that it is compared with.
SMALL_FOR_RECOGNISER, SMALL_FOR_DRAWN = 0.5, 0.35


class SeveralPeopleError(ConfigurationError):
    """References that show several people, so that they define nobody."""


class SomebodyElseError(ConfigurationError):
    """References that show somebody else than the training pictures."""


class OnePictureError(ConfigurationError):
    """References that are all one picture, so that likeness to them is likeness to a picture."""


class NoFaceError(ConfigurationError):
    """References in which the chosen face model sees nobody."""

    def __init__(self, folder: Path, model: str) -> None:
        named = ", ".join(f'"{name}"' for name in PACKS)
        advice = (
            f"it knows the miniature's drawn faces alone, so for photographs name faces = {named}"
            if model == NAME
            else f"where people are to be seen, name another pack: faces = {named}"
        )
        super().__init__(
            f"{folder}: the face model {model} finds no face in any reference picture; {advice}; a subject without a "
            'human face is scored with [score] subject = "image"'
        )


@dataclass(frozen=True)
class FaceFacts:
    """What a face model says of one picture: see `base_models.vision.faces.FaceReading`.

    `input_side`: what the model takes a face in at, in pixels; 0 where that is not known.
    """

    path: Path
    embedding: np.ndarray | None
    side: float = 0.0
    rivals: int = 0
    input_side: int = 0

    def is_small(self, drawn_side: int) -> bool:
        """Whether the face shows too little, beside pictures that are drawn with a shorter side of `drawn_side`."""
        return self.side < min(SMALL_FOR_RECOGNISER * self.input_side, SMALL_FOR_DRAWN * drawn_side)


@dataclass(frozen=True)
class Findings:
    """What is wrong with the folders. `error`: what makes likeness to them mean nothing; `notes`: all else."""

    error: ConfigurationError | None
    notes: tuple[str, ...]

    @property
    def remarks(self) -> list[str]:
        """All of it, in sentences."""
        return [*([str(self.error)] if self.error else []), *self.notes]


def look_at_folders(
    references: Sequence[FaceFacts],
    training: Sequence[FaceFacts],
    copies: Sequence[tuple[int, int]],
    drawn_side: int,
) -> Findings:
    """What is to be said of the references and the pictures trained on. `copies`: pairs of references, by their
    numbers, that are one picture; `drawn_side`: the shorter side of the pictures that are compared with them.
    """
    groups = _groups(len(references), copies)
    notes = [*_of_copies(references, groups), *_of_faces(references, drawn_side, say("references"))]
    notes += _of_faces(training, drawn_side, say("training pictures"))
    seen = [at for at, one in enumerate(references) if one.embedding is not None]
    distinct = [at for at in seen if groups[at] == min(other for other in seen if groups[other] == groups[at])]
    if len(seen) > 1 and len({groups[at] for at in seen}) == 1:
        return Findings(_one_picture([references[at] for at in seen]), tuple(notes))
    error, odd = _who([references[at] for at in distinct], [one for one in training if one.embedding is not None])
    return Findings(error, (*odd, *notes))


def _who(references: list[FaceFacts], training: list[FaceFacts]) -> tuple[ConfigurationError | None, list[str]]:
    """Whether the references show one person, that of the training pictures; what is wrong, or worth a note."""
    faces = [one.embedding for one in (*references, *training) if one.embedding is not None]
    if not references:
        return None, []
    people = people_in(np.array(faces))
    own, trained = people[: len(references)], people[len(references) :]
    subject = int(np.bincount(trained).argmax()) if len(trained) else int(np.bincount(own).argmax())
    odd = [one for one, who in zip(references, own, strict=True) if who != subject]
    notes = _odd_in_training(training, trained, subject)
    if not odd:
        return None, notes
    folder = references[0].path.parent
    if len(set(own.tolist())) == 1:
        return SomebodyElseError(
            f"{folder}: the references show somebody else than the training pictures in {training[0].path.parent}; "
            "name pictures of the one who is trained, or go on with --force"
        ), notes
    if len(odd) * TOO_MANY > len(references) or len(odd) > len(references) // 2:
        return _several(folder, references, odd, len(set(own.tolist())), bool(training)), notes
    return None, [
        say("references of somebody else, or hardly to be recognised: {names}; move them out", names=_names(odd)),
        *notes,
    ]


def _several(
    folder: Path, references: list[FaceFacts], odd: list[FaceFacts], people: int, trained: bool
) -> SeveralPeopleError:
    who = "are not who is in the training pictures" if trained else "are not who most of them show"
    which = f"all of them {who}" if len(odd) == len(references) else f"{_names(odd)} {who}"
    return SeveralPeopleError(
        f"{folder}: the references show {people} people: {which}; leave only pictures of the subject there, or go on "
        "with --force"
    )


def _odd_in_training(training: list[FaceFacts], people: np.ndarray, subject: int) -> list[str]:
    odd = [one for one, who in zip(training, people, strict=True) if who != subject]
    if not odd:
        return []
    return [
        say("training pictures of somebody else, or hardly to be recognised: {names}; move them out", names=_names(odd))
    ]


def _one_picture(references: list[FaceFacts]) -> OnePictureError:
    return OnePictureError(
        f"{references[0].path.parent}: all {len(references)} references with a face are one picture "
        f"({references[0].path.name}), and likeness to one picture is not likeness to a person; add others, or go on "
        "with --force"
    )


def _of_copies(references: Sequence[FaceFacts], groups: list[int]) -> list[str]:
    of_group = {group: [references[at] for at, one in enumerate(groups) if one == group] for group in groups}
    return [
        say("one picture several times among the references: {names}; keep one of them", names=_names(each))
        for each in of_group.values()
        if len(each) > 1
    ]


def _of_faces(pictures: Sequence[FaceFacts], drawn_side: int, what: str) -> list[str]:
    faceless = [one for one in pictures if one.embedding is None]
    several = [one for one in pictures if one.embedding is not None and one.rivals]
    small = [one for one in pictures if one.embedding is not None and one.is_small(drawn_side)]
    total, smallest = len(pictures), min((one.side for one in small), default=0.0)
    found = {
        say(
            "no face in {count} of {total} {what}: {names}; they count for nothing",
            count=len(faceless),
            total=total,
            what=what,
            names=_names(faceless),
        ): faceless,
        say(
            "several faces of similar size in {what}: {names}; the largest is taken, so cut the others off",
            what=what,
            names=_names(several),
        ): several,
        say(
            "faces too small in {what}, down to {size} pixels: {names}; give larger ones",
            what=what,
            size=f"{smallest:.0f}",
            names=_names(small),
        ): small,
    }
    return [text for text, which in found.items() if which]


def _groups(count: int, copies: Sequence[tuple[int, int]]) -> list[int]:
    """The least number of those that are one picture with each; its own where it is alone."""
    groups = list(range(count))
    for one, other in copies:
        low, high = sorted((groups[one], groups[other]))
        groups = [low if group == high else group for group in groups]
    return groups


def _names(pictures: Sequence[FaceFacts]) -> str:
    names = [one.path.name for one in pictures]
    first = ", ".join(names[:NAMED])
    return say("{names} and {count} more", names=first, count=len(names) - NAMED) if len(names) > NAMED else first
