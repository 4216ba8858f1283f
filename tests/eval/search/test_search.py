"""The search finds what is there, says how sure it is, and is not fooled by chance. On arrays, no models."""

from pathlib import Path

import numpy as np
import pytest

from eval.search.strategies.halving import Measure, confirm, halve
from eval.search.strategies.paired_bound import bound, residual_sd
from eval.search.strategies.race import interim_looks, race
from eval.search.strategies.schedule import Schedule, first_fresh_unit, round_plan_of
from eval.search.strategies.surface import GLANCE, NARROWING, Surface
from recorded_grids.recorded_grid import RecordedGrid, RecordError, read_recorded
from recorded_grids.replays import (
    loss_of,
    one_seed,
    permuted,
    raced_out,
    redrawn,
    replay,
    round_plan_for,
    said_worse,
    shuffled,
)
from simulated_records import Size, scores_of, write_record

RECORD = Size()
# So that a rate of 5 % in so many replays is told from 10 %, in a second or two.
REPLAYS = 300


def measured(scores: np.ndarray) -> Measure:
    return lambda wanted: np.where(wanted, scores, np.nan)


def prompts_of(units: int, prompts: int = 6) -> list[str]:
    return [f"prompt {at % prompts}" for at in range(units)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> RecordedGrid:
    path = tmp_path_factory.mktemp("records") / "sim.parquet"
    write_record(path, RECORD, seed=3)
    return read_recorded(path)


def test_the_best_arm_by_far_wins_with_few_pictures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(scale=0.1, size=(90, 100))
    scores[41] += 0.5
    round_plan = round_plan_of(90, Schedule())
    halved = halve(measured(scores), round_plan, prompts_of(100))
    confirmed = confirm(measured(scores), halved, np.arange(36, 100), prompts_of(100))
    assert confirmed.choice == 41
    assert confirmed.bound.within == 0.0
    assert confirmed.bound.beaten.sum() == len(halved.finalists) - 1
    # The answer was clear, so it stopped early, beside a runner-up.
    assert len(halved.finalists) == 2
    assert halved.pictures < sum(one.pictures for one in round_plan.rounds)


@pytest.mark.parametrize("arms", [48, 96])
def test_no_picture_is_asked_for_twice_and_finalists_meet_fresh_units(arms: int) -> None:
    rng = np.random.default_rng(1)
    scores, asked = rng.normal(size=(arms, 100)), np.zeros((arms, 100), dtype=int)

    def measure(wanted: np.ndarray) -> np.ndarray:
        asked[wanted] += 1
        return np.where(wanted, scores, np.nan)

    round_plan = round_plan_of(arms, Schedule(confirm_units=12, glance=12, narrowing=4))
    halved = halve(measure, round_plan, prompts_of(100), Surface(rng.normal(size=(arms, 3)), range(arms)))
    assert asked.max() == 1
    assert (asked.sum(1) >= 1).all()
    before = asked.copy()
    fresh = first_fresh_unit(round_plan.search_units, 6)
    confirm(measure, halved, np.arange(fresh, fresh + 12), prompts_of(100))
    assert not ((asked - before) & before).any()
    assert asked.sum() <= round_plan.pictures


def test_arms_that_break_limits_go_first() -> None:
    scores = np.random.default_rng(2).normal(scale=0.05, size=(30, 20))
    scores[:5] += 1.0
    round_plan = round_plan_of(30, Schedule())
    halved = halve(measured(scores), round_plan, prompts_of(20), broken=lambda arms: (arms < 5).astype(int))
    assert not set(halved.finalists) & set(range(5))
    every = halve(measured(scores), round_plan, prompts_of(20), broken=lambda arms: np.ones(len(arms), dtype=int))
    assert set(every.finalists) <= set(range(5))


def test_the_residual_is_what_arms_and_units_do_not_explain() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 1)) + rng.normal(size=24) * 5 + rng.normal(scale=0.1, size=(200, 24))
    sd, freedom = residual_sd(values, prompts_of(24))
    assert sd == pytest.approx(0.1, rel=0.05)
    assert freedom == 199 * 18
    assert np.isnan(residual_sd(values[:, :1], prompts_of(1))[0])


@pytest.mark.filterwarnings("error")
def test_one_unit_or_one_arm_tells_nothing() -> None:
    alone = bound(np.array([[0.9, 0.8, 0.7]]), ["a", "b", "c"], 0)
    assert (alone.choice, alone.within, alone.most_ahead.tolist()) == (0, 0.0, [0.0])
    judged = bound(np.array([[0.9], [0.1]]), ["only"], 1)
    assert judged.within == np.inf
    assert not judged.beaten.any()


