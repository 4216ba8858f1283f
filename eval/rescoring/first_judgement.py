"""A store that was rendered and never judged, because reading it failed: judged by the specification, as mended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from pydantic import ValidationError

from eval.judging.readings import Reader
from eval.judging.stored_grid import KEY, write_grid_record
from eval.request.plan import Plan, make_plans
from eval.request.references import find_references
from eval.request.spec import GridSpec, ScoreSection
from eval.rescoring.rescore import NO_SECOND_MODEL, RescoreRequest, request_by, rescore
from eval.store.connection import StoreError
from eval.store.store import Store, open_store
from foundation.chunks import chunks
from foundation.errors import ConfigurationError
from foundation.path_fields import FOLDER
from foundation.progress import Reporter


def judge(folder: Path, spec: GridSpec | None, wanted: RescoreRequest, reporter: Reporter) -> None:
    """Judge a store anew, as `rescore` does; with a specification, one that never was judged as well."""
    if spec is not None and is_unjudged(folder):
        judge_first(folder, spec, wanted, reporter)
    else:
        rescore(folder, wanted if spec is None else request_by(spec, wanted), reporter)


def is_unjudged(folder: Path) -> bool:
    """Whether a store has no grid that could be ranked. Raises StoreError for what is no store."""
    store = open_store(folder)
    try:
        return store.fact(KEY) is None
    finally:
        store.close()


def judge_first(folder: Path, spec: GridSpec, over: RescoreRequest, reporter: Reporter) -> None:
    """Read a rendered grid's pictures by what the specification names, or `over` in its place, and let it be ranked.

    Raises StoreError where its pictures are not all there, and what reading raises.
    """
    spec = _with(spec, over)
    plans, references = make_plans(spec), find_references(spec.references)
    plan = plans[0]
    store = open_store(folder)
    try:
        _check_whole(plans, store)
        reader = Reader(spec.score, store, reporter)
        drawn_side = min(plan.sampling.width, plan.sampling.height)
        references = reader.with_remarks(references, drawn_side, allow_others=spec.references.allow_others)
        reader.read_pictures(chain.from_iterable(plans))
        reader.read_prompts(plan.prompts.values())
        write_grid_record(spec, plans, references, reader.judges, store)
    finally:
        store.close()


def _with(spec: GridSpec, over: RescoreRequest) -> GridSpec:
    asked = {
        "subject": over.subject_or(spec.score.subject),
        "faces": over.faces,
        "clip": over.clip,
        "likeness": over.likeness,
        "second_faces": over.second_faces,
    }
    named = {key: value for key, value in asked.items() if value is not None}
    second = named.get("second_faces", spec.score.second_faces)
    try:
        score = ScoreSection.model_validate(
            {**spec.score.model_dump(), **named, "second_faces": None if second == NO_SECOND_MODEL else second},
            context={FOLDER: Path.cwd()},
        )
    except ValidationError as error:
        reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        raise ConfigurationError(f"these models do not go together: {reasons}; name others, or none") from error
    folders = {"held_out": over.held_out, "training": over.training}
    allowed = {key: True for key in ("allow_trained", "allow_others") if getattr(over, key)}
    changed = {key: folder for key, folder in folders.items() if folder is not None} | allowed
    references = spec.references.model_copy(update=changed)
    return spec.model_copy(update={"score": score, "references": references})


def _check_whole(plans: Sequence[Plan], store: Store) -> None:
    """Raise StoreError where pictures of the plans are missing."""
    wanted = chunks(chain.from_iterable(plans), 500)
    missing = sum(len(part) - len(store.failures(one.id for one in part)) for part in wanted)
    if missing:
        total = sum(plan.picture_count for plan in plans)
        there = "none of its pictures is" if missing == total else f"{missing} of its {total} pictures are not"
        raise StoreError(f"{store.folder}: {there} rendered yet; `python -m eval grid SPEC` goes on with them")
