"""All runs below a folder, oldest first: what went in, what came out, and what differs from the run before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import TextFileError, read_json
from foundation.typed.json_values import is_table
from foundation.wording.said import Said, say
from trainer.records.picture_changes import picture_changes
from trainer.records.record import RunRecord, read_record
from trainer.records.run_identity import changed_keys, differences

Read = TypeVar("Read")
SCORES = "-scores.json"
# The keys that say which model likeness was measured by: CLIP or DINOv2 where the subject has no face.
JUDGES = {"face_model": "face pack", "clip_model": "CLIP", "dinov2_model": "DINOv2"}
HASHES = [key.replace("_model", "_sha256") for key in JUDGES]
OUTCOMES: Mapping[str, str] = {
    str(name): name
    for name in (
        say("healthy"), say("overflow"), say("exploding"), say("diverged on these pictures"), say("vanished"),
        say("text encoder overfitting"), say("overfitting"), say("under-trained"),
    )
}  # fmt: skip
Status = Literal["finished", "unfinished", "diverged", "failed"]


@dataclass(frozen=True)
class LedgerEntry:
    """A run. `score` is the best that was measured of its files, `changes` what differs from the run before it.

    `cause` are changes of settings, data, base and versions; `effect` of verdict, losses and score.
    """

    record: RunRecord
    path: Path
    score: BestScore | None
    cause: tuple[str, ...]
    effect: tuple[str, ...]

    @property
    def status(self) -> Status:
        if self.record.seconds is not None:
            return "finished"
        if self.record.failure:
            return "failed"
        return "diverged" if any(event.done == "stopped" for event in self.record.events) else "unfinished"


@dataclass(frozen=True)
class BestScore:
    """Read from `NAME-scores.json` beside the record: a JSON object with `best` (higher is better) and `file`.

    `judge_sha256` is the hash of the model that measured it (scores of different ones are not comparable),
    `measured` says it in words.
    """

    best: float
    file: str
    judge_sha256: str = ""
    measured: str = ""


@dataclass(frozen=True)
class Ledger:
    """Runs, oldest first, and files that look like a record or its scores and are none: each with what is wrong."""

    entries: tuple[LedgerEntry, ...]
    unreadable: dict[Path, str]


def read_ledger(folder: Path) -> Ledger:
    """Every run whose record lies in `folder` or below it.

    Raises MissingFileError for a folder that is not there.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; give the one that holds the runs' output folders")
    unreadable: dict[Path, str] = {}
    found: list[tuple[RunRecord, Path]] = []
    for path in sorted(folder.rglob("*-run.json")):
        if record := _or_noted(read_record, path, unreadable):
            found.append((record, path))
    found.sort(key=lambda one: (one[0].started, str(one[1])))
    entries: list[LedgerEntry] = []
    for record, path in found:
        score = _or_noted(_score, path.with_name(f"{record.name}{SCORES}"), unreadable)
        before = entries[-1] if entries else None
        cause = _cause(before.record, record) if before else ()
        effect = _effect(before, record, score) if before else ()
        entries.append(LedgerEntry(record, path, score, cause, effect))
    return Ledger(tuple(entries), unreadable)


def compared(before: LedgerEntry, after: LedgerEntry) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `after` changed against `before`, whichever lay between them, and what came of it."""
    return _cause(before.record, after.record), _effect(before, after.record, after.score)


def _or_noted(read: Callable[[Path], Read], path: Path, unreadable: dict[Path, str]) -> Read | None:
    try:
        return read(path)
    except ConfigurationError as error:
        unreadable[path] = str(error)
    except OSError as error:
        unreadable[path] = f"{path}: cannot be read ({error.strerror})"
    return None


def _score(path: Path) -> BestScore | None:
    if not path.is_file():
        return None
    try:
        values = cast("dict[str, object]", read_json(path))
        sha256 = next((str(values[key]) for key in HASHES if values.get(key)), "")
        return BestScore(float(str(values["best"])), str(values["file"]), sha256, _measured(values))
    except (TextFileError, ValueError, KeyError, TypeError, AttributeError) as error:  # of the last, a list has no keys
        raise ConfigurationError(f"{path}: not scores (a JSON object with `best` and `file`); remove it") from error


def _measured(values: Mapping[str, object]) -> str:
    """The interval, how many pictures and which face pack, CLIP or DINOv2, as far as they are told."""
    interval = f"{values['low']} to {values['high']}" if values.get("low") is not None else ""
    pictures = f"{values['pictures']} pictures" if "pictures" in values else ""
    judges = [f"{kind} {values[key]}" for key, kind in JUDGES.items() if key in values]
    return ", ".join(part for part in (interval, pictures, *judges) if part)


def _cause(old: RunRecord, new: RunRecord) -> tuple[str, ...]:
    versions = [
        f"{name}: {old.versions.get(name)} -> {version}"
        for name, version in new.versions.items()
        if old.versions.get(name) != version
    ]
    samples = [record.config.get("samples") for record in (old, new)]
    drawn = changed_keys("samples", *(one if is_table(one) else {} for one in samples))
    device = [say("device: {before} -> {now}", before=old.device, now=new.device)] * (old.device != new.device)
    pictures = picture_changes(old.pictures, new.pictures)
    return (*differences(old.identity, new.identity, pictures), *drawn, *device, *versions)


def _effect(before: LedgerEntry, new: RunRecord, score: BestScore | None) -> tuple[str, ...]:
    old = before.record
    pairs: Sequence[tuple[Said, object, object]] = (
        (say("verdict"), _named(old.outcome), _named(new.outcome)),
        (say("held-out loss"), _held_out(old), _held_out(new)),
        (say("score"), before.score and before.score.best, score and score.best),
    )
    other = before.score and score and before.score.judge_sha256 != score.judge_sha256
    caution = (say("the scores were measured by different models, so they do not compare"),) if other else ()
    return (
        *(say("{figure}: {was} -> {now}", figure=name, was=was, now=now) for name, was, now in pairs if was != now),
        *caution,
    )


def _named(outcome: str | None) -> str | None:
    return OUTCOMES.get(outcome, outcome) if outcome else None


def _held_out(record: RunRecord) -> float | None:
    losses = [reading.held_out_loss for reading in record.readings if reading.held_out_loss is not None]
    return round(losses[-1], 4) if losses else None
