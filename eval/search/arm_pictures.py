"""Where a search plays: cells and units that are rendered and scored when they are asked for, never twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.grid.picture_maker import PictureMaker
from eval.judging.stored_grid import Grid, GridRecord, grid_record_of, load_evidence
from eval.ranking.evidence import Evidence
from eval.ranking.limits import applicable, limits_broken, limits_of
from eval.ranking.scores import BLEED, SUBJECT, score
from eval.request.cells import Cell
from eval.request.plan import Plan, PlannedPicture
from eval.request.references import References
from eval.request.spec import GridSpec
from eval.request.units import Unit
from eval.search.arms import Arms
from eval.search.cost_bound import BLEED_SEEDS, BLEED_SEEDS_SEARCHED, MissingCounts
from eval.search.spending import Spending
from eval.store.render_rates import known_rate
from foundation.typed.array_indices import indices_in, pairs_in


@dataclass(frozen=True)
class Units:
    """`subject` (U,) in the order that rounds draw them; `bleed` are those shown before the last cut."""

    subject: list[Unit]
    bleed: list[Unit]

    @property
    def prompts(self) -> list[str]:
        return [unit.prompt for unit in self.subject]


def units_for(plan: Plan, seeds: Sequence[int], count: int) -> Units:
    """`count` subject units, a seed at a time; after the specification's own seeds come those that follow the last."""
    prompts = [prompt.text for prompt in plan.prompts.values() if prompt.role == SUBJECT]
    others = [prompt for prompt in plan.prompts.values() if prompt.role != SUBJECT]
    wanted = -(-count // len(prompts))
    drawn = [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + wanted)][:wanted]
    subject = [Unit(prompt, seed, SUBJECT) for seed in drawn for prompt in prompts][:count]
    few = drawn[:BLEED_SEEDS_SEARCHED]
    return Units(subject, [Unit(one.text, seed, one.role) for one in others for seed in few])


