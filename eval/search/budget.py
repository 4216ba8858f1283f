"""What a search may cost, in pictures: from pictures, minutes or money."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from eval.plan import Plan
from eval.search.ground import Ground, units_for
from eval.search.schedule import BudgetError, Schedule, within_budget
from eval.search.surface import GLANCE
from eval.spec import GridSpec
from eval.store import Store

KEY = "search_schedule"
TIMED = 8  # pictures that are timed before a budget of time is turned into one of pictures


@dataclass(frozen=True)
class Terms:
    """How to search: the schedule, and with `--certify` how many units the race may use (else None)."""

    schedule: Schedule
    race_units: int | None


def terms_for(spec: GridSpec, plan: Plan, ground: Ground, certify: bool) -> Terms:
    """What the specification asks for, fitted into its budget. Raises BudgetError."""
    search, arms = spec.search, len(ground.arms)
    prompts = len(ground.prompts)
    confirm_units = -(-search.confirm_units // prompts) * prompts
    schedule = Schedule(search.first_units, search.keep, search.finalists, confirm_units)
    if search.method == "surface" and not certify:
        schedule = replace(schedule, glance=GLANCE)
    allowed = _allowed(spec, plan, ground)
    if allowed is not None:
        allowed -= search.refine_trials * search.refine_units
    if not certify:
        return Terms(schedule if allowed is None else within_budget(arms, schedule, allowed), None)
    if allowed is None:
        return Terms(schedule, search.certify_units)
    units = min(search.certify_units, (allowed - search.finalists * confirm_units) // arms)
    if units < search.first_units:
        raise BudgetError(
            f"a budget that leaves {allowed} pictures for cells is too small to certify {arms} of them: "
            f"{search.first_units} pictures of each and {confirm_units} of each finalist are the least; raise it, or "
            "search without --certify"
        )
    return Terms(schedule, units)


def kept_terms(store: Store, request: str) -> Terms | None:
    """The terms of a search that was interrupted, so that it goes on by them, however fast pictures are made now."""
    kept = store.fact(KEY) or {}
    return TypeAdapter(Terms).validate_python(kept["terms"]) if kept.get("request") == request else None


def keep_terms(store: Store, request: str, terms: Terms) -> None:
    store.set_fact(KEY, {"request": request, "terms": asdict(terms)})


def _allowed(spec: GridSpec, plan: Plan, ground: Ground) -> int | None:
    """The budget in pictures, or None. One of time is measured on the first pictures, which are needed in any case."""
    seconds = spec.search_seconds
    if seconds is None:
        return spec.search.budget_pictures
    if ground.seconds_a_picture is None:
        units = units_for(plan, spec.prompts.seed_list, TIMED).subject
        ground.make((ground.arms[0], unit) for unit in units)
    rate = ground.seconds_a_picture
    if rate is None:
        raise BudgetError(
            f"{spec.store.path}: its pictures were made before and say nothing about time; give budget_pictures instead"
        )
    return int(seconds / rate)
