"""The columns of the ranking, declared once: the terminal, `rank --json`, the report and the studio read them here.

A new figure is one row of `COLUMNS`. One that nothing else needs is measured by the row itself: see `measured_figure`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eval.ranking.column import (
    CHANGE,
    LEFT_OUT,
    PLAIN,
    SHARE,
    WEIGHT,
    Column,
    Read,
    figure,
    measured_figure,
    only_json,
    rounded_in_json,
)
from eval.ranking.evidence import Evidence
from eval.ranking.limits import limit_named
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT, Scores
from eval.request.settings import UNVARIED
from eval.wording.figure_texts import interval_text, percent, percents, text_encoder_weight
from foundation.terminal_tables import NOT_MEASURED
from foundation.wording.said import say


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
    ends = percents(row.face_rate_low, row.face_rate_high)
    return say("{value} ({interval})", value=percent(row.face_rate), interval=ends)


def _bleed(row: RankedCell) -> str:
    return _change(row.bleed, row.bleed_low, row.bleed_high)


def _copy(row: RankedCell) -> str:
    return _change(row.copy, row.copy_low, row.copy_high)


def _change(value: float | None, low: float | None, high: float | None) -> str:
    """A change with its interval, or "?" for one that these pictures are too few to give."""
    if value is None:
        return NOT_MEASURED
    ends = "?" if low is None or high is None else interval_text(low, high, "+.2f")
    return say("{value} ({interval})", value=CHANGE.text(value), interval=ends)


def _extra_faces(evidence: Evidence, scores: Scores) -> np.ndarray:
    if evidence.subject == "image":
        return np.full(len(evidence.cells), np.nan)
    at = evidence.where(SUBJECT)
    return ((evidence.face_counts[:, at] > 1) & ~evidence.failed[:, at]).mean(1)


def _stands(row: RankedCell) -> str:
    limits = dict.fromkeys(limit_named(one) for one in row.broken)
    return f"{row.standing}: {', '.join(limits)}" if row.standing == "limit" and limits else row.standing


def _drawn_with(
    key: str, heading: str, meaning: str, read: Callable[[RankedCell], str | float | None], *, is_name: bool = False
) -> Column:
    """What a row is drawn with, in tables and JSON only where that varies."""

    def told(row: RankedCell) -> object:
        return LEFT_OUT if read(row) is None else read(row)

    def text(row: RankedCell) -> str:
        value = read(row)
        return "" if value is None else value if isinstance(value, str) else f"{value:g}"

    return Column({key: told}, heading, meaning, text, is_name=is_name)


STANDING = Column(
    heading="standing",
    meaning=say(
        "beside the first row: as good (its true likeness is not lower by what matters), worse (shown to be less "
        "alike), cannot tell (too few pictures yet); limit: it breaks those that are named"
    ),
    text=_stands,
    terminal_heading="",
)
ALSO = Column({"also": lambda row: row.also}, "also", say("other LoRAs blended in"), lambda row: row.also, is_name=True)
INTERVAL = Column(
    {
        "expected": rounded_in_json(lambda row: row.expected),
        "identity_low": rounded_in_json(lambda row: row.identity_low),
        "identity_high": rounded_in_json(lambda row: row.identity_high),
    },
    "on new pictures",
    say(
        "the likeness to expect of other seeds of these prompts, 19 times in 20: luck is taken off, as far as the grid "
        "shows how much of it there is"
    ),
    _interval,
    justify="right",
)
OF_CEILING = figure(
    "expected_normalised",
    "of the way",
    say(
        "how far pictures of other seeds go from the base model (0 %) to the subject's own pictures among themselves "
        "(100 %): luck is taken off"
    ),
    lambda row: row.expected_normalised,
    SHARE,
    worth=3,
    tile=True,
    beside={"identity_normalised": lambda row: row.identity_normalised},
)
# In the order of the tables and of the keys in JSON.
COLUMNS: tuple[Column, ...] = (
    STANDING,
    only_json("cell", lambda row: row.cell),
    Column(
        {"checkpoint": lambda row: row.checkpoint},
        "checkpoint",
        say("the LoRA file"),
        lambda row: row.checkpoint,
        is_name=True,
    ),
    Column(
        {"unet": lambda row: row.unet},
        "UNet",
        say("weight of the LoRA on the UNet"),
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
            "weights": lambda row: row.by_part,
        },
        "TEnc",
        say("weight of the LoRA on the text encoder"),
        lambda row: text_encoder_weight(row.te1, row.te2),
        justify="right",
    ),
    ALSO,
    _drawn_with(
        "guest",
        "guest's trigger",
        say("what a guest is called by: its prompts say this in the place of the grid's trigger"),
        lambda row: row.guest.trigger if row.guest else None,
        is_name=True,
    ),
    only_json("guest_class", lambda row: row.guest.class_word if row.guest else LEFT_OUT),
    _drawn_with("base", "base", say("the base model it is drawn on"), lambda row: row.on.base, is_name=True),
    _drawn_with("sampler", "sampler", say("how the noise is taken away"), lambda row: row.on.sampler),
    _drawn_with("steps", "steps", say("of each picture"), lambda row: row.on.steps),
    _drawn_with("cfg", "CFG", say("how strongly the prompt guides"), lambda row: row.on.cfg),
    only_json(
        "elsewhere", lambda row: LEFT_OUT if row.on == UNVARIED else [other.as_json() for other in row.elsewhere]
    ),
    figure(
        "identity",
        "identity",
        say(
            "likeness: {likeness} with the centre of the held-out references; {counted_at_floor} counts as the base "
            "model's own picture of that prompt and seed"
        ),
        lambda row: row.identity,
        PLAIN,
        tile=True,
    ),
    INTERVAL,
    OF_CEILING,
    figure(
        "prompt",
        "prompt",
        say("obedience: change of the CLIP cosine of picture and prompt against the base model; below 0 is lost"),
        lambda row: row.prompt,
        CHANGE,
        worth=7,
        tile=True,
        beside={"prompt_low": lambda row: row.prompt_low, "prompt_high": lambda row: row.prompt_high},
    ),
    figure(
        "face_rate",
        "faces",
        say("share of the subject's pictures with a face, and its 95 % interval (Wilson)"),
        lambda row: row.face_rate,
        SHARE,
        worth=8,
        tile=True,
        text=_faces,
        beside={"face_rate_low": lambda row: row.face_rate_low, "face_rate_high": lambda row: row.face_rate_high},
    ),
    measured_figure(
        "extra_faces",
        "extra faces",
        say("share of pictures in which more than one face was found; only the largest is scored"),
        _extra_faces,
        SHARE,
        worth=0,
    ),
    figure(
        "bleed",
        "bleed",
        say(
            "how much more {others} look like the subject with the LoRA than without, and its 95 % interval, by how "
            "far chance takes it (?: too few pictures to tell); what is lost counts as all the way, and below 0 is "
            "chance"
        ),
        lambda row: row.bleed,
        CHANGE,
        worth=4,
        tile=True,
        text=_bleed,
        beside={"bleed_low": lambda row: row.bleed_low, "bleed_high": lambda row: row.bleed_high},
    ),
    figure(
        "copy",
        "copy",
        say(
            "how far the {several_seen} have gone towards a training picture, on the prompt that copies most: 0 is as "
            "the base model, 1 the training picture itself; and the 95 % interval (?: too few pictures to tell)"
        ),
        lambda row: row.copy,
        CHANGE,
        worth=2,
        tile=True,
        text=_copy,
        beside={"copy_low": lambda row: row.copy_low, "copy_high": lambda row: row.copy_high},
    ),
    figure(
        "spread",
        "spread",
        say(
            "how different the seeds of one prompt look (CLIP distance), of the prompt where it is least, bare ones "
            "apart; 0 is the same picture every time"
        ),
        lambda row: row.spread,
        PLAIN,
        worth=1,
    ),
    only_json("pictures", lambda row: row.pictures),
    only_json("tied_with_best", lambda row: row.tied_with_best),
    only_json("standing", lambda row: row.standing),
    only_json("difference_low", rounded_in_json(lambda row: row.difference_low)),
    only_json("difference_high", rounded_in_json(lambda row: row.difference_high)),
    only_json("difference_that_matters", lambda row: row.difference_that_matters),
    only_json("gain", rounded_in_json(lambda row: row.gain)),
    only_json("gain_low", rounded_in_json(lambda row: row.gain_low)),
    only_json("gain_high", rounded_in_json(lambda row: row.gain_high)),
    only_json("gain_that_matters", rounded_in_json(lambda row: row.gain_that_matters)),
    only_json("worth_taking", lambda row: row.worth_taking),
    only_json("flags", lambda row: list(row.flags)),
    figure(
        "probability_best",
        "first again",
        say("how often this row would come first if as many pictures were made again with other seeds"),
        lambda row: row.first_again,
        SHARE,
        worth=6,
    ),
    Column(
        {"pareto_front": lambda row: row.pareto_front},
        "unbeaten",
        say("yes: no other row is at least as good in likeness, prompt, bleed and copy, and better in one of them"),
        lambda row: "yes" if row.pareto_front else "",
        worth=2,
    ),
    only_json("trends", lambda row: list(row.trends)),
    Column(
        {"second": lambda row: row.second.as_json() if row.second else None},
        "second",
        say("likeness on the scale of the second face model: 0 % is the base model, 100 % the subject's real pictures"),
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
