"""The report: one HTML file that opens offline, with the verdict, the table, the curves and the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.ranking.columns import STANDING, table_columns
from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, SUBJECT, Scores, control_identities, identities, score
from eval.ranking.verdict import verdict
from eval.reporting.ranking_table import provenance, shared_flags, trends_of
from eval.reporting.svg_charts import Dot, HeatCell, Point, Series, heat_map, line_chart, scatter
from eval.reporting.thumbnail import thumbnail
from eval.reporting.trade_off import Place, trade_off_of
from eval.request.epochs.training_order import in_training_order, on_the_way
from eval.store.store import KeptPicture
from eval.wording.figure_texts import text_encoder_weight, with_others
from foundation.files import write_text

TEMPLATES = Path(__file__).parent / "templates"
SHEET_UNITS = 8
SHEET_BLEED_UNITS = 4
SHOWN_FAILURES = 12
OPEN_ROWS = 15
# CSS classes of a dot.
DOTS = {Place.FIRST: "best", Place.FRONT: "front", Place.BEHIND: "behind", Place.OVER: "broken"}


@dataclass(frozen=True)
class ReportData:
    """All a report shows. `picture` gives the PNG of (cell id, or None for the base model; index of the unit), which
    may not exist; `facts` are shown as they are: base model, sampler, hashes, licences."""

    title: str
    evidence: Evidence
    ranked: list[RankedCell]
    picture: Callable[[str | None, int], KeptPicture]
    facts: dict[str, str]


@dataclass(frozen=True)
class ShownPicture:
    """A picture in the page: a data URI (None: there is no sound file), what is below it, and how it is read aloud."""

    source: str | None
    caption: str
    title: str


@dataclass(frozen=True)
class Sheet:
    """Pictures of the same units side by side: `heads` over the columns, (prompt, seed) before each row."""

    heads: list[str]
    rows: list[tuple[str, int, list[ShownPicture]]]
    left_out: int


@dataclass(frozen=True)
class CaptionedPictures:
    """The pictures of a grid, captioned with how alike they are to the subject: `identity` (C, U), `control` (U,)."""

    data: ReportData
    identity: np.ndarray
    control: np.ndarray

    def shown(self, row: RankedCell | None, unit: int) -> ShownPicture:
        """The picture of a row, or of the base model, on a unit."""
        facts = self.data.evidence.units[unit]
        kept = self.data.picture(row.cell if row else None, unit)
        source = thumbnail(kept)
        who = row.name if row else "base model"
        below = self._caption(row, unit) if source else kept.fault or "damaged"
        return ShownPicture(source, below, f"{who}: {facts.prompt}, seed {facts.seed}")

    def sheet(self, columns: Sequence[RankedCell | None], heads: list[str], role: str, most: int) -> Sheet:
        """At most `most` units of a role, evenly taken, a picture of each of `columns` on each."""
        evidence = self.data.evidence
        units = evidence.where(role)
        chosen = units[np.unique(np.linspace(0, len(units) - 1, min(most, len(units))).round().astype(int))]
        rows = [
            (evidence.units[at].prompt, evidence.units[at].seed, [self.shown(row, at) for row in columns])
            for at in map(int, chosen)
        ]
        return Sheet(heads, rows, len(units) - len(chosen))

    def _caption(self, row: RankedCell | None, unit: int) -> str:
        if row and self.data.evidence.failed[self.row_of(row), unit]:
            return "failed"
        value = self.identity[self.row_of(row), unit] if row else self.control[unit]
        return self.data.evidence.words.lost_mark if np.isnan(value) else f"{value:.2f}"

    def row_of(self, row: RankedCell) -> int:
        """The index of the row's cell in the evidence's arrays."""
        return next(at for at, cell in enumerate(self.data.evidence.cells) if cell.id == row.cell)


def write_report(data: ReportData, path: Path) -> None:
    """Write the report, whole or not at all. Raises UnscorableError as the ranking does."""
    scores = score(data.evidence)
    pictures = CaptionedPictures(data, identities(data.evidence), control_identities(data.evidence))
    common = shared_flags(data.ranked)
    own = [row for row in data.ranked if row.on == data.ranked[0].on]  # a line or a map shows one way to draw
    curve = _epoch_curve(own, scores)
    said = verdict(data.ranked, data.evidence, scores)
    page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    text = page.get_template("report.html.jinja").render(
        title=data.title,
        words=data.evidence.words,
        best=said.taken or data.ranked[0],
        verdict=said,
        standing=STANDING,
        columns=[column for column in table_columns(data.ranked) if column is not STANDING],
        ranked=data.ranked,
        open_rows=OPEN_ROWS,
        common=common,
        common_set=frozenset(common),
        curve=curve[0] if curve else None,
        curve_key=curve[1] if curve else [],
        heat_maps=_heat_maps(own),
        trends=trends_of(data.ranked),
        trade_off=_trade_off(data.ranked),
        sheet=_contact_sheet(data.ranked, pictures),
        bleed_sheet=_bleed_sheet(data.ranked, pictures),
        strip=_epoch_strip(own, pictures),
        strip_unit=_unit_text(data.evidence),
        failures=_failures(data, pictures),
        provenance=provenance(data.evidence, len(data.ranked)),
        facts=data.facts,
    )
    write_text(path, text)


def _contact_sheet(ranked: Sequence[RankedCell], pictures: CaptionedPictures) -> Sheet:
    """The first, the next other cell, the last and the base model: what the order means, to the eye."""
    distinct = list({row.cell: row for row in reversed(ranked)}.values())[::-1]
    columns = [distinct[0], *distinct[1:2], *(distinct[-1:] if len(distinct) > 2 else [])]
    places = ["first", "second", "last"]
    heads = [f"{place}: {row.name}" for place, row in zip(places, columns, strict=False)]
    return pictures.sheet([*columns, None], [*heads, "base model, class word"], SUBJECT, SHEET_UNITS)


def _bleed_sheet(ranked: Sequence[RankedCell], pictures: CaptionedPictures) -> Sheet:
    """Others as the first row draws them, the row that bleeds most, where one surely does, and the base model."""
    surely = [row for row in ranked[1:] if row.bleed_low is not None and row.bleed_low > 0]
    worst = sorted(surely, key=lambda row: row.bleed or 0.0)[-1:]
    heads = ["first", *(f"bleeds most: {row.name}" for row in worst), "base model"]
    return pictures.sheet([ranked[0], *worst, None], heads, BLEED, SHEET_BLEED_UNITS)


def _by_epoch(rows: Iterable[RankedCell]) -> list[RankedCell]:
    """One row a checkpoint, in the order of training."""
    first = {row.checkpoint: row for row in reversed(list(rows))}
    return in_training_order(first.values(), lambda row: row.trained)


def _epoch_labels(rows: Sequence[RankedCell]) -> list[str]:
    epochs = [row.epoch for row in rows]
    if None not in epochs and len(set(epochs)) == len(epochs):
        return [str(epoch) for epoch in epochs]
    return [row.checkpoint if len(row.checkpoint) <= 14 else f"…{row.checkpoint[-13:]}" for row in rows]


def _epoch_curve(ranked: Sequence[RankedCell], scores: Scores) -> tuple[Markup, list[Series]] | None:
    """Identity over the epochs at the best row's weights, and at its weights alone, or at 1, where that is another."""
    best, checkpoints = ranked[0], on_the_way(_by_epoch(ranked), lambda row: row.trained)
    if len(checkpoints) < 2:
        return None
    place = {row.checkpoint: at for at, row in enumerate(checkpoints)}
    ranked = [row for row in ranked if row.checkpoint in place]
    wanted = dict.fromkeys([(best.weights, best.also), (best.weights, ""), ("unet=1,te=1", "")])
    lines = {
        settings: rows
        for settings in wanted
        if (rows := _by_epoch(row for row in ranked if (row.weights, row.also) == settings))
    }
    series: list[Series] = []
    for ((weights, also), rows), style in zip(lines.items(), ("first", "second"), strict=False):
        points = [
            Point(place[row.checkpoint], row.identity, row.identity_low, row.identity_high, bool(row.broken))
            for row in rows
        ]
        # What is graded of one checkpoint alone makes no line: the key says whose dot it is.
        whose = f"{rows[0].checkpoint} alone, " if len(rows) == 1 else ""
        series.append(Series(f"{whose}at {with_others(weights, also)}", style, points))
    levels = {"base model": scores.floor, "real pictures": scores.ceiling}
    known = {name: level for name, level in levels.items() if not np.isnan(level)}
    return line_chart(_epoch_labels(checkpoints), series, known, "epoch"), series


