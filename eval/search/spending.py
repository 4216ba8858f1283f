"""What a search has spent, and whether the next thing can be afforded beside what has to be left for the end."""

from __future__ import annotations

from dataclasses import dataclass

from eval.store.store import Store
from eval.store.tables import Spent

LEAST_TIMED = 8  # pictures that are timed before their rate is believed


@dataclass(frozen=True)
class Spending:
    """A budget in pictures or in seconds of wall time (or none) for the search of that `request`, a hash.

    What of it is gone is what the store has written down for the request, picture by picture as they were rendered: a
    search that was killed goes on with what it had left, and what other commands render meanwhile costs it nothing.
    """

    store: Store
    request: str
    pictures: int | None = None
    seconds: float | None = None

    @property
    def spent(self) -> Spent:
        """What was rendered for this search, made again after its file was deleted or not, in all its runs."""
        return self.store.spent(self.request)

    @property
    def seconds_a_picture(self) -> float | None:
        """As this search's own pictures took, scoring included; None before enough were made."""
        spent = self.spent
        return spent.seconds / spent.pictures if spent.pictures >= LEAST_TIMED else None

    def left(self, seconds_a_picture: float | None) -> float:
        """How many more pictures can be paid, at the speed seen so far, or else as `seconds_a_picture` says."""
        if self.pictures is not None:
            return self.pictures - self.spent.pictures
        rate = self.seconds_a_picture or seconds_a_picture
        if self.seconds is None or not rate:
            return float("inf")
        return (self.seconds - self.spent.seconds) / rate
