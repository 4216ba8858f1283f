"""How far the grid of a store is: what was asked for, what is there, and how fast it came of late."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from eval.store.store import Store
from eval.store.tables import PictureRow
from foundation.errors import UserError

GRID, ASKED = "grid", "asked"
LATEST = 128  # pictures that the speed is told from
NANOSECONDS = 1e9
QUIET = 300.0  # seconds without a picture, and so many times the usual wait: then nobody draws any more
TIMES = 20


@dataclass(frozen=True)
class StoreProgress:
    """`made` of `total` pictures (None where it was never said), `each` seconds a picture of late, None where too few
    are there; `since`: seconds since the last one; `is_finished`: it can be ranked, and nothing more is asked of it.

    `since_asked`: seconds since a grid began with it; None where none said so. `is_stopped`: it said that it ended.
    """

    made: int
    total: int | None
    is_finished: bool
    each: float | None
    since: float | None
    since_asked: float | None = None
    is_stopped: bool = False

    @property
    def left(self) -> float | None:
        """Seconds until the last picture, as fast as of late."""
        return None if self.total is None or self.each is None else max(0, self.total - self.made) * self.each

    @property
    def is_quiet(self) -> bool:
        """Whether it was stopped, or nothing came for so long that nobody draws it now."""
        last = min((one for one in (self.since, self.since_asked) if one is not None), default=None)
        return self.is_stopped or last is None or last > max(QUIET, TIMES * (self.each or 0.0))

    @property
    def is_before_its_first(self) -> bool:
        """Whether no picture came since a grid began with it."""
        return self.since is None or (self.since_asked is not None and self.since > self.since_asked + 1)

    @property
    def is_being_drawn(self) -> bool:
        """Whether a grid draws it at this moment, as far as the store tells: a second one would draw it again."""
        return not self.is_finished and not self.is_quiet


def ask(store: Store, pictures: int, there: int) -> None:
    """Keep how many pictures are asked for, of which so many are `there`, before the others are drawn."""
    others = store.count_pictures() - there
    store.set_fact(ASKED, {"pictures": pictures, "others": others, "at": int(time.time())})


@contextmanager
def noted_if_stopped(store: Store) -> Generator[None]:
    """Note in the store that nobody draws it any more where the block does not come to its end."""
    try:
        yield
    except BaseException:
        with suppress(OSError, SQLAlchemyError, UserError):  # what stopped it is to be told, not this
            if asked := store.fact(ASKED):
                store.set_fact(ASKED, {**asked, "stopped": int(time.time())})
        raise


def answered(store: Store) -> None:
    """Note that all that was asked for is there, and scored."""
    if asked := store.fact(ASKED):
        store.set_fact(ASKED, {**asked, "is_done": True})


def progress_of(store: Store, now: float | None = None) -> StoreProgress:
    """How far the store is; `now` in seconds since 1970. Raises StoreError where a fact is damaged."""
    asked = store.fact(ASKED) or {}
    is_asked_for = bool(asked) and not asked.get("is_done")
    total, others = _count(asked.get("pictures")), _count(asked.get("others")) or 0
    times = _latest(store)
    span = (times[0] - times[-1]) / NANOSECONDS if len(times) > 1 else 0.0
    began, stopped = _count(asked.get("at")), _count(asked.get("stopped"))
    seconds = time.time() if now is None else now
    return StoreProgress(
        made=max(0, store.count_pictures() - others),
        total=total,
        is_finished=store.fact(GRID) is not None and not is_asked_for,
        each=span / (len(times) - 1) if span > 0 else None,
        since=max(0.0, seconds - times[0] / NANOSECONDS) if times else None,
        since_asked=None if began is None else max(0.0, seconds - began),
        # What came later than a second after it is somebody else's, a search's for one.
        is_stopped=stopped is not None and (not times or times[0] / NANOSECONDS < stopped + 1),
    )


def _latest(store: Store) -> list[int]:
    """When the files of the pictures that were recorded last were written, in ns, the latest first."""
    rows = select(PictureRow.changed).where(PictureRow.changed.is_not(None))
    with Session(store.engine) as session:
        return [
            int(one or 0) for one in session.execute(rows.order_by(PictureRow.changed.desc()).limit(LATEST)).scalars()
        ]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
