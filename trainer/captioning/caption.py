"""`trainer caption`: pictures described by one captioner or several, their captions made, written, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from base_models.drawing.png import read_picture
from base_models.pictures.picture_file import UnreadablePictureError
from foundation.chunks import chunks
from foundation.progress import Reporter
from trainer.captioning.caption_files import Captioned, Change, captioned_pictures, undo, write_captions
from trainer.captioning.replacing import cleaned, replacements
from trainer.captioning.request import NO_FACES, CaptionRequest, Model, NoCaptionerError, on_the_miniature
from trainer.captioning.review import read_review, write_review
from trainer.captioning.said import Description, Said, elect
from trainer.captioning.subject import subject_of
from trainer.captioning.template import check_template, default_template, filled
from trainer.captioning.unwanted import PhraseList, read_phrases
from trainer.captioning.vocabulary import Vocabulary, read_vocabulary
from trainer.starting.judge_choice import CLIP, packs_there

TOGETHER = 16  # pictures: what is held in memory at once


class Captioner(Protocol):
    """Describes pictures (H, W, 3) RGB uint8, one after the other."""

    @property
    def name(self) -> str:
        """By which its voice is told."""
        ...

    def describe(self, pictures: Sequence[np.ndarray]) -> Iterator[Said]:
        """What it says of each."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What was done: captions `written`, or proposed in a table; pictures that `kept` theirs; what could not be read.

    `without`: pictures that have none, and for which no captioner was named. `changed_since`: caption files that
    somebody changed meanwhile, and which stay; `found`: what was said, by picture.
    """

    written: tuple[Change, ...] = ()
    kept: int = 0
    pictures: int = 0
    without: int = 0
    restored: tuple[Path, ...] = ()
    changed_since: tuple[Path, ...] = ()
    unreadable: Mapping[Path, str] = field(default_factory=dict[Path, str])
    review: Path | None = None
    found: Mapping[Path, Description] = field(default_factory=dict[Path, Description])


def caption(request: CaptionRequest, reporter: Reporter) -> Outcome:
    """Do what is asked. Nothing is written before everything is known.

    Raises CaptionRequestError, and a UserError that names a file that cannot be used.
    """
    request.check()
    if request.undo:
        done = undo(request.folder)
        return Outcome(restored=done.restored, changed_since=done.changed_since)
    pictures = captioned_pictures(request.folder)
    if request.models:
        return _described(request, pictures, reporter)
    if request.review is not None:
        return _as_they_are(request, request.review, pictures)
    changes, changed_since = _changes(request, pictures)
    write_captions(request.folder, changes)
    kept = sum(one.has_caption for one in pictures) - len(changes)
    without = sum(not one.has_caption for one in pictures)
    return Outcome(tuple(changes), kept, len(pictures), without=without, changed_since=changed_since)


def _as_they_are(request: CaptionRequest, table: Path, pictures: Sequence[Captioned]) -> Outcome:
    """The captions that are there, as a table. Raises NoCaptionerError where there are none."""
    captioned = sum(bool(one.caption()) for one in pictures)
    if not captioned:
        raise NoCaptionerError(request.folder)
    write_review(table, request.folder, pictures, {}, {})
    return Outcome(kept=captioned, pictures=len(pictures), without=len(pictures) - captioned, review=table)


def _changes(request: CaptionRequest, pictures: Sequence[Captioned]) -> tuple[Sequence[Change], tuple[Path, ...]]:
    if request.table is not None:
        read = read_review(request.table, request.folder, pictures)
        return read.changes, read.changed_since
    if request.replace is not None:
        return replacements(pictures, request.replace, request.by or "", regex=request.regex), ()
    return cleaned(pictures, read_phrases(request.phrases)), ()


def _described(request: CaptionRequest, pictures: Sequence[Captioned], reporter: Reporter) -> Outcome:
    request = on_the_miniature(request)
    vocabulary, unwanted = read_vocabulary(request.vocabulary), read_phrases(request.phrases)
    trigger, class_word = subject_of(request, pictures)
    template = request.template or default_template(
        vocabulary, Model.BLIP in request.models, Model.TAGGER in request.models
    )
    check_template(template, vocabulary)
    wanted = [one for one in pictures if request.overwrites or not one.has_caption]
    unreadable: dict[Path, str] = {}
    found: dict[Path, Description] = {}
    if wanted:
        captioners = opened_captioners(request, vocabulary, unwanted, class_word, reporter)
        advance = reporter.task("describing pictures", len(wanted))
        for some in chunks(wanted, TOGETHER):
            read = _read(some, unreadable)
            said = [list(one.describe(list(read.values()))) for one in captioners] if read else []
            found |= {
                path: elect(voices, vocabulary) for path, voices in zip(read, zip(*said, strict=True), strict=True)
            }
            advance(len(some))
    captions = {path: filled(template, trigger, class_word, one, unwanted) for path, one in found.items()}
    changes = [
        Change(one.file, captions[one.picture])
        for one in wanted
        if one.picture in captions
        and not (one.has_caption and one.file.read_bytes() == f"{captions[one.picture]}\n".encode())
    ]
    if request.review is not None:
        write_review(request.review, request.folder, pictures, captions, found)
    else:
        write_captions(request.folder, changes)
    kept = len(pictures) - len(changes) - len(unreadable)
    return Outcome(tuple(changes), kept, len(pictures), unreadable=unreadable, review=request.review, found=found)


def _read(pictures: Sequence[Captioned], unreadable: dict[Path, str]) -> dict[Path, np.ndarray]:
    read: dict[Path, np.ndarray] = {}
    for one in pictures:
        try:
            read[one.picture] = read_picture(one.picture)
        except UnreadablePictureError as error:
            unreadable[one.picture] = error.fault
    return read


def opened_captioners(
    request: CaptionRequest, vocabulary: Vocabulary, unwanted: PhraseList, class_word: str, reporter: Reporter
) -> list[Captioner]:
    """Those that are asked for, each once. Raises ClipError, FacePackError, TaggerError and BlipError."""
    opened: list[Captioner] = []
    for model in dict.fromkeys(request.models):
        with reporter.waiting(f"loading {model}"):
            if model == Model.CLIP:
                opened.append(_clip(request, vocabulary, class_word))
            elif model == Model.TAGGER:
                from trainer.captioning.tagger import Tagger

                assert request.tagger is not None
                opened.append(Tagger(request.tagger, vocabulary))
            else:
                from trainer.captioning.blip import DEFAULT, Blip

                opened.append(Blip(request.blip or DEFAULT, vocabulary, unwanted))
    return opened


def _clip(request: CaptionRequest, vocabulary: Vocabulary, class_word: str) -> Captioner:
    from trainer.captioning.clip_captioner import ClipCaptioner, load_describing_clip

    clip = load_describing_clip(request.clip or CLIP)
    faces = request.faces or next(iter(packs_there()), NO_FACES)
    if faces == NO_FACES:
        return ClipCaptioner(clip, vocabulary, class_word, None)
    from base_models.vision.faces import load_faces

    return ClipCaptioner(clip, vocabulary, class_word, load_faces(faces, device="cpu"))
