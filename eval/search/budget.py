"""How a search is fitted into what it may cost: in pictures, minutes or money."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from eval.request.plan import Plan
from eval.request.spec import GridSpec
from eval.search.arm_pictures import ArmPictures, units_for
from eval.search.cost_bound import CostBound, Demand, Refinement, cost_bound_of
from eval.search.spending import LEAST_TIMED
from eval.search.strategies.schedule import BudgetError, RoundPlan, Schedule, round_plan_of, within_budget
from eval.search.strategies.surface import GLANCE
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
    prompts = len(pictures.prompts)
    confirm_units = -(-search.confirm_units // prompts) * prompts
    schedule = Schedule(search.first_units, search.keep, search.finalists, confirm_units)
    if search.method == "surface" and not certify:
        schedule = replace(schedule, glance=GLANCE)
    asked = FittedSchedule(schedule, search.certify_units if certify else None)
    allowed = _allowed(spec, plan, pictures)
    if allowed is None:
        return asked
    most = demand_of(spec, pictures, asked, round_plan_of(arms, schedule))
    missing = pictures.missing_counts(units_for(plan, spec.prompts.seed_list, most.units).subject)

    def cost(round_plan: RoundPlan, race_units: int | None = None) -> int:
        demand = demand_of(spec, pictures, FittedSchedule(schedule, race_units), round_plan)
        return cost_bound_of(demand, missing).pictures

    if not certify:
        return FittedSchedule(within_budget(arms, schedule, allowed, cost), None)
    round_plan = round_plan_of(arms, schedule)
    for units in range(search.certify_units, search.first_units - 1, -1):
        if cost(round_plan, units) <= allowed:
            return FittedSchedule(schedule, units)
    least = cost(round_plan, search.first_units)
    raise BudgetError(
        f"a budget of {allowed} pictures is too small to certify {arms} cells: {search.first_units} pictures of each "
        f"and {confirm_units} of each finalist are the least, {least} with those of other people and of the base "
        "model; raise it, or search without --certify"
    )


def demand_of(spec: GridSpec, pictures: ArmPictures, fitted: FittedSchedule, round_plan: RoundPlan) -> Demand:
    """All that a search by this schedule may ask for."""
    refinement = Refinement(spec.search.refine_trials, spec.search.refine_units)
    return Demand(round_plan, fitted.race_units, refinement, len(pictures.prompts), len(pictures.other_prompts))


def cost_bound_for(demand: Demand, pictures: ArmPictures) -> CostBound:
    """What it may take, less what is there. The pictures has its units by now."""
    return cost_bound_of(demand, pictures.missing_counts(pictures.units.subject))


def kept_schedule(store: Store, request: str) -> FittedSchedule | None:
    """The schedule of a search that was interrupted, so that it goes on by it, however fast pictures are made now."""
    kept = store.fact(KEY) or {}
    return TypeAdapter(FittedSchedule).validate_python(kept["terms"]) if kept.get("request") == request else None


def keep_schedule(store: Store, request: str, fitted: FittedSchedule) -> None:
    store.set_fact(KEY, {"request": request, "terms": asdict(fitted)})


def _allowed(spec: GridSpec, plan: Plan, pictures: ArmPictures) -> int | None:
    """The budget in pictures, or None. One of time is measured on the first pictures, which are needed in any case."""
    if spec.search_seconds is None:
        return spec.search.budget_pictures
    if pictures.seconds_a_picture is None:
        units = units_for(plan, spec.prompts.seed_list, LEAST_TIMED).subject
        pictures.make((pictures.arms[0], unit) for unit in units)
    if pictures.seconds_a_picture is None:
        raise BudgetError(
            f"{spec.store.path}: its pictures were made before and say nothing about time; give budget_pictures instead"
        )
    return int(pictures.spending.left(pictures.seconds_a_picture))
