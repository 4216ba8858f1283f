"""What lies outside the person: plain or busy, varied or always the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from foundation.wording.said import say
from trainer.checking.evidence import Evidence, Looked
from trainer.checking.findings import Finding, Severity
from trainer.checking.phrases import Phrases
from trainer.checking.rules import face_rows as row

FEW = 8  # pictures, below which nothing is said of backgrounds
SAME = 0.03  # of white: the mean difference of two backgrounds that are one
SHARED = 0.06  # of the picture that is background in both
SAID = 0.8  # of the captions


def background_findings(evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    """All findings about backgrounds. Without faces nobody knows where the subject is, so only sameness is told."""
    train, limits = evidence.train, evidence.thresholds.background
    if evidence.has_faces:
        busy = [one for one in evidence.with_face if one.measured.busy > limits.busy]
        if len(busy) >= FEW // 2 and len(busy) > limits.busy_pictures * len(train):
            yield row.MOSTLY_BUSY.found(
                None,
                say("{count} of {total} backgrounds are busy", count=len(busy), total=len(train)),
                len(busy) / len(train),
                limits.busy_pictures,
                "share",
                [one.path for one in busy],
            )
        else:
            for one in busy:
                yield row.BUSY.found(
                    one.path,
                    say("{share} of the background is edges", share=f"{one.measured.busy:.0%}"),
                    one.measured.busy,
                    limits.busy,
                    "share",
                )
    if len(train) >= FEW:
        yield from _sameness(evidence, phrases)


def _sameness(evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    train, limits = evidence.train, evidence.thresholds.background
    group = _largest_group([one.measured.backdrop for one in train])
    share = len(group) / len(train)
    if len(group) < FEW // 2 or share <= limits.same_pictures:
        return
    found = row.SAME_BACKGROUND.found(
        None,
        say("{count} of {total} pictures have the same background", count=len(group), total=len(train)),
        share,
        limits.same_pictures,
        "share",
        [train[at].path for at in group],
    )
    said = sum(phrases.says(one.caption, "background") for one in _at(train, group))
    yield replace(found, severity=Severity.NOTE) if said >= SAID * len(group) else found


def _at(pictures: Sequence[Looked], places: Sequence[int]) -> list[Looked]:
    return [pictures[at] for at in places]


def _largest_group(backdrops: Sequence[np.ndarray]) -> list[int]:
    """The pictures whose background is that of the one that most share."""
    if not backdrops or any(not one.size for one in backdrops):
        return []
    stacked = np.array(backdrops, dtype=np.float32).reshape(len(backdrops), -1)
    shown = np.isfinite(stacked)
    levels = np.nan_to_num(stacked)
    best: list[int] = []
    for at in range(len(stacked)):
        both = shown & shown[at]
        apart = (np.abs(levels - levels[at]) * both).sum(1) / np.maximum(1, both.sum(1))
        group = np.flatnonzero((apart < SAME) & (both.mean(1) > SHARED))
        if len(group) > len(best):
            best = [int(one) for one in group]
    return best
