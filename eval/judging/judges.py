"""The models that judge pictures: which they are, told without loading them where a store knows them already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import ValidationError

from base_models.vision.appearance import SIDE
from eval.judging.judge_facts import JudgeFacts, appearance_key
from eval.request.cells import digest
from eval.request.spec import ScoreSection
from eval.store.store import Reading, Readings, Store
from foundation.files import sha256_of
from miniature.paths import folder_of

if TYPE_CHECKING:  # the models take seconds to import, and telling what was read needs none
    from eval.judging.picture_readers import ClipReader, FaceReader

Kind = Literal["faces", "clip"]


class Judge:
    """A scoring model that is loaded when something has to be read. `facts` are the store's where it knows them.

    One that `keeps_looks` keeps what the subject looks like in each picture as well.
    """

    def __init__(self, kind: Kind, name: str, store: Store, *, keeps_looks: bool = False) -> None:
        self.kind: Kind = kind
        self.keeps_looks = keeps_looks
        self._name, self._store = name, store

    @property
    def keys(self) -> list[str]:
        """What its readings of pictures are kept by."""
        return [self.facts.sha256, *([appearance_key(self.facts.sha256)] if self.keeps_looks else [])]

    @cached_property
    def facts(self) -> JudgeFacts:
        """The model's name, hash and licence; from the store, if its files are those that it once was asked with."""
        key = f"judge {digest(self.kind, contents(self.kind, self._name))}"
        try:
            return JudgeFacts.model_validate(self._store.fact(key) or {})
        except ValidationError:  # not known yet
            facts = self.reader.facts
            self._store.set_fact(key, facts.model_dump())
            return facts

    @cached_property
    def reader(self) -> FaceReader | ClipReader:
        """The loaded model. Raises FacePackError or ClipError."""
        from eval.judging.picture_readers import clip_reader, face_reader

        return face_reader(self._name) if self.kind == "faces" else clip_reader(self._name)

    def read(self, pictures: Mapping[str, np.ndarray]) -> Readings:
        """What it sees in pictures (H, W, 3) RGB uint8 by their ids, under its `keys`."""
        from eval.judging.picture_readers import as_kept

        seen = dict(zip(pictures, self.reader.read(list(pictures.values())), strict=True))
        return as_kept(self.facts.sha256, seen, with_looks=self.keeps_looks)

    def read_with_boxes(self, pictures: Mapping[str, np.ndarray]) -> Readings:
        """The same, and of a face model the boxes of the faces as well: for pictures of the user's own."""
        from eval.judging.picture_readers import as_kept, boxes_kept

        seen = dict(zip(pictures, self.reader.read(list(pictures.values())), strict=True))
        sha256 = self.facts.sha256
        return as_kept(sha256, seen, with_looks=self.keeps_looks) | boxes_kept(sha256, seen)

    def read_texts(self, texts: list[str]) -> dict[str, Reading]:
        """What CLIP reads from texts; a face model reads none."""
        from eval.judging.picture_readers import ClipReader

        reader = self.reader
        assert isinstance(reader, ClipReader)
        return dict(zip(texts, reader.read_texts(texts), strict=True))


@dataclass(frozen=True)
class Judges:
    """Who judges a grid: `likeness` (a face model, or CLIP where the subject has no face), `clip`, a second opinion."""

    subject: str
    likeness: Judge
    clip: Judge
    second: Judge | None

    @classmethod
    def of(cls, score: ScoreSection, store: Store) -> Judges:
        """Those that [score] names; nothing is loaded yet."""
        of_image = score.subject == "image"
        clip = Judge("clip", score.clip, store, keeps_looks=of_image)
        likeness = clip if of_image else Judge("faces", score.faces, store, keeps_looks=True)
        second = Judge("faces", score.second_faces, store) if score.second_faces else None
        return cls(score.subject, likeness, clip, second)

    @property
    def of_likeness(self) -> list[Judge]:
        """Those that references are shown to."""
        return [self.likeness, *([self.second] if self.second else [])]

    @property
    def all(self) -> list[Judge]:
        """Each once: of a subject without a face, CLIP is the judge of likeness as well."""
        return list(dict.fromkeys([*self.of_likeness, self.clip]))


def contents(kind: Kind, name: str) -> list[str]:
    """A scoring model's name and, where it is a folder, the hashes of its files."""
    folder = folder_of(kind, name) or Path(name.removeprefix("local-dir:"))
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return [name, *(f"{path.name}={sha256_of(path)}" for path in files)]


def judged_by(score: ScoreSection) -> list[list[str]]:
    """What the judgement of a specification hangs on, from the contents of files alone."""
    faces = [contents("faces", name) for name in (score.faces, score.second_faces) if name]
    return [
        [score.subject, f"looks of {SIDE}"],
        *([] if score.subject == "image" else faces),
        contents("clip", score.clip),
    ]
