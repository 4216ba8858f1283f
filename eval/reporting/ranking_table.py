"""The ranking for a terminal. The columns are declared here once, for the report too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import RankedCell
from eval.ranking.scores import BLEED, Scores, score
from eval.ranking.subject_words import SubjectWords
from eval.ranking.verdict import name_of, verdict
from foundation.terminal_tables import NOT_MEASURED, PIPE_WIDTH


@dataclass(frozen=True)
class Column:
    """A heading, what it means in a sentence, how a row is shown in it; a narrow terminal drops low `worth` first.

    `meaning` is in the words of the kind of subject: `explained` has them.
    """

    heading: str
    meaning: str
    show: Callable[[RankedCell], str]
    justify: Literal["left", "right"] = "right"
    worth: int = 9

    def explained(self, words: SubjectWords) -> str:
        return words.said(self.meaning)


def _figure(value: float | None, form: str) -> str:
    if value is None:
        return NOT_MEASURED
    # "-0.000" would say that something was lost.
    return format(round(value, 3) + 0.0, form)


def _percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def _faces(row: RankedCell) -> str:
    if row.face_rate is None or row.face_rate_low is None or row.face_rate_high is None:
        return NOT_MEASURED
    return f"{_percent(row.face_rate)} ({100 * row.face_rate_low:.0f} to {100 * row.face_rate_high:.0f})"


def _interval(row: RankedCell) -> str:
    if row.identity_low is None or row.identity_high is None:
        return NOT_MEASURED
    return f"{row.identity_low:.3f} to {row.identity_high:.3f}"


def _te(row: RankedCell) -> str:
    return f"{row.te:g}" if row.te is not None else f"{row.te1:g} / {row.te2:g}"


def _verdict(row: RankedCell) -> str:
    return "limit" if row.broken else "tied" if row.tied_with_best else ""


COLUMNS: tuple[Column, ...] = (
    Column("checkpoint", "the LoRA file", lambda row: row.checkpoint, "left"),
    Column("UNet", "weight of the LoRA on the UNet", lambda row: f"{row.unet:g}"),
    Column("TEnc", "weight of the LoRA on the text encoder", _te),
    Column("also", "other LoRAs blended in", lambda row: row.also, "left"),
    Column(
        "identity",
        "likeness: {likeness} with the centre of the held-out references; {at_the_floor} counts as the base model's "
        "own picture of that prompt and seed",
        lambda row: f"{row.identity:.3f}",
    ),
    Column("95 %", "where identity would lie with other seeds (bootstrap over seeds within prompts)", _interval),
    Column(
        "of ceiling",
        "0 % is the base model without the LoRA, 100 % the subject's real pictures among themselves",
        lambda row: _percent(row.identity_normalised),
        worth=3,
    ),
    Column(
        "prompt",
        "obedience: change of the CLIP cosine of picture and prompt against the base model; below 0 is lost",
        lambda row: _figure(row.prompt, "+.3f"),
    ),
    Column("faces", "share of the subject's pictures with a face, and its 95 % interval (Wilson)", _faces),
    Column(
        "bleed",
        "how much more {others} look like the subject with the LoRA than without",
        lambda row: _figure(row.bleed, "+.3f"),
        worth=4,
    ),
    Column(
        "copy",
        "how much nearer the {several_seen} look to training pictures than to unseen ones, beyond the base model's; "
        "1 is a copy",
        lambda row: _figure(row.copy, "+.3f"),
        worth=2,
    ),
    Column(
        "spread",
        "how different the seeds of one prompt look (CLIP distance); 0 is the same picture every time",
        lambda row: _figure(row.spread, ".3f"),
        worth=1,
    ),
    Column(
        "best",
        "in what share of other draws of seeds this row would be first; two names of one file share it",
        lambda row: _percent(row.probability_best),
        worth=6,
    ),
    Column(
        "front",
        "yes: no other row beats it in likeness, prompt, bleed and copy together (Pareto front)",
        lambda row: "yes" if row.pareto_front else "",
        "left",
        worth=2,
    ),
    Column(
        "second",
        "likeness on the scale of the second face model: 0 % is the base model, 100 % the subject's real pictures",
        lambda row: _percent(row.second.identity_normalised) if row.second else "",
        worth=5,
    ),
    Column("", "tied: not to be told from the first row; limit: breaks one", _verdict, "left"),
)


def columns_for(ranked: Sequence[RankedCell]) -> list[Column]:
    """The columns worth showing: one that is empty in every row is left out."""
    return [column for column in COLUMNS if any(column.show(row) not in ("", NOT_MEASURED) for row in ranked)]


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
        f"Intervals: 95 %, paired bootstrap, seeds within prompts."
    )


def licences(evidence: Evidence) -> str:
    """One line: what the scoring models may be used for, as far as it is known; "" where nothing is."""
    return " ".join(f"Licence of {name}: {licence}." for name, licence in evidence.licences.items())


def control_line(evidence: Evidence, scores: Scores) -> str:
    """What the base model's own pictures show on the same units, with the class word in the trigger's place."""
    faces = f", faces {_percent(scores.face_rate_control)}" if evidence.subject == "face" else ""
    floor = "not measured, counted 0" if np.isnan(scores.floor) else f"{scores.floor:.3f} (the floor)"
    return f"Base model without a LoRA: identity {floor}{faces}, prompt +0.000 (what others are compared with)"


def ranking_table(ranked: Sequence[RankedCell], evidence: Evidence, width: int, most: int = 20) -> Group:
    """The first `most` rows in at most `width` characters; below, what the grid shows and where numbers come from."""
    shown = _fitting(columns_for(ranked), ranked[:most], width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        table.add_column(column.heading, justify=column.justify, overflow="fold")
    for row in ranked[:most]:
        style = "dim" if row.broken else "bold" if row is ranked[0] else ""
        table.add_row(*(Text(column.show(row)) for column in shown), style=style)
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
    console.print(Text(f"Take {name_of(ranked[0])}.", style="bold"))
    for sentence in verdict(ranked, evidence, score(evidence)):
        console.print(Text(sentence))
    console.print()
    console.print(ranking_table(ranked, evidence, console.width))


def _fitting(columns: Sequence[Column], rows: Sequence[RankedCell], width: int) -> list[Column]:
    """The columns without those of least worth, until what is left fits: a figure cut in two misleads."""
    taken = {
        column.heading: max(len(column.heading), *(len(column.show(row)) for row in rows)) + 2 for column in columns
    }
    shown = list(columns)
    while sum(taken[column.heading] for column in shown) - 2 > width and min(column.worth for column in shown) < 9:
        shown.remove(min(shown, key=lambda column: column.worth))
    return shown
