"""A vote: a person saw two cells' pictures of one prompt and seed, did not know whose they were, and said which is
better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from foundation.errors import UserError

Answer = Literal["left", "right", "tie", "both bad"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


class VoteError(UserError):
    """A vote that cannot be cast or kept."""


@dataclass(frozen=True)
class Pair:
    """Two cells (ids) to be compared on the pictures of one unit, and on which side each is shown."""

    left: str
    right: str
    prompt: str
    seed: int

    @property
    def cells(self) -> frozenset[str]:
        """The two, whichever side they stand on."""
        return frozenset((self.left, self.right))


@dataclass(frozen=True)
class Vote:
    """What `voter` answered of a pair, and when (UTC)."""

    pair: Pair
    answer: Answer
    voter: str
    at: datetime

    @property
    def outcome(self) -> float:
        """What the left cell gets of the one point: both bad says nothing of which is better, as a tie does."""
        return {"left": 1.0, "right": 0.0}.get(self.answer, 0.5)


def voters_of(votes: Iterable[Vote]) -> list[str]:
    """Who voted, the first voter first."""
    return list(dict.fromkeys(vote.voter for vote in votes))


def of_voter(votes: Sequence[Vote], voter: str | None) -> list[Vote]:
    """One person's votes, or everybody's for None."""
    return [vote for vote in votes if voter in (None, vote.voter)]


def bad_shares(votes: Iterable[Vote]) -> dict[str, tuple[int, int]]:
    """By cell: in how many of its pairs both were bad, and in how many it was shown."""
    found: dict[str, tuple[int, int]] = {}
    for vote in votes:
        for cell in vote.pair.cells:
            bad, shown = found.get(cell, (0, 0))
            found[cell] = bad + (vote.answer == "both bad"), shown + 1
    return found