def _heat_maps(ranked: Sequence[RankedCell]) -> list[tuple[str, Markup]]:
    """UNet x TEnc for the best checkpoint, one map for each `also`, on one colour scale."""
    best = ranked[0]
    own = [row for row in ranked if row.checkpoint == best.checkpoint]
    columns = sorted({row.unet for row in own})
    rows = sorted({(row.te1, row.te2) for row in own}, reverse=True)
    if len(columns) * len(rows) < 2:
        return []
    scale = min(row.identity for row in own), max(row.identity for row in own)
    names = [text_encoder_weight(te1, te2) for te1, te2 in rows]
    maps: list[tuple[str, Markup]] = []
    for also in dict.fromkeys(row.also for row in own):
        cells = {
            (rows.index((row.te1, row.te2)), columns.index(row.unet)): HeatCell(
                row.identity,
                "best" if row is best else "broken" if row.broken else "",
                f"{row.name}: {row.identity:.3f}",
            )
            for row in own
            if row.also == also
        }
        drawn = heat_map(names, [f"{unet:g}" for unet in columns], cells, scale)
        maps.append((with_others(best.checkpoint, also), drawn))
    return maps


def _trade_off(ranked: Sequence[RankedCell]) -> tuple[str, Markup] | None:
    """Likeness against what it costs, with the rows that none beats in both marked."""
    if (found := trade_off_of(ranked)) is None:
        return None
    dots = [
        Dot(
            point.cost,
            point.row.identity,
            point.row.place - 1,
            DOTS[point.place],
            f"{point.row.name}: {point.row.identity:.3f}, {point.cost:+.3f}",
        )
        for point in found.points
    ]
    return found.against, scatter(dots, found.against, "likeness")


