"""Reg pictures: of the class, not of the subject, enough of them, and used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from base_models.vision.likeness import centroid, unit_length
from trainer.checking.evidence import FACELESS, Evidence, Looked, embeddings_of
from trainer.checking.findings import Finding
from trainer.checking.phrases import any_of
from trainer.checking.rules import reg_rows as row
from trainer.checking.rules.face_rules import surely_odd
from trainer.checking.settings import Role

FROM_TRAIN = "remove it from Train: it shows somebody else"
FEWEST = 4  # faces, of which the subject's own likeness is known


def reg_findings(evidence: Evidence) -> Iterator[Finding]:
    """All findings about reg pictures; none where there are none."""
    reg = evidence.of(Role.REG)
    if not reg:
        return
    yield from _twins(evidence)
    yield from _captions(evidence)
    yield from _counts(evidence, reg)
    for one in reg:
        if one.frame is not None:
            scale, most = one.frame.resized[0] / one.frame.original[0], evidence.thresholds.quality.enlarged
            if scale > most:
                yield row.SMALL.found(one.path, f"it is blown up {scale:.2f} times", scale, most, "times")
    if evidence.has_faces and evidence.subject.is_person and not evidence.lacks_faces:
        yield from _faceless(evidence, reg)
    if evidence.has_faces:
        yield from _likeness(evidence, [one for one in reg if one.face is not None])


def _faceless(evidence: Evidence, reg: list[Looked]) -> Iterator[Finding]:
    """Each by itself; of a folder that mostly has no faces, all at once."""
    without = [one.path for one in reg if one.face is None]
    why = f"and the class is `{evidence.subject.class_word}`"
    if len(without) > max(1, FACELESS * len(reg)):
        said = f"no face is found in {len(without)} of {len(reg)}, {why}"
        yield row.WRONG_CLASS.found(None, said, len(without) / len(reg), FACELESS, "share", without)
        return
    for path in without:
        yield row.WRONG_CLASS.found(path, f"no face is found, {why}")


def _twins(evidence: Evidence) -> Iterator[Finding]:
    strangers = {evidence.with_face[at].path for at in surely_odd(evidence)}
    for pair in evidence.twins:
        one, other = evidence.pictures[pair.one], evidence.pictures[pair.other]
        how = "byte for byte" if pair.same else "changed a little"
        if {one.role, other.role} == {Role.REG}:
            yield row.TWINS.found(other.path, f"is {one.path.parent.name}/{one.path.name}, {how}", others=[one.path])
        elif Role.REG in (one.role, other.role):
            reg, own = (one, other) if one.role == Role.REG else (other, one)
            found = row.IS_TRAIN.found(
                reg.path, f"is the training picture {own.path.parent.name}/{own.path.name}, {how}", others=[own.path]
            )
            yield replace(found, advice=FROM_TRAIN) if own.path in strangers else found


def _captions(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.subject.word:
        return
    word = any_of([evidence.subject.word])
    for one in evidence.survey.reg:
        if word.search(one.caption):
            yield row.HAS_TRIGGER.found(one.path, f"`{evidence.subject.word}` in: {one.caption[:60]}")


def _counts(evidence: Evidence, reg: list[Looked]) -> Iterator[Finding]:
    """As the trainer deals them: as many an epoch as train pictures with their repeats, in rounds that go on."""
    copies = {pair.other for pair in evidence.twins if evidence.pictures[pair.other].role == Role.REG}
    different = len(reg) - len(copies)
    train = len(evidence.train)
    shown = sum(one.sighted.folder.repeats or 1 for one in evidence.train)
    epochs = evidence.config.training.epochs
    least = evidence.thresholds.reg.few
    if different < least * train:
        yield row.FEW.found(
            None,
            f"{different} different reg pictures for {train} training pictures",
            different,
            least * train,
            "pictures",
        )
    elif different < shown:
        yield row.REPEATED.found(
            None, f"{different} different ones, {shown} shown an epoch: each about {shown / different:.0f} times",
            different, shown, "pictures",
        )  # fmt: skip
    unused = len(reg) - shown * epochs
    if unused > 0:
        yield row.UNUSED.found(
            None, f"{unused} of {len(reg)} are never used: {epochs} epochs show {shown} each", unused, 0, "pictures"
        )


def _likeness(evidence: Evidence, reg: list[Looked]) -> Iterator[Finding]:
    """By how far a face lies on the way from the other reg faces to the subject's own, which each recogniser scales
    in its own way."""
    own = [one for one, who in zip(evidence.with_face, evidence.people, strict=True) if who == 0]
    if len(own) < FEWEST or not reg:
        return
    vectors = embeddings_of(own)
    rest = unit_length(vectors.sum(0) - vectors)
    usual = float(np.median((vectors * rest).sum(1)))
    alike = embeddings_of(reg) @ centroid(vectors)
    # Of a set that is mostly the subject's, the median would be the subject itself.
    strangers = min(float(np.median(alike)), usual / 2)
    limits = evidence.thresholds.reg
    for one, cosine in zip(reg, alike, strict=True):
        way = (float(cosine) - strangers) / max(1e-6, usual - strangers)
        rule, limit = (
            (row.IS_SUBJECT, limits.likeness) if way >= limits.likeness else (row.LIKE_SUBJECT, limits.likeness_near)
        )
        if way >= limit:
            yield rule.found(
                one.path, f"likeness {cosine:.2f}, where the subject has {usual:.2f} and others {strangers:.2f}",
                way, limit, "of the way",
            )  # fmt: skip
