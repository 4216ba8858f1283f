"""Faces: one, whole, large enough, of one person, and varied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from base_models.vision.likeness import centroid
from foundation.wording.said import say
from trainer.checking.evidence import FACELESS, Evidence, Looked, embeddings_of
from trainer.checking.findings import Finding
from trainer.checking.measures.face_angles import Angles, angles_of
from trainer.checking.measures.measured import FaceMeasured
from trainer.checking.rules import face_rows as row
from trainer.checking.settings import Role
from trainer.checking.thresholds import FacesLimits

FEW = 8  # pictures, below which variety is not asked for
TOO_MANY = 4  # one in so many of somebody else: the set then shows several people
SURELY_OTHER = 0.3  # on the way from strangers to the subject: whoever is no further is a stranger, by himself or not
SAME_LIGHT = 0.03  # of white: the deviation of the faces' mean light


def face_findings(evidence: Evidence) -> Iterator[Finding]:
    """All findings about faces; none where no face pack looked, or the subject has none."""
    if not evidence.has_faces:
        return
    train, limits = evidence.train, evidence.thresholds.faces
    if evidence.lacks_faces:
        yield _no_faces(evidence)
    for one in train:
        if one.face is None:
            yield from () if evidence.lacks_faces else (_no_face(one),)
        else:
            yield from _of_face(one, one.face, limits)
    yield from _views(evidence)
    yield from _people(evidence)
    if len(evidence.with_face) >= FEW:
        yield from _variety(evidence)


def _no_faces(evidence: Evidence) -> Finding:
    """One finding about the face pack, where so many pictures lack a face that they are hardly all at fault."""
    train, faces = evidence.train, evidence.with_face
    said = (
        say("a face is found in {count} of {total} pictures", count=len(faces), total=len(train))
        if faces
        else say("a face is found in none")
    )
    without = [one.path for one in train if one.face is None]
    return row.NO_FACES.found(
        None,
        say("{faces}, so nobody knows who they show", faces=said),
        len(faces) / len(train),
        FACELESS,
        "share",
        without,
    )


def _no_face(one: Looked) -> Finding:
    """What lies on its side or its head is no fault of the face pack's."""
    if not (turn := one.measured.turn):
        return row.NO_FACE.found(one.path)
    how = {90: say("a quarter to the left"), 180: say("upside down"), 270: say("a quarter to the right")}[turn]
    return replace(
        row.NO_FACE.found(one.path, say("no face, but one where it is turned {how}", how=how)),
        advice=say("turn it {how}", how=how),
    )


def _of_face(one: Looked, face: FaceMeasured, limits: FacesLimits) -> Iterator[Finding]:
    x0, y0, x1, y1 = face.box
    wide, high = x1 - x0, y1 - y0
    if face.rivals > limits.rivals:
        yield row.SEVERAL_FACES.found(
            one.path,
            say("{count} faces of similar size", count=face.rivals + 1),
            face.rivals + 1,
            limits.rivals + 1,
            "faces",
        )
    share = _side(one, face)
    if share < limits.small:
        yield row.SMALL_FACE.found(
            one.path,
            say("the face is {share} of the picture's shorter side", share=f"{share:.0%}"),
            share,
            limits.small,
            "share",
        )
    beyond = max(-x0 / wide, (x1 - 1) / wide, -y0 / high, (y1 - 1) / high)
    if beyond > limits.edge:
        yield row.FACE_AT_EDGE.found(
            one.path,
            say("{share} of the face lies beyond the edge", share=f"{beyond:.0%}"),
            beyond,
            limits.edge,
            "share",
        )
    elif (1 - y1) / high < limits.below_chin:
        yield row.NO_SHOULDERS.found(
            one.path,
            say("{share} of the face's height is below the chin", share=f"{max(0.0, (1 - y1) / high):.0%}"),
            (1 - y1) / high,
            limits.below_chin,
            "share",
        )


def _side(one: Looked, face: FaceMeasured) -> float:
    width, height = one.measured.size
    area = (face.box[2] - face.box[0]) * width * (face.box[3] - face.box[1]) * height
    return max(0.0, area) ** 0.5 / min(width, height)


def _angles(one: Looked) -> Angles | None:
    if one.face is None or len(one.face.points) != 5:
        return None
    return angles_of(np.array(one.face.points) * np.array(one.measured.size))


def _views(evidence: Evidence) -> Iterator[Finding]:
    faces, limits = evidence.with_face, evidence.thresholds.faces
    turned = [
        (one, seen.yaw) for one in faces if (seen := _angles(one)) is not None and abs(seen.yaw) > limits.side_view
    ]
    for one, yaw in turned:
        side = (
            say("turned about {angle} degrees to the picture's right", angle=f"{yaw:.0f}")
            if yaw > 0
            else say("turned about {angle} degrees to the picture's left", angle=f"{-yaw:.0f}")
        )
        yield row.SIDE_VIEW.found(
            one.path,
            side,
            abs(yaw),
            limits.side_view,
            "degrees",
        )
    if len(turned) > max(1, limits.side_views * len(faces)):
        share = len(turned) / len(faces)
        yield row.SIDE_VIEWS.found(
            None,
            say("{count} of {total} faces are seen from the side", count=len(turned), total=len(faces)),
            share,
            limits.side_views,
            "share",
            [one.path for one, _ in turned],
        )
    far = [one for one in faces if one.face is not None and one.face.box[3] - one.face.box[1] < limits.far]
    if len(far) > max(1, limits.far_views * len(faces)):
        share = len(far) / len(faces)
        yield row.FAR_VIEWS.found(
            None,
            say("{count} of {total} pictures show half or all of the body", count=len(far), total=len(faces)),
            share,
            limits.far_views,
            "share",
            [one.path for one in far],
        )