def _epoch_strip(ranked: Sequence[RankedCell], pictures: CaptionedPictures) -> list[tuple[str, ShownPicture]]:
    """The first prompt over the epochs, each checkpoint at the weights nearest to 1, after the base model's picture."""
    alone = [row for row in ranked if not row.also] or list(ranked)
    nearest = sorted(alone, key=lambda row: abs(row.unet - 1) + abs(row.te1 - 1) + abs(row.te2 - 1))
    checkpoints = _by_epoch(nearest)
    unit = int(pictures.data.evidence.where(SUBJECT)[0])
    shown = [
        (f"epoch {label}" if label.isdigit() else label, pictures.shown(row, unit))
        for label, row in zip(_epoch_labels(checkpoints), checkpoints, strict=True)
    ]
    return [("base model", pictures.shown(None, unit)), *shown] if len(shown) > 1 else []


def _failures(data: ReportData, pictures: CaptionedPictures) -> tuple[int, list[ShownPicture]]:
    """How many pictures failed or show nothing of the kind where it was asked for, and the first few of them."""
    subject = data.evidence.where(SUBJECT)
    rows = list({row.cell: row for row in data.ranked}.values())
    found = [
        (row, int(unit)) for row in rows for unit in subject[np.isnan(pictures.identity[pictures.row_of(row), subject])]
    ]
    return len(found), [pictures.shown(row, unit) for row, unit in found[:SHOWN_FAILURES]]


def _unit_text(evidence: Evidence) -> str:
    unit = evidence.units[int(evidence.where(SUBJECT)[0])]
    return f"“{unit.prompt}”, seed {unit.seed}"
