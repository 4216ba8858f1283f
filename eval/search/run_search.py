"""`eval search`: chooses among the cells of a grid with a fraction of its pictures, and leaves a store to be ranked."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eval.grid.early_checks import look_first
from eval.grid.picture_maker import opened_maker
from eval.grid.run_grid import FINISHED, request_digest
from eval.judging.stored_grid import KEY, GridRecord
from eval.request.cells import digest
from eval.request.checkpoints import FoundCheckpoints, find_checkpoints
from eval.request.choosing_sections import SearchSection
from eval.request.plan import Plan, plan_of
from eval.request.references import References, find_references
from eval.request.settings import AXES
from eval.request.spec import GridSpec
from eval.search.arm_pictures import ArmPictures, units_for
from eval.search.arms import NothingToSearchError, arms_of
from eval.search.budget import cost_bound_for, demand_of, fit_schedule, keep_schedule, kept_schedule, schedule_of
from eval.search.looks import LEAST_SEEN, accounts_of, maker_of_looks, steps_tried
from eval.search.search_forecast import demand_in_words
from eval.search.search_rounds import SearchRounds
from eval.search.spending import Spending
from eval.search.strategies.schedule import round_plan_of
from eval.search.strategies.surface import GLANCE
from eval.store.search_record import SearchRecord
from eval.store.store import Store, create_store
from foundation.errors import ConfigurationError
from foundation.extras import require
from foundation.progress import Reporter


@dataclass(frozen=True)
class SearchOutcome:
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


def run_search(spec: GridSpec, certify: bool, reporter: Reporter) -> SearchOutcome:
    """Search, never making a picture twice. Interrupted, it goes on where it stopped. Raises UserErrors."""
    _check_drawn_one_way(spec)
    if spec.lora.guest:
        raise ConfigurationError(
            "a search chooses among one's own checkpoints, drawn by one trigger: leave [[lora.guest]] out, or run "
            "`python -m eval grid SPEC`, which draws guests beside them"
        )
    if spec.search.refine_trials:
        require("optuna", "eval search", "[search] refine_trials")
    with _opened(spec, certify, reporter) as search:
        asked: dict[str, object] = {"request": search.request}
        if search.store.fact(FINISHED) != asked:
            search.store.set_fact(KEY, _play(search).model_dump(mode="json"))
            search.store.set_fact(FINISHED, asked)
        record = GridRecord.model_validate(search.store.fact(KEY)).search
        assert record is not None
        return SearchOutcome(search.store.folder, record)


def _check_drawn_one_way(spec: GridSpec) -> None:
    """Raise ConfigurationError, with the keys concerned, for a specification that lists base models and the like."""
    varied = {
        f"[{table}] {key}": len({str(getattr(getattr(one, table), key)) for one in spec.settings})
        for table, key in AXES
    }
    listed = " and ".join(f"{key} lists {count}" for key, count in varied.items() if count > 1)
    if listed:
        raise ConfigurationError(
            f"a search chooses among cells that are drawn one way, and {listed}: search with one of each, then run "
            "`python -m eval grid SPEC` with all of them and the few checkpoints and weights that came out first"
        )


@contextmanager
def _opened(spec: GridSpec, certify: bool, reporter: Reporter) -> Generator[_Search]:
    references = find_references(spec.references)
    plan, damaged = _plan_without_damaged(spec)
    store = create_store(spec.store.path, spec.store.pictures, spec.store.rows)
    request = digest("search", request_digest(spec, plan, references), _asked(spec.search), certify)
    try:
        yield _Search(spec, plan, references, store, reporter, request, certify, damaged)
    finally:
        store.close()


def _asked(search: SearchSection) -> dict[str, object]:
    """What is asked of a search, as its request is known by: keys of later versions are left out where they are not
    set, so that a search which an earlier version began is recognised."""
    left_out = {"budget_forwards"} if search.budget_forwards is None else set[str]()
    if search.looks == "finished":
        left_out |= {"looks", "look_steps"}
    return search.model_dump(exclude=left_out)


def _plan_without_damaged(spec: GridSpec) -> tuple[Plan, list[str]]:
    """The plan without files that cannot be read, and these in words: one that is damaged ends no search."""
    found: FoundCheckpoints = find_checkpoints(spec.lora.checkpoints)
    damaged = [f"{path.name}: broken, {reason}" for path, reason in found.damaged.items()]
    if not found.checkpoints:
        raise NothingToSearchError("no checkpoint can be read: " + "; ".join(damaged))
    return plan_of(spec, found.checkpoints), damaged


def _play(search: _Search) -> GridRecord:
    """Leave out what is hopeless, play the rounds, confirm the finalists; the snapshot shows them on fresh units."""
    arms = arms_of(search.plan.cells, search.reporter)
    for note in search.plan.said:
        search.reporter.say(note)
    left_out = [*search.damaged, *arms.left_out]
    for line in left_out:
        search.reporter.say(f"left out: {line}")
    tried = steps_tried(search.spec, search.plan, certify=search.certify)
    accounts = accounts_of(search.request, search.plan, tried)
    spending = Spending(search.store, accounts, _budget(search), search.spec.search_seconds)
    references = look_first(search.spec, search.plan, search.references, search.store, search.reporter)
    with opened_maker(search.spec, search.plan, search.store, search.request, search.reporter) as maker:
        finished = ArmPictures(search.spec, arms, references, maker, spending)
        looks = (
            ArmPictures(search.spec, arms, references, maker_of_looks(maker, steps), spending, finished)
            for steps in tried
        )
        snapshot = _play_on(_seen_enough(looks, search) or finished, search)
    assert snapshot.search is not None
    return snapshot.model_copy(update={"search": snapshot.search.model_copy(update={"left_out": left_out})})


def _seen_enough(looks: Iterable[ArmPictures], search: _Search) -> ArmPictures | None:
    """The first of the looks in which the base model's own show likeness often enough; None where none do, and
    where so few cells are asked for that none has to be chosen."""
    for pictures in looks:
        schedule, spec = schedule_of(search.spec, pictures), search.spec
        units = round_plan_of(len(pictures.arms), schedule).search_units
        if not units:
            return None
        shown = units_for(search.plan, spec.prompts.seed_list, min(units, GLANCE)).subject
        if pictures.share_seen(shown) >= LEAST_SEEN:
            return pictures
        search.reporter.say(
            f"too little is to be seen in pictures of {pictures.forwards} UNet forwards: they are not chosen by"
        )
    return None


def _budget(search: _Search) -> int | None:
    """In UNet forwards, where it is one of them or of pictures."""
    asked = search.spec.search
    in_pictures = None if asked.budget_pictures is None else asked.budget_pictures * search.plan.sampling.forwards
    return in_pictures if asked.budget_forwards is None else asked.budget_forwards


def _play_on(pictures: ArmPictures, search: _Search) -> GridRecord:
    spec = search.spec
    fitted = kept_schedule(search.store, search.request)
    if fitted is None:
        fitted = fit_schedule(spec, search.plan, pictures, search.certify)
        keep_schedule(search.store, search.request, fitted)
    round_plan = round_plan_of(len(pictures.arms), fitted.schedule)
    demand = demand_of(spec, pictures, fitted, round_plan)
    pictures.show(units_for(search.plan, spec.prompts.seed_list, demand.units), demand.arms_shown_bleed)
    search.reporter.say(demand_in_words(demand, cost_bound_for(demand, pictures), pictures.seconds_a_forward))
    return SearchRounds(pictures, demand, fitted.schedule, spec.search.method == "surface", search.reporter).play()
