"""Between the grid's points: weights that no list names, tried around the best finalist by Optuna.

What comes of it is only a proposal: it is confirmed on fresh units beside the other finalists, as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from base_models.kohya_names import part_of
from eval.request.cells import Cell, Use
from eval.search.arm_pictures import ArmPictures
from eval.search.cost_bound import PROPOSALS, Refinement
from eval.search.strategies.halving import Affordable, Halved
from foundation.progress import Reporter
from loras.lora_file import read_lora
from loras.weights import ADAPTER, PARTS, Weights

WEIGHT_DIGITS = 2  # of a weight
PROPOSAL_SEED = 0  # a search that goes on proposes the same weights again, and their pictures are there
STEP_OF_ONE_WEIGHT = 0.2  # what counts as the grid's step where it has one weight only

# A weight for each axis to the mean identity there, and how many limits it breaks.
Point = tuple[float, ...]
Evaluate = Callable[[Point], tuple[float, int]]


@dataclass(frozen=True)
class Axis:
    """A weight that may be anything from `low` to `high`: `part` ("unet", "te1", "te2") of the cell's LoRA `lora`."""

    lora: int
    part: str
    low: float
    high: float

    @property
    def name(self) -> str:
        return f"{self.lora} {self.part}"


@dataclass(frozen=True)
class TrialResult:
    """What was seen at a point. `broken` counts limits."""

    point: Point
    value: float
    broken: int


@dataclass(frozen=True)
class Refined:
    """A search whose finalists `joined` more have joined, of `trials` points that were tried."""

    halved: Halved
    trials: int
    joined: int


def explore(
    evaluate: Evaluate,
    axes: Sequence[Axis],
    known: Sequence[TrialResult],
    trials: int,
    affordable: Callable[[], bool] = lambda: True,
) -> list[TrialResult]:
    """`trials` points, each where a Gaussian process of all that was seen so far (`known` first) expects most.

    It ends before a trial that is not `affordable`.

    Points that break more limits than the least of `known` count as out of bounds (constrained expected improvement:
    Gardner et al. 2014, "Bayesian Optimization with Inequality Constraints"; Optuna's GPSampler).
    """
    import optuna  # takes a second, and is needed here alone
    from optuna.distributions import FloatDistribution
    from optuna.trial import FrozenTrial, create_trial

    optuna.logging.set_verbosity(logging.ERROR)
    ranges = {axis.name: FloatDistribution(axis.low, axis.high) for axis in axes}
    allowed = min((one.broken for one in known), default=0)

    def too_many_broken(trial: FrozenTrial) -> tuple[float]:
        return (float(trial.user_attrs["broken"] - allowed),)

    sampler = optuna.samplers.GPSampler(seed=PROPOSAL_SEED, n_startup_trials=0, constraints_func=too_many_broken)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for one in known:
        params, broken = dict(zip(ranges, one.point, strict=True)), {"broken": one.broken}
        excess = {"constraints": (float(one.broken - allowed),)}
        study.add_trial(
            create_trial(
                params=params, distributions=dict(ranges), value=one.value, user_attrs=broken, system_attrs=excess
            )
        )
    found: list[TrialResult] = []
    for _ in range(trials):
        if not affordable():
            break
        trial = study.ask(dict(ranges))
        point = tuple(round(trial.params[axis.name], WEIGHT_DIGITS) for axis in axes)
        value, broken = evaluate(point)
        trial.set_user_attr("broken", broken)
        study.tell(trial, value)
        found.append(TrialResult(point, value, broken))
    return found


def axes_of(start: Cell, cells: Sequence[Cell]) -> list[Axis]:
    """The weights of `start` that may move: half a step of the grid's beyond those of its kin among `cells`, and not
    below 0 unless they are. A second text encoder's has an axis only where a LoRA has a part for it.
    """
    kin = [cell for cell in cells if _files(cell) == _files(start)]
    found: list[Axis] = []
    for lora, use in enumerate(start.uses):
        parts = _parts_of(use)
        for part in PARTS:
            if part in parts:
                low, high = _range_of([cell.uses[lora].weights.on(part) for cell in kin])
                found.append(Axis(lora, part, low, high))
    return found


def cell_at(start: Cell, axes: Sequence[Axis], point: Point) -> Cell:
    """The cell at `point`. Where text encoder 2 has no axis of its own, it follows the first."""
    uses: list[Use] = []
    for lora, use in enumerate(start.uses):
        there = {axis.part: value for axis, value in zip(axes, point, strict=True) if axis.lora == lora}
        te1 = there.get("te1", use.weights.te1)
        te2 = there.get("te2", te1 if "te1" in there else use.weights.te2)
        beyond = use.weights.beyond | {part: there[part] for part in ("te3", ADAPTER) if part in there}
        uses.append(replace(use, weights=Weights(there.get("unet", use.weights.unet), te1, te2, **beyond)))
    return replace(start, use=uses[0], also=tuple(uses[1:]), same_as="")


