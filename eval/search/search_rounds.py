"""A search as it is played: choose by rounds or a race, try weights between the grid's, confirm on fresh units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.judging.stored_grid import GridRecord
from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.search.arm_coordinates import coordinates_of
from eval.search.arm_pictures import ArmPictures
from eval.search.budget import missing_of
from eval.search.cost_bound import Demand, MissingCounts, confirmation_cost
from eval.search.refine import Refined, refine
from eval.search.strategies.enough_pairs import enough_pairs
from eval.search.strategies.halving import (
    Confirmed,
    Estimate,
    Halved,
    all_sound,
    confirm,
    halve,
    mean_so_far,
    unless_surely_behind,
)
from eval.search.strategies.paired_bound import bound
from eval.search.strategies.race import RaceResult, interim_looks, race
from eval.search.strategies.schedule import LEAST_CONFIRMED, Schedule
from eval.search.strategies.surface import Surface
from eval.store.search_record import RoundRecord, SearchRecord
from foundation.progress import Reporter


@dataclass(frozen=True)
class Recommendation:
    """The row to take: with 95 % confidence it is `within` that of the best row that breaks no more limits."""

    cell: str
    within: float


def recommend(evidence: Evidence, limits: Limits) -> Recommendation:
    """The first row of the ranking, and how far it may be behind another that keeps the limits as it does.

    Rows are those that were confirmed; a cell under several names is one of them.
    """
    rows, scores = rank(evidence, limits), score(evidence)
    broken = {row.cell: len(row.broken) for row in rows}
    ids = [cell.id for cell in evidence.cells]
    eligible = [ids.index(one) for one in broken if broken[one] <= len(rows[0].broken)]
    choice = [ids[at] for at in eligible].index(rows[0].cell)
    found = bound(scores.counted[eligible], scores.prompts, len(broken) - 1, choice=choice)
    return Recommendation(rows[0].cell, found.within)


@dataclass(frozen=True)
class SearchRounds:
    """What is played: on a pictures whose units are set, by a schedule, within what its spending holds."""

    pictures: ArmPictures
    demand: Demand
    schedule: Schedule
    reads_surface: bool
    reporter: Reporter

    def play(self) -> GridRecord:
        """The finalists on the units that confirmed them, with the record of the search."""
        raced = self._raced() if self.demand.race_units is not None else None
        halved = self._halved() if raced is None else self._finalists_of(raced)
        refined = Refined(halved, 0, 0)
        if self.demand.refinement.trials:
            refined = refine(self.pictures, halved, self.demand.refinement, self._affordable, self.reporter)
        finished = self.pictures.finished
        fresh = self._enough(refined.halved, self._fresh(refined.halved.finalists))
        confirmed = confirm(finished.measure, refined.halved, fresh, finished.units.prompts)
        snapshot = finished.confirmation_record(confirmed.arms, fresh)
        chosen = recommend(finished.evidence(confirmed.arms, finished.confirmation_units(fresh)), self.pictures.limits)
        record = self._record(refined, confirmed, fresh, chosen)
        if raced is not None:
            ahead = self.pictures.cells_at(raced.finish_order)
            of = {cell.id: float(one) for cell, one in zip(ahead, raced.bounds, strict=True)}
            record = record.model_copy(update={"raced": True, "certified": of.get(chosen.cell)})
        return snapshot.model_copy(update={"search": record})

    def _halved(self) -> Halved:
        pictures = self.pictures
        files = [tuple(use.checkpoint.content for use in cell.uses) for cell in pictures.arms]
        estimate: Estimate = Surface(coordinates_of(pictures.arms), files) if self.reads_surface else mean_so_far
        round_plan, prompts = self.demand.round_plan, pictures.units.prompts
        staying = unless_surely_behind if pictures.finished is pictures else all_sound
        return halve(pictures.measure, round_plan, prompts, estimate, pictures.broken, self._affordable, staying)

    def _raced(self) -> RaceResult:
        units = self.demand.race_units or 0
        looks = interim_looks(min(self.schedule.first_units, units), units)
        arms, prompts, pictures = self.demand.round_plan.arms, self.pictures.units.prompts, self.pictures
        return race(pictures.measure, arms, looks, prompts, broken=pictures.broken, affordable=self._affordable)

    def _finalists_of(self, raced: RaceResult) -> Halved:
        """The first of those that may be the best, and a runner-up in any case."""
        count = max(2, min(len(raced.survivors), self.demand.round_plan.finalists))
        return Halved(raced.finish_order[:count], raced.stages, raced.scores, raced.unfinished)

    @cached_property
    def _confirmation_cost(self) -> int:
        return confirmation_cost(self.demand, self._missing)

    @cached_property
    def _missing(self) -> MissingCounts:
        return missing_of(self.demand, self.pictures, self.pictures.units.subject)

    @property
    def _left(self) -> float:
        return self.pictures.spending.left(self.pictures.seconds_a_forward)

    def _affordable(self, wanted: np.ndarray) -> bool:
        """Whether the pictures wanted, (A, U) bool, leave what confirming takes. What is there costs nothing."""
        forwards = self.pictures.renders_to_measure(wanted) * self.demand.prices.choosing
        return forwards == 0 or forwards + self._confirmation_cost <= self._left

    def _can_pay(self, renders: float) -> bool:
        """What is there already costs nothing, however the spending stands."""
        return renders == 0 or renders * self.demand.prices.confirming <= self._left

    def _fresh(self, finalists: np.ndarray) -> np.ndarray:
        """The units (N,) to confirm on: as many as can be paid, and in any case enough to tell anything."""
        pictures, round_plan = self.pictures.finished, self.demand.round_plan
        units = np.arange(self.demand.first_fresh, self.demand.units)
        cells = pictures.cells_at(finalists)

        def renders(count: int) -> int:
            shown = pictures.confirmation_units(units[:count])
            return pictures.renders_needed((cell, unit) for cell in cells for unit in shown)

        least = min(LEAST_CONFIRMED, round_plan.confirm_units)
        count = next((one for one in range(round_plan.confirm_units, least, -1) if self._can_pay(renders(one))), least)
        if count < round_plan.confirm_units:
            self.reporter.say(f"the budget is nearly spent: {count} pairs confirm, not {round_plan.confirm_units}")
        return units[:count]

    def _enough(self, halved: Halved, fresh: np.ndarray) -> np.ndarray:
        """Those of the units (N,) that confirm: no more than the difference that matters takes."""
        finished = self.pictures.finished
        prompts, difference = finished.units.prompts, finished.limits.difference
        units = enough_pairs(finished.measure, halved.scores.shape, halved.finalists, fresh, prompts, difference)
        if len(units) < len(fresh):
            self.reporter.say(
                f"{len(units)} of {len(fresh)} fresh pairs confirm: by how far the first scatter, they tell the best "
                f"finalist to {difference:g}, which is the difference that matters"
            )
        return units

    def _record(
        self, refined: Refined, confirmed: Confirmed, fresh: np.ndarray, chosen: Recommendation
    ) -> SearchRecord:
        halved, arms = refined.halved, self.demand.round_plan.arms
        prices, spending = self.demand.prices, self.pictures.spending
        every_cell, on_every_unit = arms, int(fresh[-1] + 1)
        return SearchRecord(
            arms=arms,
            rounds=[
                RoundRecord(arms=len(one.arms), units=one.units, kept=len(one.kept), dealt=one.dealt, since=one.since)
                for one in halved.stages
            ],
            finalists=[cell.id for cell in self.pictures.cells_at(confirmed.arms)],
            recommended=chosen.cell,
            confirm_units=len(fresh),
            pictures=halved.pictures + confirmed.scores.size,
            rendered=spending.spent.pictures,
            grid_pictures=every_cell * on_every_unit,
            forwards=halved.pictures * prices.choosing + confirmed.scores.size * prices.confirming,
            rendered_forwards=spending.forwards,
            rendered_seconds=round(spending.spent.seconds, 3),
            grid_forwards=every_cell * on_every_unit * prices.confirming,
            look_forwards=prices.choosing if prices.choosing != prices.confirming else 0,
            within=chosen.within,
            certified=None,
            left_out=[],
            refined=refined.trials,
            joined=refined.joined,
            out_of_budget=halved.unfinished or refined.trials < self.demand.refinement.trials,
        )
