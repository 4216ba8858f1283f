"""Seeds that a grid cannot mean are refused: random ones, too many, the same twice."""

from __future__ import annotations

import pytest

from eval.request.spec import PromptsSection
from foundation.seeds import LARGEST_SEED, MOST_SEEDS


def seeds(asked: object) -> list[int]:
    known = {"texts": ["ohwx"], "trigger": "ohwx", "class": "person"}
    return PromptsSection.model_validate({**known, "seeds": asked}).seed_list


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([-1], "-1: a seed is from 0.*random seed in A1111"),
        ([1, -5], "-5: a seed is from 0"),
        ([LARGEST_SEED + 1], "a seed is from 0"),
        ([3, 1, 3, 1], "1, 3: in the list more than once"),
        ([], "at least one seed"),
        (0, "at least one"),
        (-1, "at least one"),
        (10_000_000_000, r"at most 100000; for that very seed write seeds = \[10000000000\]"),
    ],
)
def test_refused(asked: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        seeds(asked)


def test_taken() -> None:
    assert seeds(3) == [1, 2, 3]
    assert seeds([10_000_000_000, 0]) == [10_000_000_000, 0]
    assert len(seeds(MOST_SEEDS)) == MOST_SEEDS
