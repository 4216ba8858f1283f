"""Reads the libraries of the pages of a store while the browser starts. No Streamlit here.

On a slow machine they take two seconds, which the first visitor would else wait for.
"""

from __future__ import annotations

import gc
from importlib import import_module
from threading import Thread

# What the pages of a store import between them, and what they reckon with; none of it loads a model's library.
OF_PAGES = ("studio.ranking.known_charts", "studio.shared.stores", "studio.picture_wall.chosen_place", "scipy.special")


def read_ahead() -> Thread:
    """Begin, in a thread that nothing waits for; it is given back."""
    reading = Thread(target=_read, name="libraries read ahead", daemon=True)
    reading.start()
    return reading


def _read() -> None:
    for name in OF_PAGES:
        import_module(name)
    # Streamlit looks for garbage in all there is after each run of the page, while the pictures of that page wait for
    # Python: what libraries are made of stays for good, so it need not be looked at.
    gc.collect()
    gc.freeze()
