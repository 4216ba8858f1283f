"""Times as people say them: how long it takes, and when it will be done. No Streamlit here."""

from __future__ import annotations

from datetime import datetime, timedelta

from eval.store.store_progress import StoreProgress

MINUTE, HOUR, DAY = 60, 3600, 86400


def lasting(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 days`."""
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min"
    if seconds < 2 * DAY:
        hours, minutes = divmod(round(seconds / MINUTE), 60)
        return f"{hours} h {minutes:02} min"
    return f"{seconds / DAY:.0f} days"


def done_at(left: float, now: datetime) -> str:
    """`about 3 min left, done at 14:05`; another day is named."""
    end = now + timedelta(seconds=left)
    day = "" if end.date() == now.date() else f"{end:%a} "
    return f"about {lasting(left)} left, done at {day}{end:%H:%M}"


def ago(since: float) -> str:
    """`just now`, `12 min ago`."""
    return "just now" if since < 5 else f"{lasting(since)} ago"


def how_far(progress: StoreProgress, now: datetime) -> str:
    """How many pictures of a store there are, when the last will be, and whether anybody still draws."""
    if progress.total is None:
        said = f"{progress.made} pictures are rendered so far"
    else:
        said = f"{progress.made} of {progress.total} pictures are rendered"
    if progress.since is None:
        return f"{said}. If the grid runs now, the first comes soon."
    last = f"the last one {ago(progress.since)}"
    if progress.is_quiet:
        return f"{said}, {last}: nobody draws now. The same command goes on where it stopped."
    if progress.total is not None and progress.made >= progress.total:
        return f"{said}, {last}: they are being scored."
    return f"{said}, {last}" + (f"; {done_at(progress.left, now)}." if progress.left is not None else ".")
