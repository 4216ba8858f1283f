"""What a search takes at most, in pictures: of cells, of other people, of the base model; less those that are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.search.strategies.schedule import RoundPlan, first_fresh_unit

PROPOSALS = 2  # refined cells that join the finalists
BLEED_SEEDS_SEARCHED, BLEED_SEEDS = 2, 4  # of each bleed prompt: before the last cut, and of each finalist


@dataclass(frozen=True)
class Refinement:
    """So many cells of weights between the grid's, tried on so many pictures each."""

    trials: int = 0
    units: int = 0


@dataclass(frozen=True)
class Demand:
    """All that a search may ask for. `race_units`: how many units a race may use (None: rounds). `subject_prompts` show
    the subject, `bleed_prompts` do not."""

    round_plan: RoundPlan
    race_units: int | None
    refinement: Refinement
    subject_prompts: int
    bleed_prompts: int

    @property
    def search_units(self) -> int:
        """The units on which cells are chosen."""
        units = self.round_plan.search_units if self.race_units is None else self.race_units
        return max(units, self.refinement.units) if self.refinement.trials else units

    @property
    def first_fresh(self) -> int:
        """The first unit to confirm on."""
        return first_fresh_unit(self.search_units, self.subject_prompts)

    @property
    def units(self) -> int:
        return self.first_fresh + self.round_plan.confirm_units

    @property
    def confirmed_arms(self) -> int:
        return self.round_plan.finalists + (PROPOSALS if self.refinement.trials else 0)

    @property
    def arms_shown_bleed(self) -> int:
        """How many arms are shown bleed prompts: a race's all, or who bleeds would send sound ones away."""
        if self.race_units is not None:
            return self.round_plan.arms
        cut = self.round_plan.rounds[-1].arms if self.round_plan.rounds else 0
        return max(cut, self.round_plan.finalists) if self.refinement.trials else cut

    @property
    def confirmed_bleed(self) -> int:
        """Bleed pictures of each finalist."""
        return self.bleed_prompts * min(BLEED_SEEDS, -(-self.round_plan.confirm_units // self.subject_prompts))


@dataclass(frozen=True)
class MissingCounts:
    """Of how many arms each subject unit's picture is missing, and whether the base model's is: two (U,) arrays."""

    arms: np.ndarray
    control: np.ndarray


@dataclass(frozen=True)
class CostBound:
    """At most so many pictures; `there`: what it would be more if nothing were there."""

    cells: int
    bleed: int
    control: int
    refinement: int
    already_made: int = 0

    @property
    def pictures(self) -> int:
        return self.cells + self.bleed + self.control + self.refinement


def cost_bound_of(demand: Demand, missing: MissingCounts) -> CostBound:
    """The most that `demand` may take. Which arms stay is not known, so a unit is reckoned to meet those that lack it.

    `missing` covers `demand.units` units at least.
    """
    shown = _shown(demand)
    used = np.flatnonzero(shown)
    cells, control = (
        int(np.minimum(shown, missing.arms[: len(shown)]).sum()),
        int(missing.control[used].sum()),
    )
    proposals = demand.confirmed_arms - demand.round_plan.finalists
    refined = demand.refinement.trials * (demand.refinement.units + demand.bleed_prompts * BLEED_SEEDS_SEARCHED)
    refined += proposals * (demand.round_plan.confirm_units + demand.confirmed_bleed)
    seen = _shown_bleed(demand) * demand.bleed_prompts * BLEED_SEEDS_SEARCHED
    others = seen + demand.round_plan.finalists * demand.confirmed_bleed
    beside = (demand.bleed_prompts * BLEED_SEEDS_SEARCHED if seen else 0) + demand.confirmed_bleed
    there = int(shown.sum()) - cells + len(used) - control
    return CostBound(cells, others, control + beside, refined, there)


def confirmation_cost(demand: Demand, missing: MissingCounts) -> int:
    """What confirming takes at most, whoever the finalists are: this is kept back from all that comes before."""
    fresh, round_plan = slice(demand.first_fresh, demand.units), demand.round_plan
    proposals = demand.confirmed_arms - round_plan.finalists
    subject = int(np.minimum(round_plan.finalists, missing.arms[fresh]).sum()) + proposals * round_plan.confirm_units
    return subject + int(missing.control[fresh].sum()) + (demand.confirmed_arms + 1) * demand.confirmed_bleed


def _shown(demand: Demand) -> np.ndarray:
    """How many arms each subject unit (U,) may be shown."""
    round_plan = demand.round_plan
    shown = np.zeros(demand.units, dtype=int)
    if demand.race_units is not None:
        shown[: demand.race_units] = round_plan.arms
    else:
        met = 0
        for one in round_plan.rounds:
            if one.dealt:
                shown[: one.units] += -(-one.arms // one.units)
            else:
                shown[met : one.units] += one.arms
                met = one.units
    if demand.refinement.trials:
        tried = shown[: demand.refinement.units]
        tried[:] = np.maximum(tried, round_plan.finalists)
    shown[demand.first_fresh :] += round_plan.finalists
    return shown


def _shown_bleed(demand: Demand) -> int:
    """How many arms are shown bleed prompts at most: refining looks at all that have met as much as its trials do."""
    if not demand.refinement.trials or demand.race_units is not None:
        return demand.arms_shown_bleed
    met = [one.arms for one in demand.round_plan.rounds if not one.dealt and one.units >= demand.refinement.units]
    return max([demand.arms_shown_bleed, *met])
