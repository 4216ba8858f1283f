"""The ranking as DataFrames: what the tables and charts show. Columns are declared once. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from eval.ranking.ranking import RankedCell
from eval.ranking.subject_words import SubjectWords
from eval.reporting.ranking_table import COLUMNS
from studio.logic.catalogue import OpenedStore
from studio.logic.pictures import typical_picture

NO_OTHER = "none"
COLUMN_OF = {column.heading: column for column in COLUMNS}


@dataclass(frozen=True)
class Filters:
    """Which rows to show; an empty choice is no limit."""

    checkpoints: Sequence[str] = ()
    also: Sequence[str] = ()
    within_limits: bool = False

    def let(self, row: RankedCell) -> bool:
        return (
            (not self.checkpoints or row.checkpoint in self.checkpoints)
            and (not self.also or also_of(row) in self.also)
            and not (self.within_limits and row.broken)
        )


@dataclass(frozen=True)
class FrameColumn:
    """A column of numbers or text, with its printf format (None for text) and what its heading means."""

    heading: str
    of: Callable[[RankedCell], object]
    form: str | None = None
    meaning: str = ""

    def help(self, words: SubjectWords) -> str:
        return self.meaning or meaning_of(self.heading, words)


def meaning_of(heading: str, words: SubjectWords) -> str:
    """What a figure means, in a sentence, however its heading is capitalised."""
    column = COLUMN_OF.get(heading.lower()) or COLUMN_OF.get(heading)
    return column.explained(words) if column else ""


def also_of(row: RankedCell) -> str:
    return row.also or NO_OTHER


def te_of(row: RankedCell) -> str:
    return f"{row.te1:g}" if row.te1 == row.te2 else f"{row.te1:g} / {row.te2:g}"


def interval_of(row: RankedCell) -> str | None:
    if row.identity_low is None or row.identity_high is None:
        return None
    return f"{row.identity_low:.3f} to {row.identity_high:.3f}"


def standing_of(row: RankedCell) -> str:
    return "limit" if row.broken else "tied" if row.tied_with_best else ""


RANKING: tuple[FrameColumn, ...] = (
    FrameColumn(
        "standing", standing_of, meaning="tied: these pictures cannot tell it from the first row; limit: it breaks one"
    ),
    FrameColumn("checkpoint", lambda row: row.checkpoint),
    FrameColumn("UNet", lambda row: row.unet, "%.2g"),
    FrameColumn("TEnc", te_of),
    FrameColumn("also", lambda row: row.also),
    FrameColumn("identity", lambda row: row.identity, "%.3f"),
    FrameColumn("95 %", interval_of),
    FrameColumn("of ceiling", lambda row: _hundredfold(row.identity_normalised), "%.0f %%"),
    FrameColumn("prompt", lambda row: row.prompt, "%+.3f"),
    FrameColumn("faces", lambda row: _hundredfold(row.face_rate), "%.0f %%"),
    FrameColumn("bleed", lambda row: row.bleed, "%+.3f"),
    FrameColumn("copy", lambda row: row.copy, "%+.3f"),
    FrameColumn("spread", lambda row: row.spread, "%.3f"),
    FrameColumn("best", lambda row: _hundredfold(row.probability_best), "%.0f %%"),
    FrameColumn("second", lambda row: _hundredfold(row.second.identity_normalised) if row.second else None, "%.0f %%"),
    FrameColumn("front", lambda row: "yes" if row.pareto_front else ""),
)


def ranking_frame(opened: OpenedStore, places: Sequence[int]) -> pd.DataFrame:
    """The rows at `places` of the ranking, indexed by place from 1, each with a typical picture as a data URI."""
    rows = [opened.rows[place] for place in places]
    columns: dict[str, list[object]] = {"picture": [typical_picture(opened, row) for row in rows]}
    columns |= {column.heading: [column.of(row) for row in rows] for column in RANKING}
    frame = pd.DataFrame(columns, index=pd.Index([place + 1 for place in places], name="#"))
    return frame.loc[:, frame.notna().any() & (frame != "").any()]


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def figures_of(row: RankedCell) -> dict[str, str]:
    """A row's figures by name, as text; what was not measured is left out."""
    figures = {
        "Identity": f"{row.identity:.3f}",
        "Of ceiling": None if row.identity_normalised is None else f"{row.identity_normalised:.0%}",
        "Faces": None if row.face_rate is None else f"{row.face_rate:.0%}",
        "Prompt": None if row.prompt is None else f"{row.prompt:+.3f}",
        "Bleed": None if row.bleed is None else f"{row.bleed:+.3f}",
        "Copy": None if row.copy is None else f"{row.copy:+.3f}",
    }
    return {name: text for name, text in figures.items() if text is not None}


def settings_of(row: RankedCell) -> str:
    """What an epoch curve holds fixed."""
    return row.weights + (f" with {row.also}" if row.also else "")


def usual_settings(rows: Sequence[RankedCell]) -> list[str]:
    """The best row's settings, and weight 1 where that was rendered: what most people would have used."""
    there = {settings_of(row) for row in rows}
    return [one for one in dict.fromkeys([settings_of(rows[0]), "unet=1,te=1"]) if one in there]


def curve_frame(rows: Sequence[RankedCell], settings: Sequence[str]) -> pd.DataFrame:
    """Identity of every checkpoint at `settings`: columns checkpoint, place, settings, identity, low, high."""
    places = {name: at for at, name in enumerate(checkpoints_in_order(rows))}
    taken = [row for row in rows if settings_of(row) in settings]
    return pd.DataFrame(
        {
            "checkpoint": [row.checkpoint for row in taken],
            "place": [places[row.checkpoint] for row in taken],
            "settings": [settings_of(row) for row in taken],
            "identity": [row.identity for row in taken],
            "low": [row.identity_low for row in taken],
            "high": [row.identity_high for row in taken],
        }
    ).sort_values("place")


def checkpoints_in_order(rows: Sequence[RankedCell]) -> list[str]:
    """The names of the checkpoints, in the order of training."""
    known = sorted(rows, key=lambda row: (row.epoch is None, row.epoch or 0, row.checkpoint))
    return list(dict.fromkeys(row.checkpoint for row in known))


def heat_frame(rows: Sequence[RankedCell], checkpoint: str) -> pd.DataFrame:
    """Identity over the weights of one checkpoint: columns unet, te, also, identity, standing, best."""
    own = [row for row in rows if row.checkpoint == checkpoint]
    return pd.DataFrame(
        {
            "unet": [row.unet for row in own],
            "te": [te_of(row) for row in own],
            "also": [also_of(row) for row in own],
            "identity": [row.identity for row in own],
            "interval": [interval_of(row) or "not measured" for row in own],
            "standing": [standing_of(row) for row in own],
            "broken": [bool(row.broken) for row in own],
            "best": [row is rows[0] for row in own],
        }
    )
