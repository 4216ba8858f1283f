"""Has each picture, reference and prompt of a grid read by the judging models, once, and keeps the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from eval.judging.judge_facts import texts_key
from eval.judging.judges import Judge, Judges
from eval.request.plan import PlannedPicture
from eval.request.prompts import Prompt
from eval.request.references import References, read_whole
from eval.request.spec import ScoreSection
from eval.store.store import Store
from foundation.errors import ConfigurationError
from foundation.progress import Reporter

CHUNK = 64
TITLES = {"faces": "finding faces", "clip": "scoring prompts", "dinov2": "measuring likeness"}
# What to do where a picture cannot be read: one that was rendered can be made again, one of the user's cannot.
OF_RENDERED = "a rendered picture: delete what is left of it, and run `python -m eval grid SPEC`, which makes it again"
OF_REFERENCES = "a reference or training picture: put it back, or name a folder of others (--held-out, --training)"


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
            self._read(judge, ids, self._store.picture_path, OF_RENDERED)

    def unread(self, pictures: Iterable[str]) -> list[str]:
        """Those of the pictures, in order and each once, of which some model has still to read something."""
        return self._unread([key for judge in self.judges.all for key in judge.keys], pictures)

    def unscored(self, pictures: Iterable[str]) -> list[str]:
        """The same, of which a model's own reading is missing: without their looks alone they can be scored."""
        return self._unread([judge.facts.sha256 for judge in self.judges.all], pictures)

    def read_references(self, references: References) -> None:
        """Raises ConfigurationError where a model sees the subject in no held-out reference."""
        known = references.held_out | references.training
        for judge in self.judges.of_likeness:
            self._read(judge, list(known), known.__getitem__, OF_REFERENCES)
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
        """Have CLIP read those of the texts that the store has no vector of."""
        clip = self.judges.clip
        key = texts_key(clip.facts.sha256)
        missing = list(self._store.unread(key, sorted(set(texts))))
        by_earlier_version = self._store.readings_of(clip.facts.sha256, missing)
        whole = clip.short_ones(list(by_earlier_version)) if by_earlier_version else []
        found = {text: by_earlier_version[text] for text in whole}
        if rest := [text for text in missing if text not in found]:
            found |= clip.read_texts(rest)
        if found:
            self._store.add_readings(key, found)

    def _unread(self, keys: list[str], subjects: Iterable[str]) -> list[str]:
        listed = list(dict.fromkeys(subjects))
        unread = {one for key in keys for one in self._store.unread(key, listed)}
        return [one for one in listed if one in unread]

    def _read(self, judge: Judge, subjects: list[str], place: Callable[[str], Path], advice: str) -> None:
        missing = self._unread(judge.keys, subjects)
        if not missing:
            return
        advance = self._reporter.task(TITLES[judge.kind], len(missing))
        for at in range(0, len(missing), CHUNK):
            chunk = missing[at : at + CHUNK]
            found = judge.read({subject: read_whole(place(subject), advice) for subject in chunk})
            for key, readings in found.items():
                self._store.add_readings(key, readings)
            advance(len(chunk))
