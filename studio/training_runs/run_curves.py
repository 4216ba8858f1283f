"""Runs of training: which there are, what became of them, and their figures over the epochs. No Streamlit here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from eval.store.connection import is_store
from foundation.errors import RunLogError
from foundation.wording.said import in_series
from studio.languages.retelling import told
from studio.languages.translation import noted, tr
from studio.shared.stores import RUNS
from studio.shared.tables import Table, table_of
from studio.shared.vega_lite import COLOURS, NEAR_THE_FIGURES, ON_CANVAS, Rows, Spec, field, layered, legend_above
from studio.training_runs.run_states import came_of, scored_row, state_in_words
from trainer.learning.run_state import Reading
from trainer.records.ledger import Ledger, LedgerEntry, compared, read_ledger
from trainer.records.record import RunRecord
from trainer.records.run_log import RunLog

HEIGHT = 300
# Columns of `runs_table`, in English.
SCORE, MINUTES, COST = noted("score"), noted("minutes"), noted("cost")
MOST_AT_ONCE = len(COLOURS)
MOST_STEPS = 400  # points of a run's loss: more are averaged, for a screen shows no more


@dataclass(frozen=True)
class Figure:
    """What is drawn over the epochs: its name, what it means (both in English), and where a reading has it."""

    name: str
    meaning: str
    of: Callable[[Reading], float | None]


FIGURES: Mapping[str, Figure] = {
    one.name: one
    for one in (
        Figure(
            noted("loss on pictures kept out of training"),
            noted(
                "The same pictures and noise at each epoch. While it falls, the run learns what holds for other "
                "pictures; where it rises, it learns its own by heart."
            ),
            lambda reading: reading.held_out_loss,
        ),
        Figure(
            noted("loss on training pictures"),
            noted("The same pictures and noise at each epoch. It falls in any run, also in one that only memorises."),
            lambda reading: reading.train_loss,
        ),
        Figure(
            noted("movement of the UNet"),
            noted(
                "How far the LoRA moves the weights it is trained on, as a share of them. A rise that speeds up is a "
                "learning rate that is too high."
            ),
            lambda reading: reading.unet_movement,
        ),
        Figure(
            noted("movement of the text encoder"),
            noted("The same of the text encoder. It tires sooner than the UNet does."),
            lambda reading: reading.te_movement,
        ),
    )
}
LIKENESS = noted("likeness of sample pictures")
LIKENESS_MEANS = noted(
    "Sample pictures against the references, 0 to 1. The bar is where other pictures like these would lie, 19 times in "
    "20. Few pictures: the grid says it better."
)
STEPS = noted("loss of each step")
STEPS_MEAN = noted(
    "Every step's own pictures and noise: it scatters, and only its trend over many steps says anything."
)
EPOCH, STEP = noted("epoch"), noted("step")


def find_runs(places: Sequence[Path], here: Path) -> Ledger:
    """All runs below these folders; without any, those below `here`/runs. A store stands for the folder it lies in."""
    folders = [place.parent if is_store(place) else place for place in places] or [here / RUNS]
    wanted = list(dict.fromkeys(folder.resolve() for folder in folders if folder.is_dir()))
    above = [one for one in wanted if not any(other in one.parents for other in wanted)]
    found = [read_ledger(folder) for folder in above]
    entries = sorted((entry for one in found for entry in one.entries), key=lambda entry: entry.record.started)
    return Ledger(tuple(entries), {path: why for one in found for path, why in one.unreadable.items()})


def names_of(entries: Sequence[LedgerEntry]) -> list[str]:
    """What to call each: its name, and where several have the same one as many folders before it as tell them apart."""
    places = [(*entry.path.parent.parts, entry.record.name) for entry in entries]
    names = [place[-1] for place in places]
    for depth in range(2, max(map(len, places), default=0) + 1):
        shared = {name for name, times in Counter(names).items() if times > 1}
        if not shared:
            break
        names = [
            "/".join(place[-depth:]) if name in shared else name for name, place in zip(names, places, strict=True)
        ]
    return names


def runs_table(entries: Sequence[LedgerEntry]) -> Table:
    """A run a row, as `trainer runs` lists them, without columns that none has."""
    records = [entry.record for entry in entries]
    columns: dict[str, Sequence[object]] = {
        tr("run"): names_of(entries),
        tr("begun"): [record.started[:16].replace("T", " ") for record in records],
        tr("state"): [state_in_words(entry) for entry in entries],
        tr("steps"): [tr("{done} of {total}", done=record.done, total=record.steps) for record in records],
        tr("verdict"): [outcome_in_words(record) for record in records],
        SCORE: [None if entry.score is None else entry.score.best for entry in entries],
        tr("score of"): [scored_row(entry) or None for entry in entries],
        MINUTES: [record.spent_seconds / 60 for record in records],
        COST: [record.cost for record in records],
    }
    return table_of({heading: values for heading, values in columns.items() if any(one is not None for one in values)})


def outcome_in_words(record: RunRecord) -> str:
    """What became of it in a word, or as its error says it; "" while there is nothing to say."""
    return told(record.outcome or "")


def verdict_in_words(record: RunRecord) -> str:
    """The same with the figures that say so, and what to change."""
    verdict = record.verdict
    if verdict is None or record.failure:
        return outcome_in_words(record)
    said = tr("{title}: {prompt}", title=told(verdict.name), prompt=told(verdict.reason))
    return tr("{before}; {after}", before=said, after=told(verdict.advice)) if verdict.advice else said


def epoch_rows(entries: Sequence[LedgerEntry], figure: str) -> Rows:
    """Run, epoch, value, low and high: one of `FIGURES`, or LIKENESS, of each run over its epochs."""
    rows: list[tuple[str, int, float, float | None, float | None]] = []
    for name, entry in zip(names_of(entries), entries, strict=True):
        if figure == LIKENESS:
            drawn = entry.record.samples.drawn if entry.record.samples else ()
            known = [(one.epoch, one.identity) for one in drawn if one.identity is not None]
            rows += [(name, epoch, found.mean, found.low, found.high) for epoch, found in known]
        else:
            values = [(reading.epoch, FIGURES[figure].of(reading)) for reading in entry.record.readings]
            rows += [(name, epoch, value, None, None) for epoch, value in values if value is not None]
    return [dict(zip(("run", "epoch", "value", "low", "high"), row, strict=True)) for row in rows]


def step_rows(entries: Sequence[LedgerEntry]) -> Rows:
    """Run, step, value: each run's loss by steps, as many together as leave `MOST_STEPS` points."""
    logs = [entry.path.with_name(f"{entry.record.name}-log.jsonl") for entry in entries]
    return [row for name, log in zip(names_of(entries), logs, strict=True) for row in _thinned(name, log)]


