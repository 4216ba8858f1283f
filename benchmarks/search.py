"""Choosing with a fraction of the pictures: `eval search` replayed on grids that are known in full.

Simulated surfaces: 300 arms x 48 units, paired SD 0.14, 7 arms within 0.02 of the best. Recorded grids
(`benchmarks/recorded/*.parquet`, made by `benchmarks/recorded_grids/record.py`): seeds are dealt in two, the search
chooses on one half and is judged on the other, beside random search at the same cost and one seed of every cell. Both
ways to search are replayed: halving alone, and with a first glance that reads the surface; where looks of fewer steps
were recorded, also the latter choosing by these. `forward_share`: UNet forwards of those of the full grid, the base
model's own pictures included in both. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.search.strategies.halving import Estimate, Measure, confirm, halve, mean_so_far
from eval.search.strategies.race import interim_looks, race
from eval.search.strategies.schedule import Schedule, first_fresh_unit, round_plan_of
from eval.search.strategies.surface import GLANCE, NARROWING, Surface
from recorded_grids.recorded_grid import RecordedGrid, read_recorded
from recorded_grids.replays import (
    FORWARDS,
    loss_of,
    one_seed,
    permuted,
    raced_out,
    random_arms,
    redrawn,
    replay,
    round_plan_for,
    said_worse,
    shuffled,
)
from this_machine.words import machine_in_words

RECORDED = Path(__file__).resolve().parent / "recorded"
ARMS, UNITS, PROMPTS, PAIRED_SD, CLOSE, WITHIN = 300, 48, 12, 0.14, 0.02, 7
CONFIRM = 18  # what half of twelve seeds leaves to confirm on, with six prompts
DESIGNATED = 0  # any arm would do: under the null they are all alike


@dataclass(frozen=True)
class Way:
    """A way to search. `steps`: cells are chosen by looks of so many; 0: by finished pictures."""

    name: str
    schedule: Schedule
    estimate: Callable[[RecordedGrid], Estimate]
    steps: int = 0


def _surface(grid: RecordedGrid) -> Estimate:
    return Surface(grid.coordinates, grid.files)


READING = Schedule(confirm_units=CONFIRM, glance=GLANCE, narrowing=NARROWING)
WAYS = (
    Way("halving", Schedule(confirm_units=CONFIRM), lambda _grid: mean_so_far),
    Way("surface", READING, _surface),
    Way("looks", READING, _surface, steps=6),
)


def simulated(surfaces: int) -> dict[str, float]:
    """Shares of surfaces on which an arm within 0.02 of the best was found, and at what cost."""
    rng = np.random.default_rng(1)
    found = [_on_a_surface(rng) for _ in range(surfaces)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _on_a_surface(rng: np.random.Generator) -> dict[str, float]:
    truth = _hill(rng)
    round_plan = round_plan_of(ARMS, Schedule())
    fresh = first_fresh_unit(round_plan.search_units, PROMPTS)
    units = fresh + round_plan.confirm_units
    scores = truth[:, None] + rng.normal(scale=0.12, size=units)
    scores = scores + rng.normal(scale=PAIRED_SD, size=(ARMS, units))
    prompts = [f"prompt {at % PROMPTS}" for at in range(units)]

    def measure(wanted: np.ndarray) -> np.ndarray:
        return np.where(wanted, scores, np.nan)

    halved = halve(measure, round_plan, prompts)
    confirmed = confirm(measure, halved, np.arange(fresh, units), prompts)
    read, surface_pictures = _read_surface(measure, prompts)
    raced = race(measure, ARMS, interim_looks(Schedule().first_units, UNITS), prompts)
    full, by_eye = scores[:, :UNITS].mean(1).argmax(), scores[:, :PROMPTS].mean(1).argmax()
    pictures = halved.pictures + confirmed.scores.size
    return {
        "found": truth[confirmed.choice] >= -CLOSE,
        "found_by_the_full_grid": truth[full] >= -CLOSE,
        "found_by_one_seed": truth[by_eye] >= -CLOSE,
        "found_by_surface": truth[read] >= -CLOSE,
        "surface_pictures": surface_pictures,
        "pictures": pictures,
        "picture_share": pictures / (ARMS * UNITS),
        "coverage": truth[halved.finalists].max() - truth[confirmed.choice] <= confirmed.bound.within,
        "race_picture_share": raced.pictures / (ARMS * UNITS),
        "race_coverage": -truth[raced.survivors[0]] <= raced.within,
        "race_keeps_the_best": truth.argmax() in raced.survivors,
    }


def _read_surface(measure: Measure, prompts: list[str]) -> tuple[int, int]:
    """The choice of a search that reads the surface, and its pictures."""
    round_plan = round_plan_of(ARMS, Schedule(glance=GLANCE, narrowing=NARROWING))
    halved = halve(measure, round_plan, prompts, Surface(_places(), _places()[:, 0].tolist()))
    first = first_fresh_unit(round_plan.search_units, PROMPTS)
    confirmed = confirm(measure, halved, np.arange(first, first + round_plan.confirm_units), prompts)
    return confirmed.choice, halved.pictures + confirmed.scores.size


def _hill(rng: np.random.Generator) -> np.ndarray:
    """True likenesses (300,) below the best one's 0: 12 epochs x 5 x 5 weights, 7 within 0.02."""
    place = _places()
    top = rng.uniform(0.3, 0.9, size=3)
    hill = -((place - top) ** 2 * np.array([1.0, 1.2, 0.5])).sum(1) + rng.normal(scale=0.01, size=ARMS)
    below = hill.max() - np.sort(hill)[::-1]
    return (hill - hill.max()) * CLOSE / below[WITHIN - 1 : WITHIN + 1].mean()


