"""What a search has spent, and whether the next thing can be afforded beside what has to be left for the end."""

from __future__ import annotations

from dataclasses import dataclass

from eval.store import Store

KEY = "search_spent"
TIMED = 8  # pictures that are timed before their rate is believed


@dataclass
class Purse:
    """A budget in pictures or in seconds of wall time (or none), and what of it is gone, kept in the store.

    `began`: how many pictures the store had when the search began, so that those of a run that was killed count, too.
    """

    store: Store
    request: str
    pictures: int | None = None
    seconds: float | None = None
    began: int = 0
    spent_seconds: float = 0.0
    timed: int = 0

    @classmethod
    def opened(cls, store: Store, request: str, pictures: int | None, seconds: float | None) -> Purse:
        """The purse of a search that may have been interrupted."""
        kept = store.fact(KEY) or {}
        if kept.get("request") != request:
            return cls(store, request, pictures, seconds, store.count_pictures())
        numbers = {key: float(str(kept[key])) for key in ("began", "seconds", "timed")}
        return cls(store, request, pictures, seconds, int(numbers["began"]), numbers["seconds"], int(numbers["timed"]))

    @property
    def spent(self) -> int:
        """Pictures rendered for this search."""
        return self.store.count_pictures() - self.began

    @property
    def seconds_a_picture(self) -> float | None:
        """As this search's own pictures took, scoring included; None before enough were made."""
        return self.spent_seconds / self.timed if self.timed >= TIMED else None

    def pay(self, pictures: int, seconds: float) -> None:
        """Note that so many pictures were made in that time."""
        self.spent_seconds += seconds
        self.timed += pictures
        kept = {"began": self.began, "seconds": self.spent_seconds, "timed": self.timed}
        self.store.set_fact(KEY, {"request": self.request, **kept})

    def left(self, seconds_a_picture: float | None) -> float:
        """How many more pictures can be paid, at the speed seen so far, or else as `seconds_a_picture` says."""
        if self.pictures is not None:
            return self.pictures - self.spent
        rate = self.seconds_a_picture or seconds_a_picture
        if self.seconds is None or not rate:
            return float("inf")
        return (self.seconds - self.spent_seconds) / rate
