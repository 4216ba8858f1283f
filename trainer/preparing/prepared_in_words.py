"""What `trainer prepare` did, what remains, and the plan, in words and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from foundation.terminal_tables import hanging
from trainer.checking.findings import Severity
from trainer.checking.reporting.in_words import HEADINGS, by_rule, shown_path, summary
from trainer.checking.settings import Role
from trainer.config.config import TrainConfig, run_file
from trainer.planning.plan_in_words import buckets_in_words, in_figures, steps_in_words
from trainer.planning.what_worked import standings
from trainer.preparing.mends import ASIDE, PLACES, Piece
from trainer.preparing.preparing import Prepared

NAMED = 4
INDENT = "    "


def prepared_lines(one: Prepared, width: int) -> list[str]:
    """All of it."""
    lines = [f"{one.dataset} -> {one.copy}"]
    lines += hanging(f"before: {summary(one.before)}", "  ", width)
    lines += [*hanging(f"now: {summary(one.after)}", "  ", width), ""]
    return [*lines, *_done(one, width), "", *_remains(one, width), "", *_plan(one, width), "", *_next(one, width)]


def _done(one: Prepared, width: int) -> Iterator[str]:
    count = len(one.mending.pieces)
    yield f"Done: {count} files copied, {len(one.done)} of them mended or set aside; the original is as it was"
    for what, pieces in _by_what(one.done):
        places = [_where(piece) for piece in pieces]
        yield from hanging(f"{len(pieces)} {what}: {_some(places)}", "  ", width)
    if one.captioned:
        told = [f"{path.parent.name}/{path.name}" for path in one.captioned]
        yield from hanging(f"{len(told)} captions written, to be read by you: {_some(told)}", "  ", width)
    if one.unsaved:
        told = [f"{path.name} ({fault})" for path, fault in one.unsaved.items()]
        yield from hanging(f"{len(told)} could not be saved and are not in the copy: {_some(told)}", "  ", width)
    if one.mending.left:
        told = [f"{shown_path(path, one.dataset)} ({why})" for path, why in one.mending.left.items()]
        yield from hanging(f"not copied: {_some(told)}", "  ", width)


def _by_what(done: tuple[Piece, ...]) -> list[tuple[str, list[Piece]]]:
    def what(piece: Piece) -> str:
        return f"set aside into {ASIDE}/{piece.rule}" if piece.target.parts[0] == ASIDE else piece.done

    ordered = sorted(done, key=what)
    return [(name, list(pieces)) for name, pieces in groupby(ordered, key=what)]


def _where(piece: Piece) -> str:
    return f"{piece.source.parent.name}/{piece.source.name}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _remains(one: Prepared, width: int) -> Iterator[str]:
    found = [(severity, by_rule(one.after.of(severity))) for severity in (Severity.ERROR, Severity.MEND)]
    if not any(rules for _, rules in found):
        yield "Remains: nothing that has to be mended"
        return
    yield "Remains, for you to mend:"
    for severity, rules in found:
        for rule in rules:
            first = rule.first
            places = [shown_path(finding.path, one.copy) for finding in rule.findings if finding.path is not None]
            where = f" ({_some(places)})" if places else ""
            yield from hanging(f"{HEADINGS[severity].lower()}: {first.title}{where}; {first.advice}", "  ", width)


def _plan(one: Prepared, width: int) -> Iterator[str]:
    if one.run is None:
        yield from hanging(f"Plan: none yet: {one.no_plan}", "", width)
        return
    of = "its configuration" if one.config is not None else "the preset portrait, for there is no configuration"
    run = one.run
    yield from hanging(f"Plan, by {of}: {steps_in_words(run)}", "", width)
    yield from hanging(f"buckets {buckets_in_words(run)}", "  ", width)
    if run.unused:
        yield f"  never used: {len(run.unused)} of {len(run.learned)} pictures"
    for standing in standings(run):
        if standing.stands_out:
            said = f"stands out: {in_figures(standing)}; {standing.advice}"
            yield from hanging(said, "  ", width)


def _next(one: Prepared, width: int) -> Iterator[str]:
    """The lines by which the run reads the copy, as its configuration has to have them."""
    again = "look at what remains, then " if one.after.verdict != "ready" else ""
    file, plan = ("the run's configuration", "CONFIG") if one.config is None else (run_file(one.dataset),) * 2
    yield from hanging(f"Next: {again}write into {file}, which names the original until then:", "", width)
    for section, lines in groupby(lines_to_write(one), key=lambda line: line[0]):
        yield f"{INDENT}[{section}]"
        yield from (f"{INDENT}{key} = {json.dumps(path, ensure_ascii=False)}" for _, key, path in lines)
    if one.config is not None and one.config.data.folders:
        yield "  and take its [[data.folders]] out: their pictures are in the copy's Train and Reg"
    yield from hanging(f"`trainer plan {plan}` then says memory, time and cost", "  ", width)


def lines_to_write(one: Prepared) -> Iterator[tuple[str, str, str]]:
    """Table, key and value by which a run reads the copy: a path from its configuration; whole where there is none."""
    start = run_file(one.dataset).resolve().parent
    for role, (table, key) in _keys(one.config).items():
        place = (one.copy / PLACES[role]).resolve()
        if place.is_dir():
            yield table, key, str(place) if one.config is None else Path(os.path.relpath(place, start)).as_posix()


def _keys(config: TrainConfig | None) -> dict[Role, tuple[str, str]]:
    """What names the folders of each role. References are for the loss where they have captions, else for samples."""
    keys = {Role.TRAIN: ("data", "train"), Role.REG: ("data", "reg")}
    if config is not None and config.data.held_out is not None:
        keys[Role.REFERENCE] = ("data", "held_out")
    elif config is not None and config.samples.references is not None:
        keys[Role.REFERENCE] = ("samples", "references")
    return keys


def as_json(one: Prepared) -> dict[str, object]:
    """For programs."""
    return {
        "dataset": str(one.dataset),
        "copy": str(one.copy),
        "before": one.before.verdict,
        "after": one.after.verdict,
        "files": len(one.mending.pieces),
        "done": [
            {
                "source": str(piece.source),
                "target": str(one.copy / piece.target),
                "what": piece.done,
                "rule": piece.rule,
            }
            for piece in one.done
        ],
        "captioned": [str(path) for path in one.captioned],
        "unsaved": {str(path): fault for path, fault in one.unsaved.items()},
        "not_copied": {str(path): why for path, why in one.mending.left.items()},
        "remains": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "path": None if finding.path is None else str(finding.path),
                "said": finding.said,
                "advice": finding.advice,
            }
            for finding in one.after.findings
            if finding.severity is not Severity.NOTE
        ],
        "plan": _plan_json(one),
    }


def _plan_json(one: Prepared) -> dict[str, object]:
    if one.run is None:
        return {"none": one.no_plan}
    run = one.run
    return {
        "steps": run.steps,
        "steps_by_epoch": list(run.steps_by_epoch),
        "never_used": len(run.unused),
        "buckets": [[*bucket.size, bucket.train + bucket.reg] for bucket in run.buckets],
        "stands_out": [standing.row.key for standing in standings(run) if standing.stands_out],
    }


def default_copy(dataset: Path) -> Path:
    """`hina-prepared` beside `hina`; of a configuration, beside its folder."""
    whole = dataset.expanduser().resolve()
    folder = whole.parent if whole.is_file() else whole
    return folder.with_name(f"{folder.name}-prepared")
