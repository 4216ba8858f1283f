"""How a search is fitted into what it may cost: in UNet forwards, pictures, minutes or money."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from pydantic import TypeAdapter

from eval.request.plan import Plan
from eval.request.spec import GridSpec
from eval.request.units import Unit
from eval.search.arm_pictures import ArmPictures, units_for
from eval.search.cost_bound import CostBound, Demand, MissingCounts, Prices, Refinement, cost_bound_of
from eval.search.spending import LEAST_TIMED
from eval.search.strategies.schedule import BudgetError, RoundPlan, Schedule, round_plan_of, within_budget
from eval.search.strategies.surface import GLANCE, NARROWING
from eval.store.store import Store

KEY = "search_schedule"


@dataclass(frozen=True)
class FittedSchedule:
    """How to search: the schedule, and with `--certify` how many units the race may use (else None)."""

    schedule: Schedule
    race_units: int | None


def fit_schedule(spec: GridSpec, plan: Plan, pictures: ArmPictures, certify: bool) -> FittedSchedule:
    """What the specification asks for, fitted into its budget. Raises BudgetError."""
    search, arms = spec.search, len(pictures.arms)
    schedule = schedule_of(spec, pictures)
    confirm_units = schedule.confirm_units
    if certify:
        schedule = replace(schedule, glance=0)
    asked = FittedSchedule(schedule, search.certify_units if certify else None)
    allowed = _allowed(spec, plan, pictures)
    if allowed is None:
        return asked
    most = demand_of(spec, pictures, asked, round_plan_of(arms, schedule))
    units = units_for(plan, spec.prompts.seed_list, most.units).subject

    def cost(round_plan: RoundPlan, race_units: int | None = None) -> int:
        demand = demand_of(spec, pictures, FittedSchedule(schedule, race_units), round_plan)
        return cost_bound_of(demand, missing_of(demand, pictures, units)).forwards

    if not certify:
        return FittedSchedule(within_budget(arms, schedule, allowed, cost), None)
    round_plan = round_plan_of(arms, schedule)
    for raced in range(search.certify_units, search.first_units - 1, -1):
        if cost(round_plan, raced) <= allowed:
            return FittedSchedule(schedule, raced)
    least = cost(round_plan, search.first_units)
    raise BudgetError(
        f"a budget of {allowed} UNet forwards is too small to certify {arms} cells: {search.first_units} pictures of "
        f"each and {confirm_units} of each finalist are the least, {least} forwards with those of other people and of "
        "the base model; raise it, or search without --certify"
    )


def schedule_of(spec: GridSpec, pictures: ArmPictures) -> Schedule:
    """What the specification asks for, without a budget."""
    search, prompts = spec.search, len(pictures.prompts)
    confirm_units = -(-search.confirm_units // prompts) * prompts
    schedule = Schedule(search.first_units, search.keep, search.finalists, confirm_units)
    return replace(schedule, glance=GLANCE, narrowing=NARROWING) if search.method == "surface" else schedule


def demand_of(spec: GridSpec, pictures: ArmPictures, fitted: FittedSchedule, round_plan: RoundPlan) -> Demand:
    """All that a search by this schedule may ask for."""
    refinement = Refinement(spec.search.refine_trials, spec.search.refine_units)
    prompts, others = len(pictures.prompts), len(pictures.other_prompts)
    prices = Prices(pictures.forwards, pictures.finished.forwards)
    return Demand(round_plan, fitted.race_units, refinement, prompts, others, prices)


def missing_of(demand: Demand, pictures: ArmPictures, units: list[Unit]) -> MissingCounts:
    """What is missing of `units` (U,): of pictures to choose by, then of those that confirm."""
    fresh = demand.first_fresh
    choosing, confirming = pictures.missing_counts(units[:fresh]), pictures.finished.missing_counts(units[fresh:])
    return MissingCounts(
        np.concatenate([choosing.arms, confirming.arms]), np.concatenate([choosing.control, confirming.control])
    )


def cost_bound_for(demand: Demand, pictures: ArmPictures) -> CostBound:
    """What it may take, less what is there. The pictures has its units by now."""
    return cost_bound_of(demand, missing_of(demand, pictures, pictures.units.subject))


def kept_schedule(store: Store, request: str) -> FittedSchedule | None:
    """The schedule of a search that was interrupted, so that it goes on by it, however fast pictures are made now."""
    kept = store.fact(KEY) or {}
    return TypeAdapter(FittedSchedule).validate_python(kept["terms"]) if kept.get("request") == request else None


def keep_schedule(store: Store, request: str, fitted: FittedSchedule) -> None:
    store.set_fact(KEY, {"request": request, "terms": asdict(fitted)})


def _allowed(spec: GridSpec, plan: Plan, pictures: ArmPictures) -> int | None:
    """The budget in UNet forwards, or None. One of time is measured on the first pictures, which are needed in any
    case."""
    if spec.search_seconds is None:
        return None if pictures.spending.budget is None else int(pictures.spending.left(None))
    if pictures.seconds_a_forward is None:
        units = units_for(plan, spec.prompts.seed_list, LEAST_TIMED).subject
        pictures.make((pictures.arms[0], unit) for unit in units)
    if pictures.seconds_a_forward is None:
        raise BudgetError(
            f"{spec.store.path}: its pictures were made before and say nothing about time; give budget_forwards instead"
        )
    return int(pictures.spending.left(pictures.seconds_a_forward))
