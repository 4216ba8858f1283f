"""What a column of the ranking is; which there are is declared in `eval/ranking/columns.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import Scores
from eval.wording.figure_texts import number_text, percent, rounded
from eval.wording.subject_words import SubjectWords
from foundation.terminal_tables import KEPT, NOT_MEASURED

Read = Callable[[RankedCell], object]
ReadNumber = Callable[[RankedCell], float | None]
Measure = Callable[[Evidence, Scores], np.ndarray]
# What is read for a key of JSON that is left out of the row.
LEFT_OUT = object()


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
    `is_name`: it names files, and is never cut.
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
    is_name: bool = False

    def explained(self, words: SubjectWords) -> str:
        """What the column means, of a subject that is called by `words`."""
        return words.filled_in(self.meaning)

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
    json = {name: rounded_in_json(read) for name, read in numbers.items()}
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


def rounded_in_json(read: ReadNumber) -> Callable[[RankedCell], float | None]:
    """`read` with as many digits as programs are told."""
    return lambda row: rounded(read(row))
