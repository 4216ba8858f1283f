"""What `trainer plan` foretold, read from its answer: figures with their doubt, and what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foundation.typed.json_values import is_list, is_table
from studio.data.findings_shown import document_of
from studio.languages.retelling import told
from studio.languages.translation import tr, tr_many
from studio.shared.time_words import lasting
from trainer.planning.plan_in_words import in_bytes
from trainer.planning.what_worked import ROWS


@dataclass(frozen=True)
class PlanShown:
    """`tiles` are figures by name; `sentences` say more, `standing_out` what is unlike runs that worked."""

    tiles: dict[str, str]
    sentences: tuple[str, ...]
    standing_out: tuple[str, ...]


def read_plan(said: Path) -> PlanShown | None:
    """A plan's answer; None where it is none, as of a plan that could not be made."""
    found = document_of(said)
    if found is None or not is_table(time := found.get("time")) or not is_table(memory := found.get("memory")):
        return None
    pictures = found.get("pictures")
    used = pictures if is_table(pictures) else {}
    seconds, peak = _number(time.get("seconds")), _number(memory.get("bytes"))
    tiles = {
        tr("steps"): f"{found.get('steps')}",
        tr("epochs"): f"{found.get('epochs')}",
        tr("pictures"): f"{used.get('subject')}",
        tr("reg pictures"): f"{used.get('reg')}",
        tr("time"): tr("about {duration}", duration=lasting(seconds)),
        tr("memory"): in_bytes(peak),
    }
    if found.get("cost") is not None:
        tiles[tr("cost")] = f"{_number(found['cost']):.2f}"
    return PlanShown(tiles, tuple(_sentences(found, time, used)), tuple(_standing_out(found.get("what_worked"))))


def _sentences(found: dict[str, object], time: dict[str, object], used: dict[str, object]) -> list[str]:
    error = _number(time.get("error"))
    said = [
        tr(
            "The time is right within {share}, from {source}.",
            share=f"{error:.0%}",
            source=told(str(time.get("source"))),
        )
    ]
    if isinstance(never := used.get("never_used_count"), int) and never:
        said.append(
            tr_many(
                "{count} picture is never shown: fewer reg pictures, or more epochs, would do.",
                "{count} pictures are never shown: fewer reg pictures, or more epochs, would do.",
                never,
            )
        )
    if there := found.get("in_the_way"):
        said.append(tr("There already: {files}.", files=there))
    notes = found.get("notes")
    return said + [told(str(note)) for note in (notes if is_list(notes) else [])]


def _standing_out(worked: object) -> list[str]:
    called = {one.key: one.called for one in ROWS}
    rows = [one for one in (worked if is_list(worked) else []) if is_table(one) and one.get("stands_out")]
    return [
        tr(
            "{key}: {value}; in runs that worked {low} to {high}. {advice} (from {source})",
            key=told(called.get(str(one.get("key")), str(one.get("key")))),
            value=one.get("value"),
            low=one.get("low"),
            high=one.get("high"),
            advice=_begun(told(str(one.get("advice")))),
            source=told(str(one.get("source"))),
        )
        for one in rows
    ]


def _begun(words: str) -> str:
    """With a capital, as a sentence begins."""
    return words[:1].upper() + words[1:]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
