"""`python -m studio.previewing.worker PLACE SERVER DEVICE`: draws what `PLACE/asked.json` wants, one picture at a time.

What is in hand is given up between two steps once it is wanted no more. The base model stays loaded; the process ends
some minutes after the last picture, or with the server (a process's number), whichever is first. While a job has the
device, nothing is drawn.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.errors import UserError
from foundation.files import whole_file
from studio.jobs.locks import device_lock, taken
from studio.jobs.process_marks import lives, mark_of
from studio.previewing.wanted_pictures import (
    LOCK,
    WantedPicture,
    asked_for,
    keep_failure,
    keep_step,
    next_wanted,
    sweep,
)

if TYPE_CHECKING:  # torch is loaded once there is something to draw
    from studio.previewing.blend_pictures import BlendPictures

IDLE = 300.0  # seconds without a picture to draw after which the base model's memory is given back
PAUSE = 0.1  # seconds between two looks at what is wanted


def main() -> None:
    """Draw until nobody asks any more."""
    place, server, device = Path(sys.argv[1]), mark_of(int(sys.argv[2])), sys.argv[3]
    lock = taken(place / LOCK)
    if lock is None:
        return
    sweep(place)
    drawer, last = None, time.monotonic()
    while time.monotonic() - last < IDLE and (server is None or lives(server)):
        wanted = next_wanted(place)
        if wanted is None:
            time.sleep(PAUSE)
            continue
        held = taken(device_lock(device))
        if held is None:
            time.sleep(PAUSE)
            continue
        try:
            drawer = _draw(place, wanted, drawer)
        finally:
            held.release()
        last = time.monotonic()


def _draw(place: Path, wanted: WantedPicture, drawer: BlendPictures | None) -> BlendPictures | None:
    """Draw one, and what draws the next; a failure is kept where the page finds it."""
    keep_step(place, wanted, 0)
    try:
        from studio.previewing.blend_pictures import BlendPictures, NotWantedError

        drawer = drawer or BlendPictures()
        try:
            png = drawer.png(wanted, lambda: wanted in asked_for(place), lambda done: keep_step(place, wanted, done))
        except NotWantedError:
            return drawer
        with whole_file(place / f"{wanted.digest}.png") as beside:
            beside.write_bytes(png)
    except (UserError, OSError) as problem:
        keep_failure(place, wanted, str(problem))
    except Exception as fault:
        # The page would wait for it for ever, and the next process would fail likewise.
        keep_failure(place, wanted, f"it cannot be drawn ({type(fault).__name__}: {fault}); see {place / 'worker.log'}")
        raise
    return drawer


if __name__ == "__main__":
    main()