def refine(
    pictures: ArmPictures, halved: Halved, asked: Refinement, affordable: Affordable, reporter: Reporter
) -> Refined:
    """Try cells around the best finalist, each on the first units; the best join the finalists.

    Finalists that have not met these units meet them first, also where few cells left nothing to cut. It ends before a
    trial that is not `affordable`.
    """
    wanted = np.zeros(halved.scores.shape, dtype=bool)
    wanted[np.ix_(halved.finalists, np.arange(asked.units))] = True
    wanted &= np.isnan(halved.scores)
    if not affordable(wanted):
        return Refined(halved, 0, 0)
    scores = np.where(wanted, pictures.measure(wanted), halved.scores) if wanted.any() else halved.scores
    start = _best(pictures, scores[:, : asked.units], halved.finalists)
    tries = _TriedCells(pictures, pictures.arms[start], scores, asked.units)
    if not tries.axes:
        return Refined(replace(halved, scores=scores), 0, 0)
    pictures_before = len(pictures.arms)
    known = [tries.measured_at(point) for point in tries.arms]
    advance = reporter.task("trying weights between the grid's", asked.trials)

    def evaluate(point: Point) -> tuple[float, int]:
        tried = tries.measured_at(point)
        advance(1)
        return tried.value, tried.broken

    tried = explore(evaluate, tries.axes, known, asked.trials, lambda: affordable(tries.wanted_by_one_more()))
    ranked = sorted(dict.fromkeys(tried), key=lambda one: (one.broken, -one.value))
    joining = [arm for one in ranked if (arm := tries.arms[one.point]) >= pictures_before][:PROPOSALS]
    finalists = np.array([*halved.finalists, *joining], dtype=int)
    return Refined(Halved(finalists, halved.stages, tries.scores, halved.unfinished), len(tried), len(joining))


def _best(pictures: ArmPictures, scores: np.ndarray, arms: np.ndarray) -> int:
    """The arm of fewest limits broken, then of the highest mean over scores (A, U)."""
    order = np.lexsort((-scores[arms].mean(1), pictures.broken(arms)))
    return int(arms[order[0]])


class _TriedCells:
    """The cells around `start`, those that have met the first `units` to begin with. `arms` by point."""

    def __init__(self, pictures: ArmPictures, start: Cell, scores: np.ndarray, units: int) -> None:
        self._pictures, self._start, self._shown = pictures, start, np.arange(units)
        self.scores = scores
        self.axes = axes_of(start, pictures.arms)
        self.arms: dict[Point, int] = {}
        for arm in np.flatnonzero(np.isfinite(scores[:, :units]).all(1)):
            cell = pictures.arms[int(arm)]
            if _files(cell) == _files(start):
                point = tuple(cell.uses[axis.lora].weights.on(axis.part) for axis in self.axes)
                if cell_at(start, self.axes, point) == cell:
                    self.arms[point] = int(arm)

    def wanted_by_one_more(self) -> np.ndarray:
        """What one more cell would want, (A + 1, U) bool."""
        wanted = np.zeros((len(self.scores) + 1, self.scores.shape[1]), dtype=bool)
        wanted[-1, self._shown] = True
        return wanted

    def measured_at(self, point: Point) -> TrialResult:
        """What is seen at a point, rendered where nothing was."""
        if point not in self.arms:
            self.arms[point] = self._pictures.add_arm(cell_at(self._start, self.axes, point))
            wanted = self.wanted_by_one_more()
            kept = np.vstack([self.scores, np.full(self.scores.shape[1], np.nan)])
            self.scores = np.where(wanted, self._pictures.measure(wanted), kept)
        arm = self.arms[point]
        broken = self._pictures.broken(np.array([arm]))
        return TrialResult(point, float(self.scores[arm, self._shown].mean()), int(broken[0]))


def _range_of(weights: Sequence[float]) -> tuple[float, float]:
    there = sorted(set(weights))
    step = (there[-1] - there[0]) / (len(there) - 1) if len(there) > 1 else STEP_OF_ONE_WEIGHT
    low = there[0] - step / 2
    return round(max(0.0, low) if there[0] >= 0 else low, 2), round(there[-1] + step / 2, 2)


def _parts_of(use: Use) -> set[str]:
    return {part_of(name) for name in read_lora(use.checkpoint.path).modules}


def _files(cell: Cell) -> tuple[str, ...]:
    return tuple(use.checkpoint.content for use in cell.uses)
