"""`eval search`: chooses among the cells of a grid with a fraction of its pictures, and leaves a store to be ranked."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.cells import digest
from eval.checkpoints import Found, find_checkpoints
from eval.grid import FINISHED, request_digest
from eval.plan import Plan, plan_of
from eval.references import References, find_references
from eval.rendering import opened_maker
from eval.search.arms import NothingToSearchError, arms_of
from eval.search.budget import Terms, keep_terms, kept_terms, terms_for
from eval.search.expectation import course_in_words, last_cut, race_in_words, refinement_in_words
from eval.search.ground import Ground, units_for
from eval.search.halving import Confirmed, Estimate, Halved, confirm, halve, mean_so_far
from eval.search.places import places_of
from eval.search.race import looks_at, race
from eval.search.record import RoundRecord, SearchRecord
from eval.search.refine import Refined, refine
from eval.search.schedule import Course, course_of
from eval.search.surface import Surface
from eval.snapshot import KEY, Snapshot
from eval.spec import GridSpec
from eval.store import Store, create_store
from trainer.progress import Reporter


@dataclass(frozen=True)
class Searched:
    """A finished search: its store, which `eval rank` ranks, and what it did."""

    store: Path
    record: SearchRecord


@dataclass(frozen=True)
class _Search:
    """What is searched, and where it is kept; `request` is the hash of all that is asked for."""

    spec: GridSpec
    plan: Plan
    references: References
    store: Store
    reporter: Reporter
    request: str
    certify: bool
    damaged: list[str]


def run_search(spec: GridSpec, certify: bool, reporter: Reporter) -> Searched:
    """Search, never making a picture twice. Interrupted, it goes on where it stopped. Raises UserErrors."""
    with _opened(spec, certify, reporter) as search:
        asked: dict[str, object] = {"request": search.request}
        if search.store.fact(FINISHED) != asked:
            search.store.set_fact(KEY, _play(search).model_dump(mode="json"))
            search.store.set_fact(FINISHED, asked)
        record = Snapshot.model_validate(search.store.fact(KEY)).search
        assert record is not None
        return Searched(search.store.folder, record)


@contextmanager
def _opened(spec: GridSpec, certify: bool, reporter: Reporter) -> Generator[_Search]:
    references = find_references(spec.references)
    plan, damaged = _sound_plan(spec)
    store = create_store(Path(spec.store.path), spec.store.pictures)
    request = digest("search", request_digest(spec, plan, references), spec.search.model_dump(), certify)
    try:
        yield _Search(spec, plan, references, store, reporter, request, certify, damaged)
    finally:
        store.close()


def _sound_plan(spec: GridSpec) -> tuple[Plan, list[str]]:
    """The plan without files that cannot be read, and these in words: one that is damaged ends no search."""
    found: Found = find_checkpoints(spec.lora.checkpoints)
    damaged = [f"{path.name}: broken, {reason}" for path, reason in found.damaged.items()]
    if not found.checkpoints:
        raise NothingToSearchError("no checkpoint can be read: " + "; ".join(damaged))
    return plan_of(spec, found.checkpoints), damaged


def _play(search: _Search) -> Snapshot:
    """Leave out what is hopeless, play the rounds, confirm the finalists; the snapshot shows them on fresh units."""
    arms = arms_of(search.plan.cells, search.reporter)
    left_out = [*search.damaged, *arms.left_out]
    for line in left_out:
        search.reporter.say(f"left out: {line}")
    with opened_maker(search.spec, search.plan, search.store, search.reporter) as maker:
        snapshot = _play_on(Ground(search.spec, arms, search.references, maker), search)
    assert snapshot.search is not None
    return snapshot.model_copy(update={"search": snapshot.search.model_copy(update={"left_out": left_out})})


def _play_on(ground: Ground, search: _Search) -> Snapshot:
    terms = kept_terms(search.store, search.request)
    if terms is None:
        terms = terms_for(search.spec, search.plan, ground, search.certify)
        keep_terms(search.store, search.request, terms)
    course = course_of(len(ground.arms), terms.schedule)
    prompts = len(ground.prompts)
    first = course.confirm_from(prompts) if terms.race_units is None else -(-terms.race_units // prompts) * prompts
    fresh = np.arange(first, first + course.confirm_units)
    ground.units = units_for(search.plan, search.spec.prompts.seed_list, int(fresh[-1]) + 1)
    ground.last_cut = last_cut(course)
    halved, certified = _raced(search, ground, course, terms) if terms.race_units else _halved(search, ground, course)
    asked = search.spec.search
    refined = Refined(halved, 0, 0)
    if asked.refine_trials:
        search.reporter.say(refinement_in_words(asked.refine_trials, asked.refine_units, ground.seconds_a_picture))
        refined = refine(ground, halved, asked.refine_units, asked.refine_trials, search.reporter)
    confirmed = confirm(ground.measure, refined.halved, fresh, ground.units.prompts)
    record = _record(ground, course, refined, confirmed, fresh).model_copy(update={"certified": certified})
    return ground.confirmed(confirmed.arms, fresh).model_copy(update={"search": record})


def _halved(search: _Search, ground: Ground, course: Course) -> tuple[Halved, None]:
    search.reporter.say(course_in_words(course, len(ground.prompts), len(ground.units.bleed), ground.seconds_a_picture))
    reads_surface = search.spec.search.method == "surface"
    files = [tuple(use.checkpoint.content for use in cell.uses) for cell in ground.arms]
    estimate: Estimate = Surface(places_of(ground.arms), files) if reads_surface else mean_so_far
    return halve(ground.measure, course, ground.units.prompts, estimate, ground.broken), None


def _raced(search: _Search, ground: Ground, course: Course, terms: Terms) -> tuple[Halved, float]:
    """The first of those that may be the best are the finalists, and a runner-up in any case."""
    units = terms.race_units or 0
    search.reporter.say(race_in_words(course, units, ground.seconds_a_picture))
    looks = looks_at(min(terms.schedule.first_units, units), units)
    raced = race(ground.measure, course.arms, looks, ground.units.prompts)
    count = max(2, min(len(raced.left), course.finalists))
    return Halved(raced.ahead[:count], raced.stages, raced.scores), raced.within


def _record(ground: Ground, course: Course, refined: Refined, confirmed: Confirmed, fresh: np.ndarray) -> SearchRecord:
    halved = refined.halved
    return SearchRecord(
        arms=course.arms,
        rounds=[
            RoundRecord(arms=len(one.arms), units=one.units, kept=len(one.kept), dealt=one.dealt)
            for one in halved.stages
        ],
        finalists=[ground.arms[arm].id for arm in confirmed.arms],
        confirm_units=len(fresh),
        pictures=halved.pictures + confirmed.scores.size,
        grid_pictures=course.arms * int(fresh[-1] + 1),
        within=confirmed.bound.within,
        certified=None,
        left_out=[],
        refined=refined.trials,
        joined=refined.joined,
    )