class ArmPictures:
    """Arms are cells by number, units those of `units.subject` by number.

    `finished`: those that confirm, of the same arms and units: these themselves, where cells are chosen by finished
    pictures, and not by looks.
    """

    def __init__(
        self,
        spec: GridSpec,
        arms: Arms,
        references: References,
        maker: PictureMaker,
        spending: Spending,
        finished: ArmPictures | None = None,
    ) -> None:
        maker.reader.read_prompts(maker.plan.prompts.values())
        self._spec, self._references, self._maker = spec, references, maker
        self.spending, self.limits = spending, limits_of(spec.limits)
        self._plan = replace(maker.plan, cells=arms.cells)
        self._duplicates = arms.duplicates
        self._measured = np.zeros((len(arms.cells), 0), dtype=bool)
        # Both are set once the rounds are known.
        self.units = Units([], [])
        self.arms_shown_bleed = 0
        self.finished = finished or self

    @property
    def arms(self) -> list[Cell]:
        return self._plan.cells

    def cells_at(self, arms: np.ndarray) -> list[Cell]:
        """The cells that `arms` (K,) number."""
        return [self.arms[arm] for arm in indices_in(arms)]

    def _subject_at(self, numbers: np.ndarray) -> list[Unit]:
        return [self.units.subject[number] for number in indices_in(numbers)]

    @property
    def prompts(self) -> list[str]:
        """Those that show the subject."""
        return [prompt.text for prompt in self._plan.prompts.values() if prompt.role == SUBJECT]

    @property
    def other_prompts(self) -> list[str]:
        """Those that test for bleed."""
        return [prompt.text for prompt in self._plan.prompts.values() if prompt.role != SUBJECT]

    @property
    def forwards(self) -> int:
        """UNet forwards of each picture."""
        return self._plan.sampling.forwards

    @property
    def seconds_a_forward(self) -> float | None:
        """As this search's pictures took, or this store's on this device before; None where that is not known."""
        if self.spending.seconds_a_forward is not None:
            return self.spending.seconds_a_forward
        rate = known_rate(self._maker.store, self._plan.sampling, self._maker.executor.device().name)
        return rate.seconds_a_picture / self.forwards if rate else None

    def measure(self, wanted: np.ndarray) -> np.ndarray:
        """Identity (A, U) of the wanted pictures, faceless ones at the floor (`strategies.halving.Measure`)."""
        rows, columns = np.flatnonzero(wanted.any(1)), np.flatnonzero(wanted.any(0))
        self.make((self._plan.cells[row], self.units.subject[column]) for row, column in pairs_in(np.argwhere(wanted)))
        self._measured = wanted if self._measured.shape != wanted.shape else self._measured | wanted
        counted = np.full(wanted.shape, np.nan)
        evidence = self.evidence(rows, self._subject_at(columns))
        counted[np.ix_(rows, columns)] = score(evidence).counted
        return np.where(wanted, counted, np.nan)

    def broken(self, arms: np.ndarray) -> np.ndarray:
        """How many limits each of `arms` (K,) breaks, by the units that all of them have met, before the last cut by
        bleed prompts too. 0 where they have met none in common."""
        common = np.flatnonzero(self._measured[arms].all(0))
        if not len(common):
            return np.zeros(len(arms), dtype=int)
        bleed = self.units.bleed if len(arms) <= self.arms_shown_bleed else []
        self.make((cell, unit) for cell in self.cells_at(arms) for unit in bleed)
        evidence = self.evidence(arms, [*self._subject_at(common), *bleed])
        return np.array([len(reasons) for reasons in limits_broken(score(evidence), applicable(self.limits, evidence))])

    def show(self, units: Units, arms_shown_bleed: int) -> None:
        """Set the units, once the rounds are known, and how many arms are shown those of bleed prompts."""
        for one in (self, self.finished):
            one.units, one.arms_shown_bleed = units, arms_shown_bleed

    def share_seen(self, units: list[Unit]) -> float:
        """Of the base model's own pictures of `units` the share in which likeness can be read."""
        pictures = [self._plan.picture(None, unit) for unit in units]
        self._maker.make(pictures)
        likeness = self._maker.reader.judges.likeness.facts.sha256
        read = self._maker.store.readings_of(likeness, [one.id for one in pictures])
        return float(np.mean([read[one.id].vector is not None for one in pictures]))

    def add_arm(self, cell: Cell) -> int:
        """One more arm, by number."""
        if self.finished is not self:
            self.finished.add_arm(cell)
        self._plan = replace(self._plan, cells=[*self._plan.cells, cell])
        self._measured = np.vstack([self._measured, np.zeros((1, self._measured.shape[1]), dtype=bool)])
        return len(self._plan.cells) - 1

    def make(self, pictures: Iterable[tuple[Cell, Unit]]) -> None:
        """Render and read those pictures that are missing, and the base model's own of the same units."""
        if wanted := self._planned(list(pictures)):
            self._maker.make(wanted)

    def renders_needed(self, pictures: Iterable[tuple[Cell, Unit]]) -> int:
        """How many pictures `make` would render."""
        return self._maker.renders_needed(self._planned(list(pictures)))

    def renders_to_measure(self, wanted: np.ndarray) -> int:
        """How many pictures measuring what is wanted, (A, U) bool, and looking at its limits would render.

        Rows beyond the arms are cells that are not known yet.
        """
        rows, known = np.flatnonzero(wanted.any(1)), len(self.arms)
        asked = pairs_in(np.argwhere(wanted[:known]))
        subject = [(self.arms[row], self.units.subject[unit]) for row, unit in asked]
        bleed = self.units.bleed if len(rows) <= self.arms_shown_bleed else []
        shown = [(cell, unit) for cell in self.cells_at(rows[rows < known]) for unit in bleed]
        return (
            self.renders_needed([*subject, *shown])
            + int(wanted[known:].sum())
            + int((rows >= known).sum()) * len(bleed)
        )

    def missing_counts(self, units: list[Unit]) -> MissingCounts:
        """What is missing of the arms' and of the base model's pictures of `units` (U,), or has lost its file."""
        ids = [[self._plan.picture(cell, unit).id for unit in units] for cell in (None, *self.arms)]
        there = self._maker.store.failures(one for row in ids for one in row).keys() - self._maker.lost
        missing = np.array([[one not in there for one in row] for row in ids], dtype=int)
        return MissingCounts(missing[1:].sum(0), missing[0])

    def _planned(self, asked: list[tuple[Cell, Unit]]) -> list[PlannedPicture]:
        """Pictures of cells and the base model's own of the same units, each once, the base model's first."""
        beside = [self._plan.picture(None, unit) for unit in dict.fromkeys(unit for _, unit in asked)]
        wanted = [self._plan.picture(cell, unit) for cell, unit in asked]
        # What shares the UNet's weights stands together, as in a plan: weights are changed as seldom as can be.
        wanted.sort(key=lambda one: (one.checkpoint, one.unet_key, one.cell.text_key if one.cell else ""))
        return list({one.id: one for one in [*beside, *wanted]}.values())

    def evidence(self, arms: np.ndarray, units: list[Unit]) -> Evidence:
        """What is known of `arms` (K,) on `units`."""
        cells = self.cells_at(arms)
        snapshot = self._snapshot(cells, units)
        return load_evidence(Grid(self._maker.store, snapshot, cells))

    def _snapshot(self, cells: list[Cell], units: list[Unit]) -> GridRecord:
        plan = replace(self._plan, cells=cells, units=units)
        return grid_record_of(self._spec, plan, self._references, self._maker.reader.judges)

    def confirmation_units(self, fresh: np.ndarray) -> list[Unit]:
        """The units by number (N,), and bleed prompts with their first seeds."""
        subject = self._subject_at(fresh)
        seeds = list(dict.fromkeys(unit.seed for unit in subject))[:BLEED_SEEDS]
        return [*subject, *(Unit(prompt, seed, BLEED) for prompt in self.other_prompts for seed in seeds)]

    def confirmation_record(self, arms: np.ndarray, fresh: np.ndarray) -> GridRecord:
        """The finalists (K,) on the units that they were confirmed on, and on bleed prompts with those seeds.

        Beside each stand its duplicates, rows of the same pictures under another name.
        """
        shown = self.confirmation_units(fresh)
        cells = self.cells_at(arms)
        self.make((cell, unit) for cell in cells for unit in shown)
        names = {cell.id for cell in cells}
        return self._snapshot([*cells, *(duplicate for duplicate in self._duplicates if duplicate.id in names)], shown)
