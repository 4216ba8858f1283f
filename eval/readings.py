"""Has each picture, reference and prompt of a grid read by the judging models, once, and keeps the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from eval.judges import Judge, Judges
from eval.plan import PlannedPicture
from eval.prompts import Prompt
from eval.references import References, read_reference
from eval.spec import ScoreSection
from eval.store import Store
from trainer.errors import ConfigurationError, MissingFileError
from trainer.progress import Reporter

CHUNK = 64
TITLES = {"faces": "finding faces", "clip": "scoring prompts"}


class Reader:
    """Fills a store with the readings that are not there yet. A model is loaded only where something is unread."""

    def __init__(self, score: ScoreSection, store: Store, reporter: Reporter) -> None:
        self.judges = Judges.of(score, store)
        self._store, self._reporter = store, reporter

    def read_pictures(self, pictures: Iterable[PlannedPicture]) -> None:
        """Have every model see every picture that it has not."""
        self.read_ids(picture.id for picture in pictures)

    def read_ids(self, pictures: Iterable[str]) -> None:
        """The same for pictures by their ids."""
        ids = list(pictures)
        for judge in self.judges.all:
            self._read(judge, ids, self._store.picture_path)

    def read_references(self, references: References) -> None:
        """Raises ConfigurationError where a model sees the subject in no held-out reference."""
        known = references.held_out | references.training
        for judge in self.judges.of_likeness:
            self._read(judge, list(known), known.__getitem__)
            found = self._store.readings_of(judge.facts.sha256, references.held_out)
            if all(reading.vector is None for reading in found.values()):
                folder = next(iter(references.held_out.values())).parent
                raise ConfigurationError(
                    f"{folder}: the face model {judge.facts.name} finds no face in any reference picture; a subject "
                    'without a human face is scored with [score] subject = "image"'
                )

    def read_prompts(self, prompts: Iterable[Prompt]) -> None:
        """The texts that pictures are compared with: those of the class, in words alone."""
        self.read_texts(prompt.said for prompt in prompts)

    def read_texts(self, texts: Iterable[str]) -> None:
        clip = self.judges.clip
        missing = list(self._store.unread(clip.facts.sha256, sorted(set(texts))))
        if missing:
            self._store.add_readings(clip.facts.sha256, clip.read_texts(missing))

    def _read(self, judge: Judge, subjects: list[str], place: Callable[[str], Path]) -> None:
        unread = {one for key in judge.keys for one in self._store.unread(key, subjects)}
        if not unread:
            return
        missing = [one for one in dict.fromkeys(subjects) if one in unread]
        advance = self._reporter.task(TITLES[judge.kind], len(missing))
        for at in range(0, len(missing), CHUNK):
            chunk = missing[at : at + CHUNK]
            found = judge.read({subject: _opened(place(subject)) for subject in chunk})
            for key, readings in found.items():
                self._store.add_readings(key, readings)
            advance(len(chunk))


def _opened(path: Path) -> np.ndarray:
    if not path.is_file():
        raise MissingFileError(f"{path}: is gone, and it has to be read; put it back, or name other references")
    return read_reference(path)
