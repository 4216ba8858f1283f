"""One figure by itself. No Streamlit here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """One figure by itself: its name, the figure, and what it means."""

    name: str
    figure: str
    meaning: str | None = None
