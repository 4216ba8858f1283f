"""Times as people say them: how long it takes, and when it will be done. No Streamlit here."""

from __future__ import annotations

from datetime import datetime, timedelta

from eval.store.store_progress import StoreProgress
from studio.languages.translation import noted, tr, tr_many

MINUTE, HOUR, DAY = 60, 3600, 86400
DAYS = noted("Mon"), noted("Tue"), noted("Wed"), noted("Thu"), noted("Fri"), noted("Sat"), noted("Sun")


def lasting(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 days`."""
    if seconds < 90:
        return tr("{count} s", count=round(seconds))
    if seconds < HOUR:
        return tr("{count} min", count=round(seconds / MINUTE))
    if seconds < 2 * DAY:
        hours, minutes = divmod(round(seconds / MINUTE), 60)
        return tr("{hours} h {minutes} min", hours=hours, minutes=f"{minutes:02}")
    return tr("{count} days", count=f"{seconds / DAY:.0f}")


def done_at(left: float, now: datetime) -> str:
    """`about 3 min left, done at 14:05`; another day is named."""
    end = now + timedelta(seconds=left)
    time = f"{end:%H:%M}" if end.date() == now.date() else f"{tr(DAYS[end.weekday()])} {end:%H:%M}"
    return tr("about {duration} left, done at {time}", duration=lasting(left), time=time)


def ago(since: float) -> str:
    """`just now`, `12 min ago`."""
    return tr("just now") if since < 5 else tr("{duration} ago", duration=lasting(since))


def how_far(progress: StoreProgress, now: datetime) -> str:
    """How many pictures of a store there are, when the last will be, and whether anybody still draws."""
    if progress.total is None:
        said = tr_many("{count} picture is rendered so far", "{count} pictures are rendered so far", progress.made)
    else:
        said = tr("{done} of {total} pictures are rendered", done=progress.made, total=progress.total)
    if progress.is_being_drawn and progress.is_before_its_first:
        return tr("{state}. A grid has just begun with it; its first picture comes soon.", state=said)
    if progress.since is None:
        return tr("{state}. If the grid runs now, the first comes soon.", state=said)
    told = {"state": said, "time": ago(progress.since)}
    if progress.is_quiet:
        return tr("{state}, the last one {time}: nobody draws now. The same command goes on where it stopped.", **told)
    if progress.total is not None and progress.made >= progress.total:
        return tr("{state}, the last one {time}: they are being scored.", **told)
    if progress.left is None:
        return tr("{state}, the last one {time}.", **told)
    return tr("{state}, the last one {time}; {left}.", left=done_at(progress.left, now), **told)


def pictures_in_words(count: int) -> str:
    """`1 picture`, `24 pictures`."""
    return tr_many("{count} picture", "{count} pictures", count)
