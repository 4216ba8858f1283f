"""As good, worse, or not to be told yet: each is said only where it is known."""

import numpy as np
import pytest

from eval.statistics.standing import moderated, standings, surely_behind

PROMPTS = [f"p{at // 4}" for at in range(24)]
NAN = float("nan")


def test_each_word_has_its_reason() -> None:
    differences = np.array([[0, 0], [-0.019, 0.01], [-0.05, 0.02], [-0.3, -0.1], [-0.3, -0.2], [NAN, NAN], [0, 0]])
    worse = np.array([False, False, False, True, True, False, False])
    broken = np.array([False, False, False, False, True, False, False])
    assert standings(0, differences, worse, broken, 0.02) == [
        "first", "as good", "cannot tell", "worse", "limit", "cannot tell", "as good",
    ]  # fmt: skip
    assert standings(0, differences, worse, broken, 0.01)[1] == "cannot tell"
    assert standings(0, differences, worse, broken, 0.05)[2] == "as good"


@pytest.mark.parametrize(("rows", "spread"), [(12, 0.02), (60, 0.0), (60, 0.02)])
def test_the_truly_best_row_is_rarely_called_worse(rows: int, spread: float) -> None:
    lost = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        truth = rng.normal(0, 1, rows) * spread
        values = truth[:, None] + rng.normal(0, 0.07, (rows, 24))
        lost.append(surely_behind(int(values.mean(1).argmax()), values, PROMPTS)[truth.argmax()])
    assert np.mean(lost) <= 0.08


def test_a_row_far_behind_is_worse_and_the_first_and_its_twin_are_not() -> None:
    rng = np.random.default_rng(0)
    values = np.array([0.6, 0.6, 0.2])[:, None] + rng.normal(0, 0.05, (3, 24))
    values[1] = values[0]
    assert surely_behind(0, values, PROMPTS).tolist() == [False, False, True]
    assert not surely_behind(0, values[:, :1], ["p"]).any()
    assert not surely_behind(0, values[:2], PROMPTS).any()


def test_variances_that_are_alike_count_as_one_and_others_keep_their_own() -> None:
    rng = np.random.default_rng(1)
    alike, freedom = moderated(rng.chisquare(6, 200) / 6, 6)
    assert freedom > 100
    assert np.ptp(alike) < 0.2
    own = np.exp(rng.normal(0, 1.5, 200))
    apart, freedom = moderated(own * rng.chisquare(6, 200) / 6, 6)
    assert freedom < 9
    assert np.corrcoef(np.log(apart), np.log(own))[0, 1] > 0.9
    assert moderated(np.array([0.3]), 6)[1] == 6.0
