"""The models that judge pictures: which they are, told without loading them where a store knows them already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from base_models.vision.appearance import SIDE
from eval.judging.judge_facts import JudgeFacts, Kind, appearance_key, named_by
from eval.request.cells import digest
from eval.request.spec import ScoreSection
from eval.store.store import Store
from eval.store.tables import Reading, Readings
from foundation.files import sha256_of
from foundation.path_fields import without_kind
from miniature.paths import folder_of

if TYPE_CHECKING:  # the models take seconds to import, and telling what was read needs none
    from eval.judging.picture_readers import AnyReader


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
    def reader(self) -> AnyReader:
        """The loaded model. Raises FacePackError, ClipError or DinoError."""
        from eval.judging.picture_readers import reader_of

        return reader_of(self.kind, self._name)

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
        """What CLIP reads from texts; no other model reads any."""
        from eval.judging.picture_readers import ClipReader

        reader = self.reader
        assert isinstance(reader, ClipReader)
        return dict(zip(texts, reader.read_texts(texts), strict=True))

    def short_ones(self, texts: list[str]) -> list[str]:
        """Those of the texts that CLIP reads at once; its weights are not loaded to tell."""
        from base_models.vision.clip_model import load_tokenizer
        from base_models.vision.long_texts import parts_of

        tokenizer = load_tokenizer(self._name)
        return [text for text in texts if len(parts_of(text, tokenizer)) == 1]


@dataclass(frozen=True)
class Judges:
    """Who judges a grid: `likeness` (a face model; CLIP or DINOv2 where the subject has no face), `clip`, a second
    opinion."""

    subject: str
    likeness: Judge
    clip: Judge
    second: Judge | None

    @classmethod
    def of(cls, score: ScoreSection, store: Store) -> Judges:
        """Those that [score] names; nothing is loaded yet."""
        first, *others = [
            Judge(kind, name, store, keeps_looks=at == 0) for at, (kind, name) in enumerate(named_by(score))
        ]
        second = next((one for one in others if one.kind == "faces"), None)
        return cls(score.subject, first, others[-1] if others else first, second)

    @property
    def of_likeness(self) -> list[Judge]:
        """Those that references are shown to."""
        return [self.likeness, *([self.second] if self.second else [])]

    @property
    def all(self) -> list[Judge]:
        """Each once: of a subject without a face, CLIP may be the judge of likeness as well."""
        return list(dict.fromkeys([*self.of_likeness, self.clip]))


def contents(kind: Kind, name: str) -> list[str]:
    """A scoring model's name and, where it is a folder, the hashes of its files."""
    folder = folder_of(kind, name) or Path(without_kind(name))
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return [name, *(f"{path.name}={sha256_of(path)}" for path in files)]


def judged_by(score: ScoreSection) -> list[list[str]]:
    """What the judgement of a specification hangs on, from the contents of files alone."""
    return [[score.subject, f"looks of {SIDE}"], *(contents(kind, name) for kind, name in named_by(score))]
