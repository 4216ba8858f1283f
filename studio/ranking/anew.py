"""The same pictures ranked under other limits, at once: nothing is scored again. No Streamlit here."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal, TypeAlias

from eval.ranking.limits import Limits, limits_of
from eval.ways.ranked_together import rank_scored_together
from studio.languages.translation import noted
from studio.shared.stores import OpenedStore

Name: TypeAlias = Literal["face_rate", "prompt", "bleed", "copy"]
OFF = noted("off")
SHARES = [round(0.05 * step, 2) for step in range(41)]
DIFFERENCES = [0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2]
# What each limit is called, and what it means, in English.
CALLED: dict[Name, tuple[str, str]] = {
    "face_rate": (noted("Faces, at least"), noted("of the base model's own share of pictures with a face")),
    "prompt": (
        noted("Obedience lost, at most"),
        noted("of what tells the base model's pictures of one prompt from another's"),
    ),
    "bleed": (
        noted("Bleed, at most"),
        noted("of the way from the base model to the subject, that other people may have gone"),
    ),
    "copy": (noted("Copying, at most"), noted("of the way from the base model's pictures to a training picture")),
}


def own_limits(opened: OpenedStore) -> Limits:
    """The limits that the grid's specification sets."""
    return limits_of(opened.ranked.grid.snapshot.limits)


def choices_of(value: float | None, offered: list[float]) -> list[float | str]:
    """What a slider offers: round shares, what is set now, and no limit at all."""
    return [*sorted({*offered, *([] if value is None else [value])}), OFF]


def ranked_under(opened: OpenedStore, limits: Limits) -> OpenedStore:
    """The store as it is ranked under `limits`."""
    return opened if limits == own_limits(opened) else _ranked(opened, limits)


def place_among(opened: OpenedStore, cell: str, checkpoint: str) -> int | None:
    """Where a row stands, from 0, by its cell and its checkpoint's name; None: nowhere."""
    return next((at for at, row in enumerate(opened.rows) if (row.cell, row.checkpoint) == (cell, checkpoint)), None)


@lru_cache(maxsize=8)
def _ranked(opened: OpenedStore, limits: Limits) -> OpenedStore:
    _, rows = rank_scored_together(opened.ways, limits)
    return replace(opened, ranked=replace(opened.ranked, rows=rows))
