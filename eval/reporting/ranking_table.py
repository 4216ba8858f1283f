"""The ranking for a terminal; its columns are those of `eval/ranking/columns.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from eval.ranking.column import KEPT, Column
from eval.ranking.columns import table_columns
from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import BLEED, Scores, score
from eval.ranking.verdict import verdict
from eval.wording.figure_texts import percent
from foundation.terminal_tables import PIPE_WIDTH


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
        judges += f" Second faces: {evidence.second.face_model}."
    return (
        f"{cells} cells x {len(evidence.units)} pictures ({subject} of the subject, {len(evidence.where(BLEED))} of "
        f"others) against {len(evidence.references)} held-out references. {judges} "
        f"Intervals hold 19 times in 20, for other seeds of these prompts; that of new pictures allows for luck."
    )


def licences(evidence: Evidence) -> str:
    """One line: what the scoring models may be used for, as far as it is known; "" where nothing is."""
    return " ".join(f"Licence of {name}: {licence}." for name, licence in evidence.licences.items())


def control_line(evidence: Evidence, scores: Scores) -> str:
    """What the base model's own pictures show on the same units, with the class word in the trigger's place."""
    faces = f", faces {percent(scores.face_rate_control)}" if evidence.subject == "face" else ""
    floor = "not measured" if np.isnan(scores.floor) else f"{scores.floor:.3f} (the floor)"
    return f"Base model without a LoRA: identity {floor}{faces}, prompt +0.000 (what others are compared with)"


def ranking_table(ranked: Sequence[RankedCell], evidence: Evidence, width: int, most: int = 20) -> Group:
    """The first `most` rows in at most `width` characters; below, what the grid shows and where numbers come from."""
    shown = _fitting(table_columns(ranked), ranked[:most], width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        table.add_column(_heading(column), justify=column.justify, overflow="fold", no_wrap=column.justify == "right")
    for row in ranked[:most]:
        style = "dim" if row.broken else "bold" if row is ranked[0] else ""
        table.add_row(*(Text(column.text(row)) for column in shown), style=style)
    common = shared_flags(ranked)
    lines = [Text(f"~ {text}", style="cyan") for text in trends_of(ranked)]
    lines += [Text(f"! {flag}", style="yellow") for flag in common]
    lines += [Text(f"! first row: {flag}", style="yellow") for flag in ranked[0].flags if flag not in common]
    if len(ranked) > most:
        lines.insert(0, Text(f"... and {len(ranked) - most} more", style="dim"))
    lines.append(Text(control_line(evidence, score(evidence))))
    told = [provenance(evidence, len(ranked)), licences(evidence)]
    return Group(table, *lines, *(Text(line, style="dim") for line in told if line))


def print_ranking(ranked: Sequence[RankedCell], evidence: Evidence) -> None:
    """Print the verdict and the table on stdout, with every column where that is a file or a pipe."""
    console = Console()
    console = console if console.is_terminal else Console(width=PIPE_WIDTH)
    said = verdict(ranked, evidence, score(evidence))
    console.print(Text(said.headline, style="bold"))
    for sentence in said.sentences:
        console.print(Text(sentence))
    console.print()
    console.print(ranking_table(ranked, evidence, console.width))


def _heading(column: Column) -> str:
    return column.heading if column.terminal_heading is None else column.terminal_heading


def _fitting(columns: Sequence[Column], rows: Sequence[RankedCell], width: int) -> list[Column]:
    """The columns without those of least worth, until what is left fits: a figure cut in two misleads."""
    taken = {
        column.heading: max(len(_heading(column)), *(len(column.text(row)) for row in rows)) + 2 for column in columns
    }
    shown = list(columns)
    while sum(taken[column.heading] for column in shown) - 2 > width and min(column.worth for column in shown) < KEPT:
        shown.remove(min(shown, key=lambda column: column.worth))
    return shown
