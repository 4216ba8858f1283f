"""A plan in words: what a run says before it begins, and all that `trainer plan` knows more."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from base_models.base_source import BaseSource
from foundation.errors import UserError
from foundation.printing import shown
from foundation.terminal_tables import Row, TableColumn, hanging, pair_lines, table_lines
from trainer.planning.duration import Duration
from trainer.planning.forecast import Forecast, differing_settings, figures_of
from trainer.planning.run_plan import FolderUse, RunPlan
from trainer.planning.suggestion import Suggestion
from trainer.planning.what_worked import Standing
from trainer.planning.written_files import BYTES, files_of
from trainer.records.record import samples_folder

if TYPE_CHECKING:
    from rich.text import Text

MOST_BUCKETS = MOST_NAMED = 6
DAY = 24 * 3600
NONE = "-"


def run_in_words(run: RunPlan, base: BaseSource, duration: Duration | None) -> list[str]:
    """The lines that are said before a run. `duration` is known where steps of its kind were measured before."""
    lines = [
        f"plan: {steps_in_words(run)}",
        f"pictures: {_pictures(run)}",
        f"buckets: {buckets_in_words(run)}",
        f"files: {_files(run)}",
        *_weights(run, base),
    ]
    return lines if duration is None else [*lines, f"time: {time_in_words(duration)}"]


def steps_in_words(run: RunPlan) -> str:
    """`42 steps, 2 epochs of 21, batch 8, rank 16`."""
    training = run.config.training
    accumulated = training.gradient_accumulation
    batch = f"batch {training.batch_size}" + (f" x {accumulated} accumulated" if accumulated > 1 else "")
    low, high = min(run.steps_by_epoch), max(run.steps_by_epoch)
    each = f"{low}" if low == high else f"{low} to {high}"
    epochs = f"{training.epochs} epoch" + "s" * (training.epochs > 1)
    return f"{run.steps} steps, {epochs} of {each}, {batch}, rank {run.config.lora.rank}"


def _pictures(run: RunPlan) -> str:
    dataset = run.dataset
    parts = [f"{len(dataset.train)} of the subject, shown {run.shown_an_epoch} times an epoch with their repeats"]
    parts += [f"{len(dataset.reg)} reg"] * bool(dataset.reg)
    parts += [f"{len(dataset.held_out)} held out"] * bool(dataset.held_out)
    return f"{'; '.join(parts)}; at {run.config.data.resolution} px"


def buckets_in_words(run: RunPlan) -> str:
    """`64x64: 24, 48x80: 3`, the fullest first."""
    said = [f"{one.size[0]}x{one.size[1]}: {one.train + one.reg}" for one in run.buckets]
    rest = sum(one.train + one.reg for one in run.buckets[MOST_BUCKETS:])
    return ", ".join(said[:MOST_BUCKETS] + ([f"{len(said) - MOST_BUCKETS} more: {rest}"] if rest else []))


def _files(run: RunPlan) -> str:
    files, epochs = files_of(run.config), run.config.training.epochs
    first, last, others = files[0].path, files[epochs - 1].path, files[epochs:]
    named = f"{first} to {last.name} ({epochs})" if epochs > 1 else str(last)
    sheet = [str(one.path / "sheet.png") for one in others if one.path == samples_folder(run.config)]
    kept = [one.path.name for one in others if one.stays and one.path.suffix]
    return ", ".join([named, *kept, *sheet])


def _weights(run: RunPlan, base: BaseSource) -> list[str]:
    """What is known without a look at the model; a base that cannot be read is told of when it is loaded."""
    dtype = run.config.model.dtype
    try:
        weights = in_bytes(base.parameters * BYTES[dtype])
    except UserError:
        return []
    return [f"memory: {weights} for the base's weights ({dtype}); adapters and pictures on top, see `trainer plan`"]


def in_bytes(count: float) -> str:
    """`1.7 GB`, `340 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def duration_in_words(seconds: float) -> str:
    """As people say it: half a minute, minutes, hours, days."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600, 1):g} h" if seconds < 3 * DAY else f"{seconds / DAY:.0f} days"


def time_in_words(duration: Duration) -> str:
    """The whole, how sure it is, of what it is made, and where that comes from."""
    parts = {
        "to begin": duration.begin,
        "for pictures": duration.pictures,
        "for steps": duration.steps,
        "to measure and save": duration.readings,
        "for samples": duration.samples,
    }
    said = ", ".join(f"{duration_in_words(seconds)} {what}" for what, seconds in parts.items() if seconds >= 0.5)
    low, high = 1 - min(duration.error, 0.5), 1 + duration.error
    between = f"{duration_in_words(duration.seconds * low)} to {duration_in_words(duration.seconds * high)}"
    return f"about {duration_in_words(duration.seconds)} ({between}): {said}; from {duration.source}"


def plan_lines(one: Forecast, width: int) -> list[str | Text]:
    """All that is known of one plan."""
    pairs = {heading: shown(text) for heading, text in _pairs(one)}
    lines: list[str | Text] = [*pair_lines(pairs, width), ""]
    lines += _folder_table(one.run.folders, width)
    lines += _unused(one.run, width)
    lines += ["", *_standing_lines(one.standings, width)]
    if one.suggestions:
        lines += ["", *suggestion_lines(one.suggestions, one.run.config.data.train, width)]
    notes = [line for note in one.run.dataset.notes for line in hanging(shown(f"note: {note}"), "", width)]
    return lines + ([""] if notes else []) + list(notes)


def _pairs(one: Forecast) -> Iterator[tuple[str, str]]:
    run, memory = one.run, one.memory
    yield "steps", steps_in_words(run)
    yield "pictures", _pictures(run)
    yield "buckets", buckets_in_words(run)
    lora = next((file.size for file in one.files if file.size), None)
    yield "files", _files(run) + (f"; each LoRA {in_bytes(lora)}" if lora else "")
    largest = sorted(memory.parts.items(), key=lambda part: -part[1])
    parts = ", ".join(f"{in_bytes(size)} {name}" for name, size in largest if size >= 0.01 * memory.peak)
    yield (
        "memory",
        f"about {in_bytes(memory.peak)} of {'RAM' if memory.device == 'cpu' else 'GPU memory'} at its peak, "
        f"+-{memory.error:.0%}, by formula: {parts}",
    )
    yield "time", time_in_words(one.duration)
    if one.cost is not None:
        yield "cost", f"about {one.cost:.2f} at {one.price_per_hour:g} an hour"
    if one.in_the_way:
        yield "there", one.in_the_way


def _folder_table(folders: Sequence[FolderUse], width: int) -> list[Text]:
    often = [f"{one.least}" if one.least == one.most else f"{one.least} to {one.most}" for one in folders]
    columns = [
        TableColumn("folder", [one.name for one in folders], is_name=True),
        TableColumn("of", [one.kind for one in folders]),
        TableColumn("pictures", [str(one.pictures) for one in folders], is_right=True),
        TableColumn("repeats", [str(one.repeats) for one in folders], is_right=True, worth=2),
        TableColumn("each is used", often, is_right=True),
        TableColumn("never used", [str(one.unused) for one in folders], is_right=True),
    ]
    return table_lines(columns, [Row() for _ in folders], width)


def _unused(run: RunPlan, width: int) -> list[str]:
    if not run.unused:
        return []
    names = [f"{one.folder}/{one.path.name}" for one in run.unused[:MOST_NAMED]]
    more = f" and {len(run.unused) - MOST_NAMED} more (--json names all)" if len(run.unused) > MOST_NAMED else ""
    return ["", *hanging(f"never used: {len(run.unused)} of {len(run.learned)}: {', '.join(names)}{more}", "", width)]


def _standing_lines(found: Sequence[Standing], width: int) -> list[str | Text]:
    out, within = [one for one in found if one.stands_out], [one for one in found if not one.stands_out]
    lines: list[str | Text] = []
    if within:
        said = ", ".join(in_figures(one) for one in within)
        lines += hanging(f"as what worked: {said}", "", width)
    if not out:
        return [*lines, *hanging("nothing stands out against what worked", "", width)]
    columns = [
        TableColumn("stands out", [one.row.called for one in out]),
        TableColumn("here", [f"{_figure(one.value)} {one.row.unit}".strip() for one in out], is_right=True),
        TableColumn("what worked", [f"{_range(one)} {one.row.unit}".strip() for one in out], is_right=True),
    ]
    notes = [Row(notes=(f"{one.advice} (from {one.row.source})",)) for one in out]
    return [*lines, *([""] if lines else []), *table_lines(columns, notes, width)]


def in_figures(one: Standing) -> str:
    """A figure with its unit, as in `a picture is shown 79 times (what worked: 200 to 1800)`."""
    return f"{one.row.called} {_figure(one.value)} {one.row.unit}".strip() + f" (what worked: {_range(one)})"


def _range(one: Standing) -> str:
    low, high = one.row.low, one.row.high
    return _figure(low) if low == high else f"{_figure(low)} to {_figure(high)}"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or value >= 100 else f"{value:.2g}"


def suggestion_lines(found: Sequence[Suggestion], train: Path | None, width: int) -> list[str | Text]:
    """Plans for the wanted steps, and how the first is made of this one."""
    columns = [
        TableColumn("", [str(at) for at in range(1, len(found) + 1)], is_right=True),
        TableColumn("epochs", [str(one.epochs) for one in found], is_right=True),
        TableColumn("batch", [str(one.batch) for one in found], is_right=True),
        TableColumn("repeats by folder", [_repeats(one) for one in found], is_right=True),
        TableColumn("steps", [str(one.steps) for one in found], is_right=True),
        TableColumn("each is shown", [f"{one.times_shown:.0f} times" for one in found], is_right=True),
        TableColumn("stands out", [", ".join(one.stands_out).replace("_", " ") or NONE for one in found], worth=3),
    ]
    first = found[0]
    renames = [f"`{old}` to `{new}`" for old, new in first.renamed.items()]
    place = f" in {os.path.basename(train)}" if train else ""
    how = [f"training.epochs = {first.epochs}", f"training.batch_size = {first.batch}"]
    how += [f"rename {', '.join(renames)}{place}"] * bool(renames)
    return [
        *table_lines(columns, [Row() for _ in found], width),
        *hanging(f"the first: {'; '.join(how)}", "", width),
    ]


def _repeats(one: Suggestion) -> str:
    """In the folders' order, which the table of folders and the renames have, too."""
    values = list(one.repeats.values())
    return ", ".join(map(str, values[:3])) + (" ..." if len(values) > 3 else "")


def comparison_lines(one: Forecast, other: Forecast, names: tuple[str, str], width: int) -> list[str | Text]:
    """Two plans: only what differs, and the figures of both."""
    changed = differing_settings(one, other)
    said = changed or ["nothing that shapes the LoRA"]
    figures, others = figures_of(one), figures_of(other)
    columns = [
        TableColumn("", list(figures)),
        TableColumn(names[0], [_shown(key, value) for key, value in figures.items()], is_right=True),
        TableColumn(names[1], [_shown(key, value) for key, value in others.items()], is_right=True),
        TableColumn("", ["" if figures[key] == others[key] else "differs" for key in figures], worth=1),
    ]
    keys = {first.row.key: (first, second) for first, second in _pairs_of(one, other)}
    out = [
        f"{first.row.called}: {_figure(first.value)} -> {_figure(second.value)} (what worked: {_range(first)})"
        for first, second in keys.values()
        if first.value != second.value and (first.stands_out or second.stands_out)
    ]
    return [
        *(line for change in said for line in hanging(f"differs: {change}", "", width)),
        "",
        *table_lines(columns, [Row() for _ in figures], width),
        *(line for text in out for line in hanging(f"stands out: {text}", "", width)),
        *hanging(f"time: {names[0]} from {one.duration.source}; {names[1]} from {other.duration.source}", "", width),
    ]


def _pairs_of(one: Forecast, other: Forecast) -> list[tuple[Standing, Standing]]:
    second = {standing.row.key: standing for standing in other.standings}
    return [(standing, second[standing.row.key]) for standing in one.standings if standing.row.key in second]


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return NONE
    if key == "memory":
        return in_bytes(value)
    if key == "time":
        return duration_in_words(value)
    return f"{value:.2f}" if key == "cost" else _figure(value)


def comparison_document(one: Forecast, other: Forecast) -> dict[str, object]:
    """For programs."""
    return {
        "plans": [one.as_json(), other.as_json()],
        "differs": differing_settings(one, other),
        "figures": {key: [value, figures_of(other)[key]] for key, value in figures_of(one).items()},
    }
