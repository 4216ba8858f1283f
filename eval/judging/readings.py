"""Has each picture, reference and prompt of a grid read by the judging models, once, and keeps the readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from base_models.pictures.near_duplicates import same_pictures
from base_models.pictures.picture_file import remarks_on
from base_models.vision.folder_check import FaceFacts, NoFaceError, look_at_folders
from eval.judging.judge_facts import box_key, texts_key
from eval.judging.judges import Judge, Judges
from eval.request.plan import PlannedPicture
from eval.request.prompts import Prompt
from eval.request.references import References, read_whole
from eval.request.spec import ScoreSection
from eval.store.store import Store
from eval.store.tables import Reading, Readings
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
            self._read(judge.read, judge, ids, self._store.picture_path, OF_RENDERED)

    def unread(self, pictures: Iterable[str]) -> list[str]:
        """Those of the pictures, in order and each once, of which some model has still to read something."""
        return self._unread([key for judge in self.judges.all for key in judge.keys], pictures)

    def unscored(self, pictures: Iterable[str]) -> list[str]:
        """The same, of which a model's own reading is missing: without their looks alone they can be scored."""
        return self._unread([judge.facts.sha256 for judge in self.judges.all], pictures)

    def read_references(self, references: References) -> None:
        """Raises NoFaceError where a model sees the subject in no held-out reference."""
        known = references.held_out | references.training
        for judge in self.judges.of_likeness:
            self._read(judge.read_with_boxes, judge, list(known), known.__getitem__, OF_REFERENCES)
            found = self._store.readings_of(judge.facts.sha256, references.held_out)
            if all(reading.vector is None for reading in found.values()):
                folder = next(iter(references.held_out.values())).parent
                raise NoFaceError(folder, judge.facts.name)

    def with_remarks(self, references: References, drawn_side: int, *, allow_others: bool) -> References:
        """The references, read, with what is odd about who and what is in the folders; all of it is said.

        `drawn_side`: the shorter side of what is rendered. Raises what `base_models.vision.folder_check` names where
        likeness to them would mean nothing, unless `allow_others`.
        """
        for remark in remarks_on([*references.held_out.values(), *references.training.values()]):
            self._reporter.say(f"note: references and training pictures {remark}")
        self.read_references(references)
        judge = self.judges.likeness
        if judge.kind != "faces":
            return references
        own, trained = (self._face_facts(judge, each) for each in (references.held_out, references.training))
        sketches = references.sketches
        findings = look_at_folders(own, trained, same_pictures(sketches, sketches), drawn_side)
        if findings.error is not None and not allow_others:
            raise findings.error
        for remark in findings.remarks:
            self._reporter.say(f"note: {remark}")
        return replace(references, remarks=tuple(findings.remarks))

    def _face_facts(self, judge: Judge, pictures: Mapping[str, Path]) -> list[FaceFacts]:
        faces = self._store.readings_of(judge.facts.sha256, pictures)
        boxes = self._store.readings_of(box_key(judge.facts.sha256), pictures)
        return [_facts_of(path, faces.get(sha256), boxes.get(sha256)) for sha256, path in pictures.items()]

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

    def _read(
        self,
        read: Callable[[Mapping[str, np.ndarray]], Readings],
        judge: Judge,
        subjects: list[str],
        place: Callable[[str], Path],
        advice: str,
    ) -> None:
        missing = self._unread(judge.keys, subjects)
        if not missing:
            return
        advance = self._reporter.task(TITLES[judge.kind], len(missing))
        for at in range(0, len(missing), CHUNK):
            chunk = missing[at : at + CHUNK]
            found = read({subject: read_whole(place(subject), advice) for subject in chunk})
            self._store.add_pictures((), found)  # at once: a reading without its box would never get one
            advance(len(chunk))


def _facts_of(path: Path, face: Reading | None, box: Reading | None) -> FaceFacts:
    """A face whose box was never read, by an earlier version, is taken for large and alone."""
    vector = None if face is None else face.vector
    if box is None or box.vector is None:
        return FaceFacts(path, vector)
    side, rivals, input_side = box.vector.tolist()
    return FaceFacts(path, vector, side, int(rivals), int(input_side))
