"""Scores a store's pictures anew, against other references or by other models. Renders nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from base_models.prompts.prompt_weights import plain_text
from eval.grid.run_grid import FINISHED
from eval.judging.readings import Reader
from eval.judging.stored_grid import KEY, Grid, GridRecord, judgement_of, load_evidence, load_whole_grid, readable
from eval.ranking.limits import limits_of
from eval.request.references import References, check_held_out, pictures_below
from eval.request.spec import BY_CLIP, GridSpec, LimitsSection, ScoreSection
from eval.search.search_rounds import recommend
from eval.store.store import Store, open_store
from foundation.errors import ConfigurationError
from foundation.path_fields import DINOV2, FOLDER
from foundation.progress import Reporter

NO_SECOND_MODEL = "none"


@dataclass(frozen=True)
class RescoreRequest:
    """What is to change; None keeps what the store was scored by. `second_faces` "none": no second model any more.

    `allow_trained`: go on although a held-out picture was trained on; `allow_others`: although the references show
    several people, somebody else, or one picture.
    """

    held_out: Path | None = None
    training: Path | None = None
    subject: Literal["face", "image"] | None = None
    faces: str | None = None
    clip: str | None = None
    second_faces: str | None = None
    allow_trained: bool = False
    allow_others: bool = False
    limits: LimitsSection | None = None
    likeness: str | None = None

    def subject_or(self, otherwise: Literal["face", "image"]) -> Literal["face", "image"]:
        """What the subject is: as asked for, or as a model that is named has it, or as it was."""
        if self.subject:
            return self.subject
        return "image" if self.likeness else "face" if self.faces else otherwise


def request_by(spec: GridSpec, over: RescoreRequest) -> RescoreRequest:
    """What the tables [references], [score] and [limits] of a specification ask for, where `over` asks nothing else."""
    references, asked = spec.references, spec.score
    own = RescoreRequest(
        held_out=references.held_out,
        training=references.training,
        subject=(subject := over.subject_or(asked.subject)),
        faces=asked.faces,
        clip=asked.clip,
        second_faces=asked.second_faces or NO_SECOND_MODEL,
        limits=spec.limits,
        likeness=asked.likeness if subject == "image" else None,
    )
    named = {name: value for name, value in vars(over).items() if value is not None}
    allowed = {name: getattr(over, name) or getattr(references, name) for name in ("allow_trained", "allow_others")}
    return replace(own, **named | allowed)


def rescore(folder: Path, wanted: RescoreRequest, reporter: Reporter) -> None:
    """Read what is unread of the last grid's pictures, and let it be ranked by it. Models are loaded only for that.

    Pictures that would have to be read and are gone or damaged are named, and the rest is scored without them.

    Raises StoreError, ConfigurationError (references that cannot be used), FacePackError, ClipError or DinoError.
    """
    store = open_store(folder)
    try:
        grid = load_whole_grid(store)
        references = _references(grid.snapshot, wanted)
        if not wanted.allow_trained and (wanted.held_out or wanted.training):
            check_held_out(references)
        reader = Reader(_asked_judges(grid.snapshot, wanted), store, reporter)
        pictures = [one for row in grid.all_pictures() for one in row]
        made = store.failures(pictures)
        unread = reader.unread(one for one in pictures if one in made)
        gone = store.unsound(unread) | {one for one in grid.snapshot.gone if one not in made}
        reader.read_ids(one for one in unread if one not in gone)
        references = _looked_at(references, wanted, grid.snapshot, reader)
        reader.read_texts(
            plain_text(part.asked(None, unit)) for part in grid.by_setting for unit in grid.snapshot.units
        )
        limits = wanted.limits or grid.snapshot.limits
        changes = judgement_of(references, reader.judges) | {"limits": limits, "gone": reader.unscored(sorted(gone))}
        judged = grid.snapshot.model_copy(update=changes)
        shown = readable(replace(grid, snapshot=judged))
        store.set_fact(KEY, _confirmed_again(judged, shown).model_dump(mode="json"))
        _forget_finished(store)
        if gone:
            reporter.say(_what_is_gone(shown, gone))
    finally:
        store.close()


def _references(snapshot: GridRecord, wanted: RescoreRequest) -> References:
    held_out = pictures_below(wanted.held_out) if wanted.held_out else _known(snapshot, snapshot.references)
    if not held_out:
        raise ConfigurationError(f"{wanted.held_out}: zero reference pictures; put at least one of the subject there")
    training = pictures_below(wanted.training) if wanted.training else _known(snapshot, snapshot.training)
    return References(held_out, training)


def _looked_at(references: References, wanted: RescoreRequest, snapshot: GridRecord, reader: Reader) -> References:
    """Read, with what is odd about them: looked for anew where other references or judges are asked for."""
    if not (wanted.held_out or wanted.training or wanted.faces or wanted.subject or wanted.likeness):
        reader.read_references(references)
        return replace(references, remarks=tuple(snapshot.remarks))
    sizes = [int(snapshot.sampling[side]) for side in ("width", "height")]
    return reader.with_remarks(references, min(sizes), allow_others=wanted.allow_others)


def _known(snapshot: GridRecord, hashes: list[str]) -> dict[str, Path]:
    """Where the pictures lay that the store was scored against; they are looked at only by a model that has not yet."""
    return {sha256: Path(snapshot.places.get(sha256, sha256)) for sha256 in hashes}


def _asked_judges(snapshot: GridRecord, wanted: RescoreRequest) -> ScoreSection:
    """Whom to ask, by names that are found from anywhere. A model keeps its place unless another one is named."""
    subject = wanted.subject_or("image" if snapshot.subject == "image" else "face")
    likeness = snapshot.face_model if subject == "image" and snapshot.face_model.startswith(DINOV2) else BY_CLIP
    faces = snapshot.face_model if snapshot.subject == "face" else "miniature"
    second = wanted.second_faces or (snapshot.second_model if subject == "face" else NO_SECOND_MODEL) or NO_SECOND_MODEL
    asked = {
        "subject": subject,
        "faces": wanted.faces or faces,
        "clip": wanted.clip or snapshot.clip_model,
        "likeness": wanted.likeness or likeness,
        "second_faces": None if second == NO_SECOND_MODEL else second,
    }
    try:
        return ScoreSection.model_validate(asked, context={FOLDER: Path.cwd()})
    except ValidationError as error:
        reasons = "; ".join(one["msg"] for one in error.errors())
        raise ConfigurationError(f"these models do not go together: {reasons}; name others, or none") from error


def _what_is_gone(shown: Grid, gone: set[str]) -> str:
    first = shown.store.picture_path(min(gone))
    if shown.left_out is not None:
        return f"{shown.left_out} (the first: {first})"
    return (
        f"gone or damaged before their looks were read: {len(gone)} pictures, so copying is not measured; "
        f"{shown.snapshot.again} (the first: {first})"
    )


def _confirmed_again(snapshot: GridRecord, shown: Grid) -> GridRecord:
    """A search's statement holds for the scores that were confirmed: with others it is made anew, for the finalists."""
    if snapshot.search is None:
        return snapshot
    chosen = recommend(load_evidence(shown), limits_of(snapshot.limits))
    said = {"recommended": chosen.cell, "within": chosen.within, "certified": None, "rescored": True}
    return snapshot.model_copy(update={"search": snapshot.search.model_copy(update=said)})


def _forget_finished(store: Store) -> None:
    """Let `eval grid` and `eval search` judge by their specification again, when they are next asked."""
    store.set_fact(FINISHED, {"request": "scored anew"})
