"""What a search takes at most, in pictures and UNet forwards: of cells, others, the base model; less what is there."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
class Prices:
    """UNet forwards of a picture that cells are chosen by, and of one that confirms, which is always finished.

    A forward is one evaluation of the UNet of one picture at one step, with its guidance pair.
    """

    choosing: int = 1
    confirming: int = 1


@dataclass(frozen=True)
class Demand:
    """All that a search may ask for. `race_units`: how many units a race may use (None: rounds). `subject_prompts` show
    the subject, `bleed_prompts` do not."""

    round_plan: RoundPlan
    race_units: int | None
    refinement: Refinement
    subject_prompts: int
    bleed_prompts: int
    prices: Prices = Prices()

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
class Counts:
    """Pictures; `already_made`: how many more there would be if nothing were there."""

    cells: int
    bleed: int
    control: int
    refinement: int = 0
    already_made: int = 0

    @property
    def pictures(self) -> int:
        """All that are to be made."""
        return self.cells + self.bleed + self.control + self.refinement


@dataclass(frozen=True)
class CostBound:
    """At most so many pictures to choose by, and to confirm with, and what they take."""

    choosing: Counts
    confirming: Counts
    prices: Prices = Prices()

    @property
    def both(self) -> Counts:
        """The pictures of either kind together."""
        one, other = self.choosing, self.confirming
        return Counts(**{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Counts)})

    @property
    def pictures(self) -> int:
        return self.both.pictures

    @property
    def forwards(self) -> int:
        """UNet forwards."""
        return self.choosing.pictures * self.prices.choosing + self.confirming.pictures * self.prices.confirming


def cost_bound_of(demand: Demand, missing: MissingCounts) -> CostBound:
    """The most that `demand` may take. Which arms stay is not known, so a unit is reckoned to meet those that lack it.

    `missing` covers `demand.units` units at least: of pictures to choose by before `demand.first_fresh`, then of those
    that confirm.
    """
    fresh, round_plan = demand.first_fresh, demand.round_plan
    proposals = demand.confirmed_arms - round_plan.finalists
    shown_bleed = _shown_bleed(demand) * demand.bleed_prompts * BLEED_SEEDS_SEARCHED
    choosing = _counts(
        _shown(demand)[:fresh],
        MissingCounts(missing.arms[:fresh], missing.control[:fresh]),
        shown_bleed,
        demand.bleed_prompts * BLEED_SEEDS_SEARCHED if shown_bleed else 0,
        demand.refinement.trials * (demand.refinement.units + demand.bleed_prompts * BLEED_SEEDS_SEARCHED),
    )
    confirming = _counts(
        _shown(demand)[fresh:],
        MissingCounts(missing.arms[fresh:], missing.control[fresh:]),
        round_plan.finalists * demand.confirmed_bleed,
        demand.confirmed_bleed,
        proposals * (round_plan.confirm_units + demand.confirmed_bleed),
    )
    return CostBound(choosing, confirming, demand.prices)


def _counts(shown: np.ndarray, missing: MissingCounts, bleed: int, bleed_control: int, refinement: int) -> Counts:
    """`shown` (U,): how many arms each unit may be shown. Others' pictures are reckoned as if none were there."""
    used = np.flatnonzero(shown)
    cells, control = (
        int(np.minimum(shown, missing.arms[: len(shown)]).sum()),
        int(missing.control[used].sum()),
    )
    there = int(shown.sum()) - cells + len(used) - control
    return Counts(cells, bleed, control + bleed_control, refinement, there)


def confirmation_cost(demand: Demand, missing: MissingCounts) -> int:
    """UNet forwards that confirming takes at most, whoever the finalists are: this is kept back from all that comes
    before."""
    fresh, round_plan = slice(demand.first_fresh, demand.units), demand.round_plan
    proposals = demand.confirmed_arms - round_plan.finalists
    subject = int(np.minimum(round_plan.finalists, missing.arms[fresh]).sum()) + proposals * round_plan.confirm_units
    pictures = subject + int(missing.control[fresh].sum()) + (demand.confirmed_arms + 1) * demand.confirmed_bleed
    return pictures * demand.prices.confirming


def _shown(demand: Demand) -> np.ndarray:
    """How many arms each subject unit (U,) may be shown."""
    round_plan = demand.round_plan
    dealt, shown = np.zeros(demand.units, dtype=int), np.zeros(demand.units, dtype=int)
    if demand.race_units is not None:
        shown[: demand.race_units] = round_plan.arms
    else:
        met = 0
        for one in round_plan.rounds:
            if one.dealt:
                dealt[: one.units] += -(-one.arms // one.units)
            else:
                shown[max(met, one.since) : one.units] += one.arms
                met = one.units
    if demand.refinement.trials:
        tried = shown[: demand.refinement.units]
        tried[:] = np.maximum(tried, round_plan.finalists)
    shown[demand.first_fresh :] += round_plan.finalists
    return dealt + shown


def _shown_bleed(demand: Demand) -> int:
    """How many arms are shown bleed prompts at most: refining looks at all that have met as much as its trials do."""
    if not demand.refinement.trials or demand.race_units is not None:
        return demand.arms_shown_bleed
    units = demand.refinement.units
    met = [one.arms for one in demand.round_plan.rounds if not one.dealt and not one.since and one.units >= units]
    return max([demand.arms_shown_bleed, *met])