def test_the_bound_covers_the_truth() -> None:
    """Of finalists as close as they come, the stated bound misses the best one in 5 % of cases at most."""
    rng = np.random.default_rng(4)
    held = []
    for _ in range(100):
        truth, scores = scores_of(RECORD, rng)
        units = scores.transpose(0, 2, 1).reshape(len(truth), -1)
        first = np.argsort(-truth)[:4]
        for at in range(0, 72, 18):
            judged = bound(units[first, at : at + 18], prompts_of(18), 3)
            held.append(truth[first].max() - truth[first][judged.choice] <= judged.within)
    assert np.mean(held) >= 0.95


def test_search_costs_an_eighth_and_loses_next_to_nothing(grid: RecordedGrid) -> None:
    rng = np.random.default_rng(5)
    round_plan = round_plan_for(grid, Schedule())
    shuffles = [shuffled(grid, rng) for _ in range(REPLAYS)]
    done = [replay(one, round_plan) for one in shuffles]
    assert np.mean([one.pictures for one in done]) <= 0.12 * grid.pictures
    assert np.mean([one.loss for one in done]) <= 0.005
    assert np.mean([one.loss for one in done]) < np.mean([loss_of(one, one_seed) for one in shuffles])
    assert np.mean([replay(redrawn(grid, rng), round_plan).covered for _ in range(REPLAYS)]) >= 0.95
    # The confirmed score is not the flattering one that chose the finalists, though the best of four is still lucky.
    assert abs(np.mean([one.score_seen - one.score_held_out for one in done])) < 0.02


@pytest.mark.parametrize(("narrowing", "share"), [(0, 0.07), (NARROWING, 0.055)])
def test_reading_the_surface_costs_half_of_that(grid: RecordedGrid, narrowing: int, share: float) -> None:
    rng = np.random.default_rng(6)
    round_plan = round_plan_for(grid, Schedule(glance=GLANCE, narrowing=narrowing))
    done = [replay(shuffled(grid, rng), round_plan, Surface(grid.coordinates, grid.files)) for _ in range(40)]
    assert np.mean([one.pictures for one in done]) <= share * grid.pictures
    assert np.mean([one.loss for one in done]) <= 0.01


def test_the_surface_is_read_from_neighbours() -> None:
    """Each arm is seen once, on a unit of its own level; the hill shows all the same."""
    rng = np.random.default_rng(7)
    place = np.stack(np.meshgrid(np.arange(12.0), np.linspace(0, 1, 8), indexing="ij"), axis=-1).reshape(-1, 2)
    truth = -((place[:, 0] / 11 - 0.6) ** 2) - (place[:, 1] - 0.4) ** 2
    unit = rng.permutation(np.arange(96) % 12)
    scores = np.full((96, 12), np.nan)
    scores[np.arange(96), unit] = truth + rng.normal(size=12)[unit] + rng.normal(scale=0.1, size=96)
    estimate = Surface(place, place[:, 0].tolist())(scores, np.arange(96))
    assert np.corrcoef(estimate, truth)[0, 1] > 0.9
    assert np.corrcoef(np.nansum(scores, axis=1), truth)[0, 1] < 0.5


def test_arms_that_do_not_differ_have_a_flat_surface() -> None:
    place = np.random.default_rng(0).normal(size=(20, 3))
    assert np.ptp(Surface(place, range(20))(np.full((20, 6), 0.3), np.arange(20))) == pytest.approx(0.0)


def test_arms_that_met_no_unit_in_common_say_nothing_of_one_another() -> None:
    scores = np.full((12, 12), np.nan)
    scores[np.arange(12), np.arange(12)] = np.linspace(0, 1, 12)
    place = np.random.default_rng(0).normal(size=(12, 3))
    assert Surface(place, range(12))(scores, np.arange(12)) == pytest.approx(np.zeros(12))


def test_permuted_labels_are_not_told_apart(grid: RecordedGrid) -> None:
    rng = np.random.default_rng(8)
    round_plan = round_plan_for(grid, Schedule())
    nulls = [permuted(shuffled(grid, rng), rng) for _ in range(REPLAYS)]
    assert np.mean([raced_out(one, 0, 4) for one in nulls]) <= 0.05
    assert np.mean([said_worse(one, round_plan, 0) for one in nulls]) <= 0.05


def test_the_race_keeps_the_best_and_throws_out_the_rest() -> None:
    rng = np.random.default_rng(9)
    truth = np.r_[0.3, 0.29, np.zeros(50)]
    scores = truth[:, None] + rng.normal(size=48) + rng.normal(scale=0.1, size=(52, 48))
    raced = race(measured(scores), 52, interim_looks(4, 48), prompts_of(48))
    assert set(raced.survivors) == {0, 1}
    assert 0.0 < raced.within < 0.1
    assert raced.pictures < 0.5 * scores.size


