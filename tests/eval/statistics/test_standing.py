"""As good, worse, or not to be told yet: each is said only where it is known."""

import numpy as np
import pytest
from scipy.special import stdtrit

from eval.statistics.intervals import within_sd
from eval.statistics.standing import moderated, pairs_to_settle, standings, surely_behind

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


def test_behind_is_what_students_t_says_of_one_pair() -> None:
    """Two rows: nothing to borrow from, and one comparison; six prompts take six of the freedom."""
    within = np.tile([-1.0, 1.0], 12)
    freedom = 24 - len(set(PROMPTS))
    spread = float(within_sd(within[None], PROMPTS)[0])
    limit = float(stdtrit(freedom, 0.95)) * spread / np.sqrt(24)
    for share, behind in ((0.99, False), (1.01, True)):
        values = np.stack([within + share * limit, np.zeros(24)])
        assert surely_behind(0, values, PROMPTS).tolist() == [False, behind]


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


def test_worse_is_said_only_where_the_interval_beside_it_is_below_zero() -> None:
    differences = np.array([[0.0, 0.0], [-0.2, 0.01], [-0.2, -0.01]])
    behind, sound = np.array([False, True, True]), np.zeros(3, dtype=bool)
    assert standings(0, differences, behind, sound, 0.02) == ["first", "cannot tell", "worse"]


def test_the_first_row_too_is_called_by_the_limit_that_it_breaks() -> None:
    differences, nobody = np.zeros((2, 2)), np.zeros(2, dtype=bool)
    assert standings(0, differences, nobody, np.array([True, True]), 0.02) == ["limit", "limit"]


def test_pairs_that_settle_are_those_of_the_nearer_word_and_of_the_hardest_row() -> None:
    sd, power = np.array([0.1]), 1.281552
    level, half, behind = (pairs_to_settle(np.array([[by, by]]), sd, 0.02) for by in (0.0, -0.01, -0.1))
    for found, seen in ((level, 0.02), (half, 0.01), (behind, 0.1)):
        assert found == pytest.approx(((1.959964 + power) * 0.1 / seen) ** 2, rel=0.03, abs=1)
    both = np.array([[0.0, 0.0], [-0.1, -0.1]])
    assert level < pairs_to_settle(both, np.array([0.1, 0.1]), 0.02) < 2 * level, "both are to be told"
    unsure = pairs_to_settle(np.array([[-0.06, 0.04]]), sd, 0.02)
    assert level < unsure < half, "between here and half of what matters, it may be anywhere"
    assert pairs_to_settle(np.array([[0.0, 0.0]]), np.array([0.0]), 0.02) == 2


def test_as_many_pairs_as_are_asked_for_settle_a_row_in_four_of_five_grids() -> None:
    """True differences as unsure as the interval says; what tells them is the interval or the one-sided limit."""
    rng = np.random.default_rng(2)
    for low, high in ((-0.03, 0.03), (-0.08, 0.0), (-0.2, 0.1)):
        pairs = pairs_to_settle(np.array([[low, high]]), np.array([0.1]), 0.02)
        truth = rng.normal((low + high) / 2, (high - low) / 2 / 1.959964, 4000)
        seen, error = truth + rng.normal(0, 0.1 / pairs**0.5, 4000), 0.1 / pairs**0.5
        settled = (seen - 1.96 * error >= -0.02) | (seen + 1.645 * error <= 0)
        assert np.mean(settled) > 0.78
