"""The columns of the ranking, declared once: the terminal, `rank --json`, the report and the studio read them here.

A new figure is one row of `COLUMNS`. One that nothing else needs is measured by the row itself: see `measured_figure`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT, Scores
from eval.ranking.subject_words import SubjectWords
from eval.ranking.texts import interval_text, number_text, percent, percents, rounded, text_encoder_weight
from foundation.terminal_tables import NOT_MEASURED

Read = Callable[[RankedCell], object]
ReadNumber = Callable[[RankedCell], float | None]
Measure = Callable[[Evidence, Scores], np.ndarray]
# What a reader of JSON answers where its key is left out of the row.
LEFT_OUT = object()
# A column of this worth is never dropped from a narrow terminal.
KEPT = 9


@dataclass(frozen=True)
class NumberFormat:
    """How a figure is written. In the studio, which sorts by it: multiplied by `times` and written by `printf`."""

    text: Callable[[float], str]
    printf: str
    times: float = 1.0


WEIGHT = NumberFormat("{:g}".format, "%.6g")
PLAIN = NumberFormat(number_text, "%.3f")
CHANGE = NumberFormat(lambda value: number_text(value, "+.3f"), "%+.3f")
SHARE = NumberFormat(percent, "%.0f %%", 100.0)


def no_text(row: RankedCell) -> str:
    """What a column that is in no table shows."""
    return ""


@dataclass(frozen=True)
class Column:
    """A column of the tables, keys of `rank --json`, or both.

    `json`: how the value of each of its keys is read off a row. `heading`: over it, "" where it is in no table;
    `terminal_heading` where the terminal has another one. `meaning`: what it is, in a sentence, in the words of the
    kind of subject: `explained` has them. `text`: how a row is shown in it. `number`: the figure that a person sorts
    by, written in `form`; None where it is text. `tile`: it is among the figures that sum up a row. `measure`: its
    values (C,), NaN where unknown, where no other code needs them. A narrow terminal drops low `worth` first.
    """

    json: Mapping[str, Read] = field(default_factory=dict[str, Read])
    heading: str = ""
    meaning: str = ""
    text: Callable[[RankedCell], str] = no_text
    number: ReadNumber | None = None
    form: NumberFormat = PLAIN
    justify: Literal["left", "right"] = "left"
    worth: int = KEPT
    tile: bool = False
    measure: Measure | None = None
    terminal_heading: str | None = None

    def explained(self, words: SubjectWords) -> str:
        """What the column means, of a subject that is called by `words`."""
        return words.said(self.meaning)

    def figure_text(self, row: RankedCell) -> str:
        """The figure alone, without the interval that `text` may show beside it."""
        value = self.number(row) if self.number else None
        return NOT_MEASURED if value is None else self.form.text(value)

    def has_something(self, ranked: Sequence[RankedCell]) -> bool:
        """Whether any row shows something in it; tables leave out a column that says nothing."""
        return any(self.text(row) not in ("", NOT_MEASURED) for row in ranked)


def only_json(key: str, read: Read) -> Column:
    """What programs are told and no table shows."""
    return Column({key: read})


def figure(
    key: str,
    heading: str,
    meaning: str,
    number: ReadNumber,
    form: NumberFormat,
    *,
    worth: int = KEPT,
    tile: bool = False,
    text: Callable[[RankedCell], str] | None = None,
    beside: Mapping[str, ReadNumber] | None = None,
    measure: Measure | None = None,
) -> Column:
    """A figure, rounded in JSON; `beside`: further keys, as those of its interval, that `text` may show."""
    numbers = {key: number, **(beside or {})}
    json = {name: _rounded(read) for name, read in numbers.items()}
    shown = text or Column(number=number, form=form).figure_text
    return Column(json, heading, meaning, shown, number, form, "right", worth, tile, measure)


def measured_figure(
    key: str,
    heading: str,
    meaning: str,
    measure: Measure,
    form: NumberFormat,
    worth: int,
) -> Column:
    """A figure that is declared here and nowhere else: `measure` gives the values of all cells (C,), NaN if unknown."""
    return figure(key, heading, meaning, lambda row: row.measured[key], form, worth=worth, measure=measure)


def _rounded(read: ReadNumber) -> Callable[[RankedCell], float | None]:
    return lambda row: rounded(read(row))


def _own_weight(read: Callable[[RankedCell], float]) -> Read:
    """The weight of one of two text encoders, where they differ."""
    return lambda row: LEFT_OUT if row.te is not None else read(row)


def _interval(row: RankedCell) -> str:
    if row.identity_low is None or row.identity_high is None:
        return NOT_MEASURED
    return interval_text(row.identity_low, row.identity_high)


def _faces(row: RankedCell) -> str:
    if row.face_rate is None or row.face_rate_low is None or row.face_rate_high is None:
        return NOT_MEASURED
    return f"{percent(row.face_rate)} ({percents(row.face_rate_low, row.face_rate_high)})"


def _standing(row: RankedCell) -> str:
    return "limit" if row.broken else "first" if row.place == 1 else "tied" if row.tied_with_best else ""


def _extra_faces(evidence: Evidence, scores: Scores) -> np.ndarray:
    if evidence.subject == "image":
        return np.full(len(evidence.cells), np.nan)
    at = evidence.where(SUBJECT)
    return ((evidence.face_counts[:, at] > 1) & ~evidence.failed[:, at]).mean(1)


STANDING = Column(
    heading="standing",
    meaning="tied: these pictures cannot tell it from the first row; limit: it breaks one",
    text=_standing,
    terminal_heading="",
)
ALSO = Column({"also": lambda row: row.also}, "also", "other LoRAs blended in", lambda row: row.also)
INTERVAL = Column(
    {
        "identity_low": _rounded(lambda row: row.identity_low),
        "identity_high": _rounded(lambda row: row.identity_high),
    },
    "95 %",
    "where identity would lie with other seeds (bootstrap over seeds within prompts)",
    _interval,
    justify="right",
)
OF_CEILING = figure(
    "identity_normalised",
    "of ceiling",
    "0 % is the base model without the LoRA, 100 % the subject's real pictures among themselves",
    lambda row: row.identity_normalised,
    SHARE,
    worth=3,
    tile=True,
)
# In the order of the tables and of the keys in JSON.
COLUMNS: tuple[Column, ...] = (
    STANDING,
    only_json("cell", lambda row: row.cell),
    Column({"checkpoint": lambda row: row.checkpoint}, "checkpoint", "the LoRA file", lambda row: row.checkpoint),
    Column(
        {"unet": lambda row: row.unet},
        "UNet",
        "weight of the LoRA on the UNet",
        lambda row: WEIGHT.text(row.unet),
        lambda row: row.unet,
        WEIGHT,
        "right",
    ),
    Column(
        {
            "te": lambda row: row.te,
            "te1": _own_weight(lambda row: row.te1),
            "te2": _own_weight(lambda row: row.te2),
        },
        "TEnc",
        "weight of the LoRA on the text encoder",
        lambda row: text_encoder_weight(row.te1, row.te2),
        justify="right",
    ),
    ALSO,
    figure(
        "identity",
        "identity",
        "likeness: {likeness} with the centre of the held-out references; {at_the_floor} counts as the base model's "
        "own picture of that prompt and seed",
        lambda row: row.identity,
        PLAIN,
        tile=True,
    ),
    INTERVAL,
    OF_CEILING,
    figure(
        "prompt",
        "prompt",
        "obedience: change of the CLIP cosine of picture and prompt against the base model; below 0 is lost",
        lambda row: row.prompt,
        CHANGE,
        tile=True,
    ),
    figure(
        "face_rate",
        "faces",
        "share of the subject's pictures with a face, and its 95 % interval (Wilson)",
        lambda row: row.face_rate,
        SHARE,
        tile=True,
        text=_faces,
        beside={"face_rate_low": lambda row: row.face_rate_low, "face_rate_high": lambda row: row.face_rate_high},
    ),
    measured_figure(
        "extra_faces",
        "extra faces",
        "share of pictures in which more than one face was found; only the largest is scored",
        _extra_faces,
        SHARE,
        worth=0,
    ),
    figure(
        "bleed",
        "bleed",
        "how much more {others} look like the subject with the LoRA than without",
        lambda row: row.bleed,
        CHANGE,
        worth=4,
        tile=True,
    ),
    figure(
        "copy",
        "copy",
        "how much nearer the {several_seen} look to training pictures than to unseen ones, beyond the base model's; "
        "1 is a copy",
        lambda row: row.copy,
        CHANGE,
        worth=2,
        tile=True,
    ),
    figure(
        "spread",
        "spread",
        "how different the seeds of one prompt look (CLIP distance); 0 is the same picture every time",
        lambda row: row.spread,
        PLAIN,
        worth=1,
    ),
    only_json("pictures", lambda row: row.pictures),
    only_json("tied_with_best", lambda row: row.tied_with_best),
    only_json("flags", lambda row: list(row.flags)),
    figure(
        "probability_best",
        "best",
        "in what share of other draws of seeds this row would be first; two names of one file share it",
        lambda row: row.probability_best,
        SHARE,
        worth=6,
    ),
    Column(
        {"pareto_front": lambda row: row.pareto_front},
        "front",
        "yes: no other row beats it in likeness, prompt, bleed and copy together (Pareto front)",
        lambda row: "yes" if row.pareto_front else "",
        worth=2,
    ),
    only_json("trends", lambda row: list(row.trends)),
    Column(
        {"second": lambda row: row.second.as_json() if row.second else None},
        "second",
        "likeness on the scale of the second face model: 0 % is the base model, 100 % the subject's real pictures",
        lambda row: percent(row.second.identity_normalised) if row.second else "",
        lambda row: row.second.identity_normalised if row.second else None,
        SHARE,
        "right",
        worth=5,
    ),
    only_json("scored_by", lambda row: dict(row.scored_by)),
    only_json("licences", lambda row: dict(row.licences)),
)


def table_columns(ranked: Sequence[RankedCell]) -> list[Column]:
    """The columns worth showing in a table of these rows."""
    return [column for column in COLUMNS if column.heading and column.has_something(ranked)]


def row_as_json(row: RankedCell) -> dict[str, object]:
    """The row of `rank --json`: its keys are a contract."""
    values = {key: read(row) for column in COLUMNS for key, read in column.json.items()}
    return {key: value for key, value in values.items() if value is not LEFT_OUT}


def measure_all(evidence: Evidence, scores: Scores) -> dict[str, np.ndarray]:
    """The figures (C,) that columns measure themselves, by their key."""
    return {next(iter(column.json)): column.measure(evidence, scores) for column in COLUMNS if column.measure}