def planted(truth: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return truth[:, None] + rng.normal(size=48) + rng.normal(scale=0.05, size=(len(truth), 48))


def test_an_arm_that_breaks_limits_sends_no_sound_one_away() -> None:
    """The likest ones bleed: the race goes on among the sound, and is certified against the sound."""
    truth = np.r_[np.full(6, 0.9), 0.5, 0.48, np.zeros(12)]
    raced = race(
        measured(planted(truth, 0)), 20, interim_looks(4, 48), prompts_of(48), broken=lambda arms: (arms < 6) * 1
    )
    assert raced.finish_order[0] in (6, 7)
    assert set(range(8, 20)).isdisjoint(raced.survivors)
    assert raced.within < 0.1
    blind = race(measured(planted(truth, 0)), 20, interim_looks(4, 48), prompts_of(48))
    assert set(blind.survivors) <= set(range(6))


def test_an_arm_that_breaks_a_limit_later_still_stands_for_those_it_sent_away() -> None:
    truth = np.r_[0.9, 0.7, np.zeros(10)]

    def broken(arms: np.ndarray) -> np.ndarray:
        later = len(arms) < 12
        return ((arms == 0) & later).astype(int)

    raced = race(measured(planted(truth, 1)), 12, interim_looks(4, 48), prompts_of(48), broken=broken)
    said = dict(zip(raced.finish_order.tolist(), raced.bounds.tolist(), strict=True))
    assert all(bound >= 0.9 - truth[arm] - 1e-9 for arm, bound in said.items() if arm != 0)


def test_the_bound_is_that_of_each_arm_that_may_be_taken() -> None:
    """Whoever is chosen in the end, by other pictures, its own bound holds against all arms, sent away or not."""
    held = []
    for seed in range(100):
        truth = np.random.default_rng(seed + 500).normal(scale=0.05, size=20)
        raced = race(measured(planted(truth, seed)), 20, interim_looks(4, 48), prompts_of(48))
        held.append((truth.max() - truth[raced.finish_order] <= raced.bounds).all())
    assert np.mean(held) >= 0.95


def test_a_budget_that_ends_leaves_the_best_of_what_is_known() -> None:
    truth = np.linspace(0, 1, 90)
    scores = np.tile(truth[:, None], (1, 100)) + np.random.default_rng(0).normal(scale=0.01, size=(90, 100))
    asked: list[int] = []

    def affordable(wanted: np.ndarray) -> bool:
        asked.append(int(wanted.sum()))
        return len(asked) < 2

    # Close together, so that none of them goes for being surely behind.
    close = 0.001 * scores + np.random.default_rng(1).normal(scale=1.0, size=scores.shape)
    round_plan = round_plan_of(90, Schedule())
    halved = halve(measured(close), round_plan, prompts_of(100), affordable=affordable)
    assert halved.unfinished
    assert len(halved.finalists) == round_plan.finalists
    assert halved.pictures == 90 * 4 + asked[0]
    raced = race(measured(close), 90, interim_looks(4, 48), prompts_of(100), affordable=lambda _: False)
    assert raced.unfinished
    assert raced.pictures == 90 * 4
    assert len(raced.bounds) == len(raced.finish_order)


def test_looks_double_and_end_with_the_last_unit() -> None:
    assert interim_looks(4, 48) == (4, 8, 16, 32, 48)
    assert interim_looks(4, 4) == (4,)


def test_a_record_comes_back_with_faceless_pictures_at_the_floor(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "sim.parquet"
    scores = write_record(path, Size(epochs=2, unet=(0.6, 1.0), te=(0.0,), prompts=2, seeds=3), seed=1)
    assert read_recorded(path).scores == pytest.approx(scores)
    rows = pd.read_parquet(path)
    rows.loc[6, "identity"] = None
    rows.loc[7, "failed"] = True
    rows.to_parquet(path)
    grid = read_recorded(path)
    changed = np.argwhere(np.abs(grid.scores - scores) > 1e-9)
    assert len(changed) == 2
    assert {grid.scores[tuple(at)] for at in changed} == {0.2}
    assert grid.arms[0] == "sim-000001 at unet=0.6,te=0"


def test_a_record_that_still_grows_leaves_out_what_is_not_whole(tmp_path: Path) -> None:
    size = Size(epochs=3, unet=(1.0,), te=(0.0, 1.0), prompts=2, seeds=4)
    write_record(tmp_path / "sim.parquet", size, seed=1, unfinished=True)
    grid = read_recorded(tmp_path / "sim.parquet")
    assert grid.left_out == ["sim-000003"]
    assert grid.scores.shape == (4, 2, 4)


def test_what_is_not_a_record_is_refused(tmp_path: Path) -> None:
    import pandas as pd

    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(RecordError, match="not a Parquet file"):
        read_recorded(tmp_path / "a.parquet")
    pd.DataFrame({"checkpoint": ["a"]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(RecordError, match="has no column"):
        read_recorded(tmp_path / "b.parquet")
