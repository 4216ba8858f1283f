"""Reg pictures: of the class, not of the subject, enough of them, and used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from base_models.vision.likeness import centroid, unit_length
from foundation.wording.said import say
from trainer.checking.evidence import FACELESS, Evidence, Looked, embeddings_of
from trainer.checking.findings import Finding
from trainer.checking.phrases import any_of
from trainer.checking.rules import reg_rows as row
from trainer.checking.rules.face_rules import surely_odd
from trainer.checking.settings import Role

FROM_TRAIN = say("remove it from Train: it shows somebody else")
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
                yield row.SMALL.found(
                    one.path, say("it is blown up {times} times", times=f"{scale:.2f}"), scale, most, "times"
                )
    if evidence.has_faces and evidence.subject.is_person and not evidence.lacks_faces:
        yield from _faceless(evidence, reg)
    if evidence.has_faces:
        yield from _likeness(evidence, [one for one in reg if one.face is not None])


def _faceless(evidence: Evidence, reg: list[Looked]) -> Iterator[Finding]:
    """Each by itself; of a folder that mostly has no faces, all at once."""
    without = [one.path for one in reg if one.face is None]
    word = evidence.subject.class_word
    if len(without) > max(1, FACELESS * len(reg)):
        said = say(
            "no face is found in {count} of {total}, and the class is `{word}`",
            count=len(without),
            total=len(reg),
            word=word,
        )
        yield row.WRONG_CLASS.found(None, said, len(without) / len(reg), FACELESS, "share", without)
        return
    for path in without:
        yield row.WRONG_CLASS.found(path, say("no face is found, and the class is `{word}`", word=word))


def _twins(evidence: Evidence) -> Iterator[Finding]:
    strangers = {evidence.with_face[at].path for at in surely_odd(evidence)}
    for pair in evidence.twins:
        one, other = evidence.pictures[pair.one], evidence.pictures[pair.other]
        how = say("byte for byte") if pair.same else say("changed a little")
        if {one.role, other.role} == {Role.REG}:
            yield row.TWINS.found(
                other.path,
                say("is {picture}, {how}", picture=f"{one.path.parent.name}/{one.path.name}", how=how),
                others=[one.path],
            )
        elif Role.REG in (one.role, other.role):
            reg, own = (one, other) if one.role == Role.REG else (other, one)
            found = row.IS_TRAIN.found(
                reg.path,
                say(
                    "is the training picture {picture}, {how}",
                    picture=f"{own.path.parent.name}/{own.path.name}",
                    how=how,
                ),
                others=[own.path],
            )
            yield replace(found, advice=FROM_TRAIN) if own.path in strangers else found


def _captions(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.subject.word:
        return
    word = any_of([evidence.subject.word])
    for one in evidence.survey.reg:
        if word.search(one.caption):
            yield row.HAS_TRIGGER.found(
                one.path, say("`{trigger}` in: {caption}", trigger=evidence.subject.word, caption=one.caption[:60])
            )


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
            say(
                "{different} different reg pictures for {training} training pictures",
                different=different,
                training=train,
            ),
            different,
            least * train,
            "pictures",
        )
    elif different < shown:
        yield row.REPEATED.found(
            None,
            say(
                "{different} different ones, {shown} shown an epoch: each about {times} times",
                different=different,
                shown=shown,
                times=f"{shown / different:.0f}",
            ),
            different,
            shown,
            "pictures",
        )
    unused = len(reg) - shown * epochs
    if unused > 0:
        yield row.UNUSED.found(
            None,
            say(
                "{count} of {total} are never used: {epochs} epochs show {shown} each",
                count=unused,
                total=len(reg),
                epochs=epochs,
                shown=shown,
            ),
            unused,
            0,
            "pictures",
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
                one.path,
                say(
                    "likeness {likeness}, where the subject has {usual} and others {others}",
                    likeness=f"{cosine:.2f}",
                    usual=f"{usual:.2f}",
                    others=f"{strangers:.2f}",
                ),
                way,
                limit,
                "of the way",
            )
