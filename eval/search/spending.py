"""What a search has spent, and whether the next thing can be afforded beside what has to be left for the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eval.store.store import Store
from eval.store.tables import Spent

LEAST_TIMED = 8  # pictures that are timed before their rate is believed


@dataclass(frozen=True)
class Spending:
    """A budget in UNet forwards or in seconds of wall time (or none) for a search.

    `accounts`: the requests (hashes) to which the store puts its pictures, with the UNet forwards of each of them.
    What of it is gone is what the store has written down for them, picture by picture as they were rendered: a search
    that was killed goes on with what it had left, and what other commands render meanwhile costs it nothing.
    """

    store: Store
    accounts: Mapping[str, int]
    budget: int | None = None
    seconds: float | None = None

    @property
    def spent(self) -> Spent:
        """What was rendered for this search, made again after its file was deleted or not, in all its runs."""
        found = [self.store.spent(request) for request in self.accounts]
        request = next(iter(self.accounts))
        return Spent(request, sum(one.pictures for one in found), sum(one.seconds for one in found))

    @property
    def forwards(self) -> int:
        """What that took, in UNet forwards."""
        return sum(self.store.spent(request).pictures * each for request, each in self.accounts.items())

    @property
    def seconds_a_forward(self) -> float | None:
        """As this search's own pictures took, scoring included; None before enough were made."""
        spent = self.spent
        return spent.seconds / self.forwards if spent.pictures >= LEAST_TIMED else None

    def left(self, seconds_a_forward: float | None) -> float:
        """How many more UNet forwards can be paid, at the speed seen so far, or else as `seconds_a_forward` says."""
        if self.budget is not None:
            return self.budget - self.forwards
        rate = self.seconds_a_forward or seconds_a_forward
        if self.seconds is None or not rate:
            return float("inf")
        return (self.seconds - self.spent.seconds) / rate
