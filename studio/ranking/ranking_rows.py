"""The ranking as a table, and as the rows that its charts draw. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.column import Column
from eval.ranking.columns import COLUMNS, INTERVAL, STANDING, table_columns
from eval.ranking.ranked_cell import RankedCell
from eval.reporting.trade_off import TradeOff
from eval.request.epochs.training_order import in_training_order, on_the_way
from eval.wording.figure_texts import settings_text, text_encoder_weight
from eval.wording.subject_words import SubjectWords
from foundation.terminal_tables import NOT_MEASURED
from loras.weights import Weights
from studio.languages.retelling import told
from studio.languages.translation import noted, tr
from studio.ranking.remarks import Remark, marks_of
from studio.shared.figure_tile import Tile
from studio.shared.pictures import median_pictures
from studio.shared.stores import OpenedStore
from studio.shared.tables import Table, table_of
from studio.shared.vega_lite import Rows

NO_OTHER, PLACE, PICTURE, EACH = noted("none"), "#", "picture", noted("each picture")
MOST_BARS = 48  # of a small chart in the table
NONE: Mapping[str, Remark] = {}


@dataclass(frozen=True)
class Filters:
    """Which rows to show; an empty choice is no limit."""

    checkpoints: Sequence[str] = ()
    also: Sequence[str] = ()
    within_limits: bool = False

    def keep(self, row: RankedCell) -> bool:
        """Whether a row is to be shown."""
        return (
            (not self.checkpoints or row.checkpoint in self.checkpoints)
            and (not self.also or also_of(row) in self.also)
            and not (self.within_limits and row.broken)
        )


def also_of(row: RankedCell) -> str:
    """The other LoRAs blended in, as a choice of its own where there are none."""
    return row.also or NO_OTHER


def ranking_table(opened: OpenedStore, places: Sequence[int], remarks: Mapping[str, Remark] = NONE) -> Table:
    """The rows at `places` of the ranking, each with its place from 1 and a typical picture as a data URI."""
    rows = [opened.rows[place] for place in places]
    pictures = median_pictures(opened, rows)
    columns: dict[str, list[object]] = {PLACE: [row.place for row in rows]}
    if any(pictures):
        columns[PICTURE] = [*pictures]
    if any(marks := marks_of(remarks, [row.cell for row in rows])):
        columns["★"] = [*marks]
    columns[EACH] = [likeness_of_each(opened, row) for row in rows]
    columns |= {column.heading: [_value(column, row) for row in rows] for column in table_columns(rows)}
    return table_of(columns)


def likeness_of_each(opened: OpenedStore, row: RankedCell) -> list[float]:
    """The likeness of a row's pictures, the worst first, as the ranking counts them; of many some, evenly taken."""
    counted = np.sort(opened.scores.counted[opened.place_in_evidence(row)])
    places = np.linspace(0, len(counted) - 1, min(MOST_BARS, len(counted))).round().astype(int)
    return [round(float(one), 3) for one in counted[places]]


def _value(column: Column, row: RankedCell) -> float | str | None:
    """What the studio sorts by: a number, else the text."""
    if column is STANDING:
        return _standing_in_words(column.text(row))
    if column.number is None:
        return told(column.text(row))
    number = column.number(row)
    return None if number is None else column.form.times * number


def _standing_in_words(standing: str) -> str:
    """`as good`; `limit: bleed, copy`."""
    head, colon, names = standing.partition(": ")
    if not colon:
        return tr(standing)
    return tr("{standing}: {names}", standing=tr(head), names=", ".join(map(tr, names.split(", "))))


def tiles_of(row: RankedCell, words: SubjectWords) -> list[Tile]:
    """The figures that sum up a row; what was not measured is left out."""
    return [
        Tile(tr(column.heading).capitalize(), column.figure_text(row), told(column.explained(words)))
        for column in COLUMNS
        if column.tile and column.figure_text(row) != NOT_MEASURED
    ]


def intervals_of(row: RankedCell) -> list[str]:
    """The 95 % intervals of the row's figures that have one: "Bleed, 95 %: +0.012 (-0.010 to +0.030)."."""
    with_ends = [column for column in COLUMNS if column.tile and column.text(row) != column.figure_text(row)]
    return [
        tr("{figure}, 95 %: {value}.", figure=tr(column.heading).capitalize(), value=column.text(row))
        for column in with_ends
    ]


def usual_settings(rows: Sequence[RankedCell]) -> list[str]:
    """The best row's settings, and weight 1 where that was rendered: what most people would have used."""
    there = {row.settings for row in rows}
    usual = settings_text(Weights.of(1, 1), "", str(rows[0].on))
    return [one for one in dict.fromkeys([rows[0].settings, usual]) if one in there]


def curve_rows(rows: Sequence[RankedCell], settings: Sequence[str]) -> Rows:
    """Identity of every checkpoint at `settings`, in the order of training: checkpoint, settings, row, identity, low,
    high."""
    places = {name: at for at, name in enumerate(epochs_in_order(rows))}
    taken = [row for row in rows if row.settings in settings and row.checkpoint in places]
    return [
        {
            "checkpoint": row.checkpoint,
            "settings": row.settings,
            "row": row.place,
            "identity": row.identity,
            "low": row.identity_low,
            "high": row.identity_high,
        }
        for row in sorted(taken, key=lambda row: places[row.checkpoint])
    ]


def trade_off_rows(found: TradeOff) -> Rows:
    """Likeness against what it costs: name, row, cost, identity, kind."""
    return [
        {
            "name": one.row.name,
            "row": one.row.place,
            "cost": one.cost,
            "identity": one.row.identity,
            "kind": tr(one.place.value),
        }
        for one in found.points
    ]


def checkpoints_in_order(rows: Sequence[RankedCell]) -> list[str]:
    """The names of the checkpoints, in the order of training."""
    known = in_training_order(rows, lambda row: row.trained)
    return list(dict.fromkeys(row.checkpoint for row in known))


def epochs_in_order(rows: Sequence[RankedCell]) -> list[str]:
    """The same of those that are an epoch or a step of a training: no blend, and nobody else's file."""
    known = on_the_way((row for row in rows if row.guest is None), lambda row: row.trained)
    return list(dict.fromkeys(row.checkpoint for row in known))


def heat_rows(rows: Sequence[RankedCell], checkpoint: str) -> Rows:
    """Identity over the weights of one checkpoint, drawn as the best of its rows: unet, te, also, row, identity,
    interval, standing, broken, best."""
    all_own = [row for row in rows if row.checkpoint == checkpoint]
    own = [row for row in all_own if row.on == all_own[0].on]
    return [
        {
            "unet": row.unet,
            "te": text_encoder_weight(row.te1, row.te2),
            "also": also_of(row),
            "row": row.place,
            "identity": row.identity,
            "interval": told(INTERVAL.text(row)),
            "standing": tr(row.standing),
            "broken": bool(row.broken),
            "best": row is rows[0],
        }
        for row in own
    ]
