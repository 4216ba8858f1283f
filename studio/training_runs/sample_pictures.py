"""The pictures that a run drew of its epochs, to be looked at in rows. No Streamlit here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.languages.translation import tr
from trainer.records.ledger import LedgerEntry
from trainer.samples.curve import Identity

MOST = 6  # pictures of an epoch


@dataclass(frozen=True)
class SampleRow:
    """One epoch's pictures, and how alike they are in words."""

    title: str
    pictures: tuple[Path, ...]
    likeness: str


def samples_of(entry: LedgerEntry) -> list[SampleRow]:
    """A row an epoch of which there are pictures, what was drawn before training first; at most `MOST` of each."""
    record = entry.record
    drawn = record.samples.drawn if record.samples else ()
    folder = entry.path.with_name(f"{record.name}-samples")
    return [
        SampleRow(
            # Asked by the same prompts as the epochs, where a grid's base model is asked by the class word.
            tr("epoch {number}", number=one.epoch) if one.epoch else tr("before training, with the trigger"),
            tuple(folder / Path(name).name for name in one.pictures[:MOST]),
            _in_words(one.identity),
        )
        for one in drawn
        if one.pictures
    ]


def _in_words(identity: Identity | None) -> str:
    if identity is None:
        return ""
    if identity.low is None or identity.high is None:
        return tr("likeness {likeness}", likeness=f"{identity.mean:.2f}")
    return tr(
        "likeness {likeness} ({low} to {high})",
        likeness=f"{identity.mean:.2f}",
        low=f"{identity.low:.2f}",
        high=f"{identity.high:.2f}",
    )
