"""Simulated voters of a known order: is the true best among those that are named, and after how many votes?

`--cells` cells with true strengths drawn from a bell curve; a voter prefers as Bradley and Terry say, and calls a tie
the more often the nearer two cells are. (a) `--votes` votes on the pairs that are asked for; (b) as many, and twice as
many, on random pairs. The last line is one JSON object: in what share of the simulations the true best is among the
named, and how many are named, of each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from eval.voting.next_pair import next_pair
from eval.voting.strengths import Strengths, strengths_of
from eval.voting.vote import Answer, Pair, Vote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

AT = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = [(f"prompt {one}", seed) for one in range(6) for seed in range(4)]
TIES = 0.25  # of votes between two cells that are alike
SPREADS = (0.5, 1.0, 2.0)
Chooser = Callable[[Strengths, Sequence[Vote], random.Random], Pair]


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--votes", type=int, default=40)
    parser.add_argument("--simulations", type=int, default=300, help="of each spread")
    return parser.parse_args()


def answered(pair: Pair, truth: dict[str, float], rng: random.Random) -> Vote:
    """What a voter says who sees the truth through noise."""
    apart = truth[pair.left] - truth[pair.right]
    answer: Answer = "left" if rng.random() < 1 / (1 + np.exp(-apart)) else "right"
    if rng.random() < TIES * float(np.exp(-abs(apart))):
        answer = "tie"
    return Vote(pair, answer, "simulated", AT)


def by_queue(strengths: Strengths, votes: Sequence[Vote], rng: random.Random) -> Pair:
    """The pair that the studio would show."""
    return next_pair(strengths, UNITS, votes, rng)


def at_random(strengths: Strengths, votes: Sequence[Vote], rng: random.Random) -> Pair:
    """Any pair."""
    del votes
    left, right = rng.sample(strengths.cells, 2)
    return Pair(left, right, *rng.choice(UNITS))


def named(truth: dict[str, float], count: int, choose: Chooser, rng: random.Random) -> tuple[str, ...]:
    """Who is named best after so many votes. Random pairs need no strengths on the way."""
    votes: list[Vote] = []
    strengths = strengths_of(list(truth), votes)
    for _ in range(count):
        votes.append(answered(choose(strengths, votes, rng), truth, rng))
        if choose is by_queue:
            strengths = strengths_of(list(truth), votes)
    return strengths_of(list(truth), votes).named_best


def main() -> None:
    request = asked()
    ways: dict[str, tuple[int, Chooser]] = {
        "queue": (request.votes, by_queue),
        "random": (request.votes, at_random),
        "random_twice": (2 * request.votes, at_random),
    }
    figures: dict[str, dict[str, list[float]]] = {}
    for spread, (way, (count, choose)) in itertools.product(SPREADS, ways.items()):
        held, sizes = [], []
        for number in range(request.simulations):
            rng = random.Random(f"{spread}/{number}/{way}")
            drawn = np.random.default_rng(number).normal(0, spread, request.cells)
            truth = {f"cell {at}": float(one) for at, one in enumerate(drawn)}
            found = named(truth, count, choose, rng)
            held.append(max(truth, key=truth.__getitem__) in found)
            sizes.append(len(found))
        figures.setdefault(way, {})[str(spread)] = [round(float(np.mean(held)), 4), round(float(np.mean(sizes)), 3)]
        print(f"spread {spread}, {way}: best among named {np.mean(held):.3f}, named {np.mean(sizes):.2f}", flush=True)
    print(
        json.dumps(
            {
                "cells": request.cells,
                "votes": request.votes,
                "simulations": request.simulations,
                "named_holds_best": min(one[0] for one in figures["queue"].values()),
                "held_and_named_by_spread": figures,
                "machine": machine_in_words(),
            }
        )
    )


if __name__ == "__main__":
    main()
