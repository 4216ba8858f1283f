"""The ranking for a terminal; its columns are those of `eval/ranking/columns.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from eval.ranking.column import Column
from eval.ranking.columns import STANDING, table_columns
from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, Scores, score
from eval.ranking.verdict import verdict
from eval.request.settings import UNVARIED
from eval.wording.figure_texts import percent
from foundation.printing import ENDLESS, console_on, print_lines
from foundation.terminal_tables import Row, TableColumn, asked_columns, fitting, table_lines
from foundation.wording.said import say, say_many

MOST_ROWS = 20
NARROW = 80  # characters: below, which limit a row breaks is left to the verdict and `--wide`


@dataclass(frozen=True)
class TableChoice:
    """What is shown of a ranking: its first `rows`; the columns that are asked for by name, else those that fit.

    `is_wide`: all of them, however narrow the terminal.
    """

    columns: str | None = None
    is_wide: bool = False
    rows: int = MOST_ROWS


def shared_flags(ranked: Sequence[RankedCell]) -> list[str]:
    """What every row carries, said once."""
    return [flag for flag in ranked[0].flags if all(flag in row.flags for row in ranked)]


def trends_of(ranked: Sequence[RankedCell]) -> list[str]:
    """What the whole grid shows over epochs and weights, each sentence once."""
    return list(dict.fromkeys(text for row in ranked for text in row.trends))


def provenance(evidence: Evidence, cells: int) -> str:
    """One line: which models saw how many pictures, against how many references, and what the intervals are."""
    subject = len(evidence.units) - len(evidence.where(BLEED))
    judges = evidence.words.judged_by(evidence.face_model, evidence.clip_model)
    if evidence.second:
        judges = say("{judges} Second faces: {model}.", judges=judges, model=evidence.second.face_model)
    return say_many(
        "{count} cell x {units} pictures ({of_subject} of the subject, {of_others} of others) against {references} "
        "held-out references. {judges} Intervals hold 19 times in 20, for other seeds of these prompts; that of new "
        "pictures allows for luck.",
        "{count} cells x {units} pictures ({of_subject} of the subject, {of_others} of others) against {references} "
        "held-out references. {judges} Intervals hold 19 times in 20, for other seeds of these prompts; that of new "
        "pictures allows for luck.",
        cells,
        units=len(evidence.units),
        of_subject=subject,
        of_others=len(evidence.where(BLEED)),
        references=len(evidence.references),
        judges=judges,
    )


def licences(evidence: Evidence) -> str:
    """One line: what the scoring models may be used for, as far as it is known; "" where nothing is."""
    return " ".join(f"Licence of {name}: {licence.rstrip('.')}." for name, licence in evidence.licences.items())


def control_line(evidence: Evidence, scores: Scores) -> str:
    """What the base model's own pictures show on the same units, with the class word in the trigger's place."""
    faces = f", faces {percent(scores.face_rate_control)}" if evidence.subject == "face" else ""
    floor = "not measured" if np.isnan(scores.floor) else f"{scores.floor:.3f} (the floor)"
    name = f" ({evidence.on})" if evidence.on != UNVARIED else ""
    return f"Base model{name} without a LoRA: identity {floor}{faces}, prompt +0.000 (what others are compared with)"


def ranking_lines(
    ranked: Sequence[RankedCell],
    evidence: Evidence,
    width: int,
    choice: TableChoice = TableChoice(),
) -> list[Text]:
    """The table in at most `width` characters, unless more is asked for; below, what the grid shows and by what.

    Raises UnknownColumnError.
    """
    rows = ranked[: choice.rows]
    is_narrow = width < NARROW and not choice.is_wide
    columns = [
        TableColumn("", [row.standing for row in rows]) if is_narrow and column is STANDING else _shown(column, rows)
        for column in table_columns(ranked)
    ]
    number = TableColumn("#", [str(row.place) for row in rows], is_right=True, leads=True)
    if choice.columns is not None:
        shown = [number, *asked_columns(columns, choice.columns)]
    else:
        shown = [number, *columns] if choice.is_wide else fitting([number, *columns], width)
    looks = [Row("dim" if row.broken else "bold" if row is ranked[0] else "") for row in rows]
    lines = table_lines(shown, looks, ENDLESS if choice.is_wide else width)
    if len(ranked) > len(rows):
        lines.append(Text(f"... and {len(ranked) - len(rows)} more; --rows {len(ranked)} shows them all", style="dim"))
    left_out = [column.heading for column in columns if column.heading and column not in shown]
    if left_out and choice.columns is None:
        lines.append(Text(f"no room for: {', '.join(left_out)}; --wide shows all", style="dim"))
    return [*lines, Text(), *_below(ranked, evidence)]


def _shown(column: Column, rows: Sequence[RankedCell]) -> TableColumn:
    heading = column.heading if column.terminal_heading is None else column.terminal_heading
    keys = tuple(key for key in (column.heading, *column.json) if key != heading)
    cells = [column.text(row) for row in rows]
    is_right = column.justify == "right"
    return TableColumn(heading, cells, is_right, column.worth, is_name=column.is_name, keys=keys)


def _below(ranked: Sequence[RankedCell], evidence: Evidence) -> list[Text]:
    """What holds for all rows, what is odd about the first, and where the numbers come from."""
    common = shared_flags(ranked)
    lines = [Text(f"~ {text}", style="cyan") for text in trends_of(ranked)]
    lines += [Text(f"! {flag}", style="yellow") for flag in common]
    lines += [Text(f"! first row: {flag}", style="yellow") for flag in ranked[0].flags if flag not in common]
    lines.append(Text(control_line(evidence, score(evidence))))
    told = [provenance(evidence, len(ranked)), licences(evidence)]
    return [*lines, *(Text(line, style="dim") for line in told if line)]


def print_ranking(
    ranked: Sequence[RankedCell],
    evidence: Evidence,
    choice: TableChoice = TableChoice(),
) -> None:
    """Print the verdict and the table on stdout, with every column where that is a file or a pipe."""
    console = console_on()
    table = ranking_lines(ranked, evidence, console.width, choice)
    said = verdict(ranked, evidence, score(evidence))
    print_lines([Text(said.headline, style="bold"), *map(Text, said.sentences), Text(), *table], console)