def _thinned(name: str, log: Path) -> Rows:
    try:
        steps = RunLog(log).steps()
    except (RunLogError, OSError):
        steps = []
    together = max(1, -(-len(steps) // MOST_STEPS))
    groups = [steps[at : at + together] for at in range(0, len(steps), together)]
    return [
        {"run": name, "step": group[-1].step, "value": sum(one.loss for one in group) / len(group)} for group in groups
    ]


def run_chart(rows: Rows, along: str, title: str) -> Spec:
    """A line a run over `along` (EPOCH or STEP), with bars where a value has an interval."""
    shared = {
        "x": field(f"{along}:Q", title=tr(along), axis={"tickMinStep": 1}),
        "color": field("run:N", sort=None, scale={"range": list(COLOURS)}, legend=legend_above(symbolType="stroke")),
        "tooltip": [
            field("run:N", title=tr("run")),
            field(f"{along}:Q", title=tr(along)),
            field("value:Q", title=tr("value"), format=".4f"),
        ],
    }
    up = field("value:Q", title=title, scale=NEAR_THE_FIGURES)
    layers: list[Spec] = [{"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**shared, "y": up}}]
    if along == EPOCH:
        points = {"type": "point", "filled": True, "size": 50, "opacity": 1}
        layers.append({"mark": points, "encoding": {**shared, "y": up}})
        if any(row["low"] is not None for row in rows):
            bar = {"y": field("low:Q"), "y2": {"field": "high"}}
            layers.append({"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {**shared, **bar}})
    runs = dict.fromkeys(row["run"] for row in rows)
    told = tr("{figure} by {along}, a line for each run: {runs}.", figure=title, along=tr(along), runs=", ".join(runs))
    return layered(rows, layers, height=HEIGHT, description=told, usermeta=ON_CANVAS)


def differing(entries: Sequence[LedgerEntry]) -> list[str]:
    """What each of these runs changed against the one before it, and what came of it, in sentences."""
    said: list[str] = []
    for (before, after), name in zip(pairwise(entries), names_of(entries)[1:], strict=True):
        cause, _ = compared(before, after)
        said.append(
            tr(
                "{run}, against {other}: changed {changes}. What came of it: {results}.",
                run=name,
                other=before.record.name,
                changes=told(in_series(cause)) or tr("nothing"),
                results=came_of(before, after),
            )
        )
    return said