def _places() -> np.ndarray:
    axes = (np.linspace(0, 1, 12), np.linspace(0, 1, 5), np.linspace(0, 1, 5))
    return np.stack([one.ravel() for one in np.meshgrid(*axes, indexing="ij")], axis=1)


def replayed(grid: RecordedGrid, way: Way, replays: int) -> dict[str, float]:
    """The figures of one way to search on one recorded grid."""
    rng = np.random.default_rng(2)
    round_plan, estimate = round_plan_for(grid, way.schedule), way.estimate(grid)
    shuffles = [shuffled(grid, rng, way.steps) for _ in range(replays)]
    done = [replay(one, round_plan, estimate) for one in shuffles]
    known = [replay(redrawn(grid, rng, way.steps), round_plan, estimate) for _ in range(replays)]
    pictures = int(np.mean([one.pictures for one in done]))
    return {
        "picture_share": pictures / grid.pictures,
        "forward_share": float(np.mean([one.forwards for one in done])) / (FORWARDS * (grid.pictures + grid.units)),
        "heldout_loss": float(np.mean([one.loss for one in done])),
        "coverage": float(np.mean([one.covered for one in known])),
        "coverage_of_heldout_means": float(np.mean([one.covered for one in done])),
        "within": float(np.mean([one.within for one in done])),
        "overstated": float(np.mean([one.score_seen - one.score_held_out for one in done])),
        "null": float(np.mean([said_worse(permuted(one, rng), round_plan, DESIGNATED, estimate) for one in shuffles])),
        "null_of_the_race": float(np.mean([raced_out(permuted(one, rng), DESIGNATED, 4) for one in shuffles])),
        "random_search": float(np.mean([loss_of(one, random_arms(pictures, rng)) for one in shuffles])),
        "one_seed": float(np.mean([loss_of(one, one_seed) for one in shuffles])),
    }


def worst(figures: list[dict[str, float]]) -> dict[str, float]:
    """The worst grid's figure of each: no average hides a grid on which the search fails."""
    lower = {"coverage", "coverage_of_heldout_means"}
    return {name: (min if name in lower else max)(one[name] for one in figures) for name in figures[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2000, help="of each way on each grid")
    parser.add_argument("--surfaces", type=int, default=200)
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="folder of recorded grids")
    asked = parser.parse_args()
    found: dict[str, object] = {"simulated": simulated(asked.surfaces)}
    print(f"simulated: {found['simulated']}", flush=True)
    grids = [read_recorded(path) for path in sorted(asked.recorded.glob("*.parquet"))]
    if not grids:
        print(f"no recorded grid in {asked.recorded}: only simulated surfaces were searched")
    for grid in grids:
        left_out = f"; without {', '.join(grid.left_out)}, not whole yet" if grid.left_out else ""
        print(f"{grid.name}: {len(grid.arms)} arms x {grid.scores[0].size} units{left_out}", flush=True)
    for way in WAYS:
        known = [grid for grid in grids if not way.steps or way.steps in grid.looks]
        if not known:
            continue
        figures = {grid.name: replayed(grid, way, asked.replays) for grid in known}
        print(f"{way.name}: {json.dumps(figures)}", flush=True)
        summary: dict[str, object] = {**worst(list(figures.values())), "replays": asked.replays, "grids": figures}
        found = {**found, **summary} if way is WAYS[0] else {**found, way.name: summary}
    print(json.dumps({**found, "against": "the full grid, random search, one seed of all", "machine": machine()}))


def machine() -> str:
    return machine_in_words(f"Python {platform.python_version()}", f"numpy {np.__version__}")


if __name__ == "__main__":
    main()
