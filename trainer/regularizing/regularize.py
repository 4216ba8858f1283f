"""Reg pictures: drawn by the base model, judged one by one, drawn anew where they are not fit, written kohya's way."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from base_models.drawing.painter import Painters, Wanted, opened_painters
from base_models.drawing.png import parameters_of, png_of, read_picture
from base_models.drawing.samplers import SAMPLERS
from base_models.pictures.listing import list_pictures_below
from base_models.pictures.picture_file import UnreadablePictureError
from base_models.vision.faces import load_faces
from foundation.files import sweep_partial, whole_file, write_text
from foundation.progress import Reporter, counted
from trainer.regularizing.acceptance import Acceptance, Likeness, Verdict, likeness_of
from trainer.regularizing.journal import Drawn, Journal, open_journal
from trainer.regularizing.request import RegRequest

ATTEMPTS_A_PROMPT, MOST_ATTEMPTS = 4, 24  # of one place: another prompt after the first, given up after the second
HOPELESS = 48  # pictures, of which none is kept: more would not be either
STRIDE = 1_000_003  # between the seeds of two attempts at one place


@dataclass(frozen=True)
class Regularized:
    """What came of it. `kept`: pictures that are there, `drawn` now and by earlier calls; `rejected` by reason."""

    request: RegRequest
    kept: tuple[Path, ...]
    drawn: int
    drawn_now: int
    rejected: dict[str, int]
    subject: Likeness | None
    highest: float | None
    seconds: float

    @property
    def is_whole(self) -> bool:
        """Whether there are as many as were asked for."""
        return len(self.kept) >= self.request.count


def regularize(request: RegRequest, reporter: Reporter) -> Regularized:
    """Draw what is missing of the request's pictures.

    Raises FacePackError, BaseModelError, OtherPicturesError, SamplerError; what is drawn until then is kept.
    """
    began = time.monotonic()
    journal = open_journal(request.folder, request.key)
    sweep_partial(request.folder)
    places = _Places(request, journal)
    before = len(journal.drawn)
    subject: Likeness | None = None
    if places.pending:
        acceptance, subject = _opened_judge(request, reporter)
        with opened_painters(request.job) as painters:
            _draw(request, places, painters, acceptance, reporter)
    faults = Counter(one.fault for one in journal.drawn if one.fault)
    likenesses = [one.likeness for one in journal.drawn if one.likeness is not None and not one.fault]
    return Regularized(
        request,
        tuple(places.kept),
        len(journal.drawn),
        len(journal.drawn) - before,
        dict(faults),
        subject,
        max(likenesses, default=None),
        time.monotonic() - began,
    )


@dataclass
class _Places:
    """The request's places, 1 to `count`, each with a picture in the end: what is missing, what is there."""

    request: RegRequest
    journal: Journal
    pending: deque[int] = field(init=False)
    kept: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        there = {int(path.name[:5]): path for path in self.request.folder.glob("[0-9]" * 5 + "-*.png")}
        wanted = range(1, self.request.count + 1)
        self.kept = [there[place] for place in wanted if place in there]
        self.pending = deque(place for place in wanted if place not in there)
        self._attempts = {place: self.journal.next_attempt(place) for place in self.pending}
        self._in_hand: dict[Wanted, tuple[int, int]] = {}

    def batches(self, size: int) -> Generator[list[Wanted]]:
        """What is to be drawn next, a batch at a time."""
        while self.pending:
            batch: list[Wanted] = []
            while self.pending and len(batch) < size:
                place = self.pending.popleft()
                if (attempt := self._attempts[place]) >= MOST_ATTEMPTS:
                    continue
                wanted = self._wanted(place, attempt)
                self._in_hand[wanted] = place, attempt
                batch.append(wanted)
            if batch:
                yield batch

    def finish(self, one: Wanted, verdict: Verdict, picture: np.ndarray) -> Drawn:
        """Write a picture that is kept, or have its place drawn anew."""
        place, attempt = self._in_hand.pop(one)
        if verdict.fault is None:
            path = self.request.folder / f"{name_of(place, one)}.png"
            write_text(path.with_suffix(".txt"), one.prompt + "\n")
            with whole_file(path) as beside:
                beside.write_bytes(png_of(picture, parameters_text(self.request, one)))
            self.kept.append(path)
        else:
            self._attempts[place] = attempt + 1
            self.pending.append(place)
        return Drawn(place, attempt, verdict.fault, verdict.likeness)

    def _wanted(self, place: int, attempt: int) -> Wanted:
        prompts = self.request.prompts
        prompt = prompts[(place - 1 + attempt // ATTEMPTS_A_PROMPT) % len(prompts)]
        return Wanted(prompt, self.request.seed + place - 1 + attempt * STRIDE)


def name_of(place: int, one: Wanted) -> str:
    """A picture's name without its ending, by which its place is known again."""
    return f"{place:05d}-{one.seed}"


def parameters_text(request: RegRequest, one: Wanted) -> str:
    """A1111's text, so that other tools can read how a picture was drawn."""
    drawing = request.job.drawing
    facts = {
        "Steps": drawing.steps,
        "Sampler": SAMPLERS[drawing.sampler].a1111,
        "CFG scale": f"{drawing.cfg:g}",
        "Seed": one.seed,
        "Size": f"{drawing.width}x{drawing.height}",
        "Model hash": request.job.source.sha256[:10],
        "Clip skip": drawing.clip_skip,
        "RNG": "CPU",
    }
    return parameters_of(one.prompt, drawing.negative, facts)


def _draw(request: RegRequest, places: _Places, painters: Painters, acceptance: Acceptance, reporter: Reporter) -> None:
    """Round after round: what a round rejects is drawn anew in the next."""
    advance = reporter.task("reg pictures", len(places.pending))
    looked_at = kept = 0
    while places.pending:
        for batch, pictures in painters.draw(places.batches(request.job.at_once)):
            found = [
                places.finish(one, acceptance.look_at(one.prompt, picture), picture)
                for one, picture in zip(batch, pictures, strict=True)
            ]
            places.journal.add(found)
            fit = sum(one.fault is None for one in found)
            advance(fit)
            looked_at, kept = looked_at + len(found), kept + fit
            if not kept and looked_at >= HOPELESS:
                return


def _opened_judge(request: RegRequest, reporter: Reporter) -> tuple[Acceptance, Likeness | None]:
    """Who knows the subject, the training pictures, and all reg pictures that are there."""
    with reporter.waiting("loading the face pack"):
        faces = load_faces(request.faces, device="cpu") if request.faces else None
    embeddings: list[np.ndarray] = []
    trained = _readable([one.path for one in request.dataset.train], "looking at training pictures")
    for _, pixels in trained:
        found = faces.read(pixels).embedding if faces else None
        embeddings += [] if found is None else [found]
    subject = likeness_of(embeddings)
    acceptance = Acceptance(faces, subject)
    for name, pixels in trained:
        acceptance.add_trained(name, pixels)
    there = list_pictures_below(request.folder.parent).pictures
    for name, pixels in _readable(there, "looking at reg pictures that are there"):
        acceptance.add_there(name, pixels)
    return acceptance, subject


def _readable(paths: Sequence[Path], title: str) -> list[tuple[str, np.ndarray]]:
    """What cannot be read is no twin of anything; the run names it."""
    found: list[tuple[str, np.ndarray]] = []
    for path in counted(paths, title, len(paths)):
        try:
            found.append((path.name, read_picture(path)))
        except UnreadablePictureError:
            continue
    return found
