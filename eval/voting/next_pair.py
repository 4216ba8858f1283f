"""Which pair to show next: two that may both be the best, on pictures that were shown least.

Top-two Thompson sampling (Russo 2016, arXiv:1602.08448): the best of one draw of strengths that the votes leave open,
against the best of another draw in which it is not. Votes so go to the cells between which the choice lies, and no cell
is given up for ever.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from eval.voting.strengths import Strengths
from eval.voting.vote import Pair, Vote

MOST_DRAWS = 200  # until the second cell is simply the next likeliest


def next_pair(
    strengths: Strengths, units: Sequence[tuple[str, int]], votes: Sequence[Vote], rng: random.Random
) -> Pair:
    """A pair of different cells on one of `units` (prompt, seed), sides at random."""
    one, other = _contenders(strengths, rng)
    prompt, seed = _unit(frozenset((one, other)), units, votes, rng)
    left, right = (one, other) if rng.random() < 0.5 else (other, one)
    return Pair(left, right, prompt, seed)


def _contenders(strengths: Strengths, rng: random.Random) -> tuple[str, str]:
    firsts = strengths.draws.argmax(1)
    best = int(firsts[rng.randrange(len(firsts))])
    for _ in range(MOST_DRAWS):
        second = int(firsts[rng.randrange(len(firsts))])
        if second != best:
            break
    else:
        second = int(np.argsort(-strengths.strength)[0])
        second = second if second != best else int(np.argsort(-strengths.strength)[1])
    return strengths.cells[best], strengths.cells[second]


def _unit(
    cells: frozenset[str], units: Sequence[tuple[str, int]], votes: Sequence[Vote], rng: random.Random
) -> tuple[str, int]:
    """The unit on which these two were shown least, and of those the one that was shown least at all."""
    together = Counter((vote.pair.prompt, vote.pair.seed) for vote in votes if vote.pair.cells == cells)
    ever = Counter((vote.pair.prompt, vote.pair.seed) for vote in votes)
    return min(units, key=lambda unit: (together[unit], ever[unit], rng.random()))