def _people(evidence: Evidence) -> Iterator[Finding]:
    faces = evidence.with_face
    odd = surely_odd(evidence)
    if len(odd) * TOO_MANY > len(faces):
        yield row.SEVERAL_PEOPLE.found(
            None,
            say("{count} of {total} faces are not who most of them show", count=len(odd), total=len(faces)),
            len(odd),
            None,
            "pictures",
            [faces[at].path for at in odd],
        )
    elif odd:
        yield from _odd_ones(faces, odd)
    yield from _odd_references(evidence)


def surely_odd(evidence: Evidence) -> list[int]:
    """The faces of others: those that stand apart and lie further towards strangers than glasses or a turn bring the
    subject, and whatever lies nearly where strangers do.

    Where strangers lie is told by the reg pictures; without any, no likeness at all stands for them.
    """
    faces = evidence.with_face
    if len(faces) < FEW:
        return []
    vectors = embeddings_of(faces)
    cosines = vectors @ vectors.T
    nearest = np.sort(cosines, axis=1)[:, ::-1][:, 1 : 1 + len(faces) // 2].mean(1)
    middle, usual = vectors[int(nearest.argmax())], float(nearest.max())
    reg = [one for one in evidence.of(Role.REG) if one.face is not None]
    strangers = float(np.median(embeddings_of(reg) @ middle)) if len(reg) >= FEW else 0.0
    way = (vectors @ middle - strangers) / max(1e-6, usual - strangers)
    apart = np.where(evidence.people != 0, evidence.thresholds.faces.other_person, SURELY_OTHER)
    return [int(at) for at in np.flatnonzero(way < apart)]


def _odd_ones(faces: Sequence[Looked], odd: Sequence[int]) -> Iterator[Finding]:
    vectors = embeddings_of(faces)
    kept = np.setdiff1d(np.arange(len(faces)), odd)
    middle = centroid(vectors[kept])
    own = vectors[kept] @ middle
    for at in odd:
        alike = float(vectors[at] @ middle)
        yield row.OTHER_PERSON.found(
            faces[at].path,
            say(
                "likeness {likeness} to the others, who have {low} to {high}",
                likeness=f"{alike:.2f}",
                low=f"{own.min():.2f}",
                high=f"{own.max():.2f}",
            ),
            alike,
            float(own.min()),
            "cosine",
        )


def _odd_references(evidence: Evidence) -> Iterator[Finding]:
    references = [one for one in evidence.of(Role.REFERENCE) if one.face is not None]
    own = [one for one, who in zip(evidence.with_face, evidence.people, strict=True) if who == 0]
    if len(own) < FEW or not references:
        return
    vectors = embeddings_of(own)
    middle = centroid(vectors)
    alike = vectors @ middle
    # Halfway from where strangers lie, about 0, to the subject's least alike picture.
    least = float(alike.min()) / 2
    for one, vector in zip(references, embeddings_of(references), strict=True):
        cosine = float(vector @ middle)
        if cosine < least:
            yield row.OTHER_REFERENCE.found(
                one.path,
                say(
                    "likeness {likeness} to the training pictures, which have {least} at least",
                    likeness=f"{cosine:.2f}",
                    least=f"{alike.min():.2f}",
                ),
                cosine,
                least,
                "cosine",
            )


def _variety(evidence: Evidence) -> Iterator[Finding]:
    faces, limits = evidence.with_face, evidence.thresholds.faces
    looks = np.array([one.face.look for one in faces if one.face is not None and one.face.look.size])
    if len(looks) >= FEW:
        alike = float(np.median((looks @ looks.T)[np.triu_indices(len(looks), 1)]))
        if alike > limits.one_look:
            yield row.ONE_LOOK.found(
                None,
                say("two faces look alike by {likeness} (median)", likeness=f"{alike:.2f}"),
                alike,
                limits.one_look,
                "correlation",
            )
    yield from _angle_gaps([seen.yaw for one in faces if (seen := _angles(one)) is not None], limits)
    light = np.array([one.face.light for one in faces if one.face is not None])
    if float(light.std()) < SAME_LIGHT:
        yield row.ONE_LIGHT.found(
            None,
            say("their mean light varies by {share} of white", share=f"{light.std():.1%}"),
            float(light.std()),
            SAME_LIGHT,
            "share",
        )


def _angle_gaps(yaws: Sequence[float], limits: FacesLimits) -> Iterator[Finding]:
    if len(yaws) < FEW:
        return
    left, right = (sum(sign * yaw > limits.angle for yaw in yaws) for sign in (-1, 1))
    if left == 0 and right == 0:
        widest = max(map(abs, yaws))
        yield row.ONE_ANGLE.found(
            None,
            say("the furthest is turned by {angle} degrees", angle=f"{widest:.0f}"),
            widest,
            limits.angle,
            "degrees",
        )
    elif left == 0 and right > 1:
        yield row.NO_LEFT.found(
            None, say("{count} are turned to the picture's right, none to its left", count=right), 0, 1, "pictures"
        )
    elif right == 0 and left > 1:
        yield row.NO_RIGHT.found(
            None, say("{count} are turned to the picture's left, none to its right", count=left), 0, 1, "pictures"
        )
