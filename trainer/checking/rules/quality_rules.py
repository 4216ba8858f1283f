"""Single pictures at their training size: sharp, lit, clean, whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

import numpy as np

from foundation.wording.said import say
from trainer.checking.evidence import Evidence, Looked
from trainer.checking.findings import Finding
from trainer.checking.rules import quality_rows as row
from trainer.checking.rules.corner_marks import marked_corners
from trainer.checking.settings import Role
from trainer.checking.thresholds import QualityLimits

FEWEST_MARKS = 4
UNKNOWN = (np.nan,) * 4  # where no head is seen
# By which edges have one (`edges_of_picture.frame_of`).
FRAMES = {
    "above and below": say("a frame above and below"),
    "at both sides": say("a frame at both sides"),
    "above and below and at both sides": say("a frame above and below and at both sides"),
    "all around": say("a frame all around"),
}
# Of the middle, where a face was looked for and none is seen.
HALF_WHITE = 0.5
ALL_WHITE = 0.9  # of the middle, where there is no face to look at: a thing on white is less


def quality_findings(evidence: Evidence) -> Iterator[Finding]:
    """All findings about quality, of the train pictures."""
    limits = evidence.thresholds.quality
    blurs = [one.measured.blur / _blown_up(one) for one in evidence.train if one.measured.blur is not None]
    usual = median(blurs) if blurs else 0.0
    for one in evidence.train:
        yield from _sharpness(one, limits, usual)
        yield from _light(one, limits, HALF_WHITE if evidence.has_faces else ALL_WHITE)
        yield from _cleanness(one, limits)
        yield from _size_and_cut(one, limits)
    yield from _sources(evidence)
    yield from _watermarks(evidence)
    yield from _lone_buckets(evidence)


def _sharpness(one: Looked, limits: QualityLimits, usual: float) -> Iterator[Finding]:
    """A set that is soft throughout, as paintings may be, is measured against itself, but for the softest.

    Of a picture that is blown up, what that cannot explain is blur: edges are as wide as in its own pixels.
    """
    times, face = _blown_up(one), one.face
    blur = None if one.measured.blur is None else one.measured.blur / times
    of_face = None if face is None or face.blur is None else face.blur / times
    most = max(limits.blur, min(2 * limits.blur, limits.blur_by_median * usual))
    pixels = say("of its own pixels") if times > limits.enlarged else say("pixels")
    if blur is not None and blur > most:
        yield row.SOFT.found(
            one.path,
            say("its sharpest edges are {width} {pixels} wide", width=f"{blur:.1f}", pixels=pixels),
            blur,
            most,
            "pixels",
        )
    elif of_face is not None and of_face > max(limits.face_blur, most):
        yield row.SOFT_FACE.found(
            one.path,
            say("the face's sharpest edges are {width} {pixels} wide", width=f"{of_face:.1f}", pixels=pixels),
            of_face,
            limits.face_blur,
            "pixels",
        )


def _light(one: Looked, limits: QualityLimits, white: float) -> Iterator[Finding]:
    seen, face = one.measured, one.face
    if seen.bright_end < limits.bright_end:
        yield row.DARK.found(
            one.path,
            say("its brightest parts reach {share} of white", share=f"{seen.bright_end:.0%}"),
            seen.bright_end,
            limits.bright_end,
            "share",
        )
    elif seen.contrast < limits.contrast:
        yield row.FLAT.found(
            one.path,
            say("from its darkest to its brightest {share} of white", share=f"{seen.contrast:.0%}"),
            seen.contrast,
            limits.contrast,
            "share",
        )
    if face is not None and face.clipped > limits.clipped:
        yield row.BURNT.found(
            one.path,
            say("{share} of the face is white alone", share=f"{face.clipped:.0%}"),
            face.clipped,
            limits.clipped,
            "share",
        )
    elif face is None and seen.burnt > white:
        yield row.BURNT.found(
            one.path, say("{share} of its middle is white alone", share=f"{seen.burnt:.0%}"), seen.burnt, white, "share"
        )


def _cleanness(one: Looked, limits: QualityLimits) -> Iterator[Finding]:
    seen = one.measured
    if seen.noise > limits.noise:
        yield row.NOISY.found(
            one.path,
            say("noise of {levels} levels of 255", levels=f"{seen.noise:.0f}"),
            seen.noise,
            limits.noise,
            "levels of 255",
        )
    if seen.quality is not None and seen.quality < limits.jpeg_quality:
        yield row.COMPRESSED.found(
            one.path,
            say("saved as a JPEG of quality {quality}", quality=seen.quality),
            seen.quality,
            limits.jpeg_quality,
            "JPEG quality",
        )
    elif seen.blocks > limits.blocks and seen.contrast >= limits.contrast:
        yield row.COMPRESSED.found(
            one.path,
            say("steps at every eighth pixel are {times} times the others", times=f"{seen.blocks:.1f}"),
            seen.blocks,
            limits.blocks,
            "times",
        )
    if seen.border:
        yield row.FRAMED.found(one.path, FRAMES[seen.border])


def _scale(one: Looked) -> float:
    return 1.0 if one.frame is None else one.frame.resized[0] / one.frame.original[0]


def _blown_up(one: Looked) -> float:
    """How many times it is blown up, 1 at least."""
    return max(1.0, _scale(one))


def _size_and_cut(one: Looked, limits: QualityLimits) -> Iterator[Finding]:
    if one.frame is None:
        return
    scale, (width, height) = _scale(one), one.frame.original
    if scale > limits.enlarged:
        wide, high = one.frame.bucket
        yield row.ENLARGED.found(
            one.path,
            say(
                "{width} x {height} is blown up {times} times to {to_width} x {to_height}",
                width=width,
                height=height,
                times=f"{scale:.2f}",
                to_width=wide,
                to_height=high,
            ),
            scale,
            limits.enlarged,
            "times",
        )
    left, top, right, bottom = _kept(one)
    lost = 1 - (right - left) * (bottom - top)
    if (face := one.face) is not None and _is_cut(face.box, (left, top, right, bottom)):
        yield row.FACE_CUT.found(
            one.path,
            say(
                "the crop to {width} x {height} goes through it", width=one.frame.bucket[0], height=one.frame.bucket[1]
            ),
        )
    elif lost > limits.cut_off:
        yield row.MUCH_CUT.found(
            one.path, say("the crop takes {share} of it away", share=f"{lost:.0%}"), lost, limits.cut_off, "share"
        )


def _kept(one: Looked) -> tuple[float, float, float, float]:
    """What training sees of the picture, in shares of it."""
    assert one.frame is not None
    across, down = ((whole - part) / 2 / whole for whole, part in zip(one.frame.resized, one.frame.bucket, strict=True))
    return across, down, 1 - across, 1 - down


def _is_cut(box: tuple[float, float, float, float], kept: tuple[float, float, float, float]) -> bool:
    """Whether the crop takes more of the face than a twentieth, beyond what the picture's own edge takes."""
    wide, high = box[2] - box[0], box[3] - box[1]
    inside = (max(0.0, box[0]), max(0.0, box[1]), min(1.0, box[2]), min(1.0, box[3]))
    lost_across = max(0.0, kept[0] - inside[0]) + max(0.0, inside[2] - kept[2])
    lost_down = max(0.0, kept[1] - inside[1]) + max(0.0, inside[3] - kept[3])
    return lost_across > 0.05 * wide or lost_down > 0.05 * high


def _sources(evidence: Evidence) -> Iterator[Finding]:
    sides = [min(one.frame.original) / min(one.frame.resized) for one in evidence.train if one.frame is not None]
    if not sides:
        return
    usual, least = float(median(sides)), evidence.thresholds.quality.source
    if 1 <= usual < least:
        yield row.SMALL_SOURCES.found(
            None,
            say("the median original is {times} times its training size", times=f"{usual:.2f}"),
            usual,
            least,
            "times",
        )


def _watermarks(evidence: Evidence) -> Iterator[Finding]:
    pictures = [one for one in evidence.train if one.measured.corners.size]
    if len(pictures) < FEWEST_MARKS:
        return
    fewest = max(FEWEST_MARKS, evidence.thresholds.quality.watermark * len(pictures))
    corners = np.array([one.measured.corners for one in pictures], dtype=np.float32)
    heads = np.array([UNKNOWN if one.face is None else one.face.box for one in pictures])
    for name, marked in marked_corners(corners, [one.measured.backdrop for one in pictures], heads, fewest):
        paths = [pictures[at].path for at in marked]
        yield row.WATERMARK.found(
            paths[0],
            say("{count} pictures have the same mark at the {corner}", count=len(marked), corner=name),
            len(marked) / len(pictures),
            evidence.thresholds.quality.watermark,
            "share",
            paths[1:],
        )


def _lone_buckets(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.config.data.enable_bucket or evidence.config.training.batch_size < 2:
        return
    buckets = Counter(one.frame.bucket for one in evidence.train if one.frame is not None)
    repeats = {one.frame.bucket: one.sighted.folder.repeats for one in evidence.train if one.frame is not None}
    for one in evidence.train:
        if one.role == Role.TRAIN and one.frame is not None and buckets[one.frame.bucket] == 1:
            bucket = one.frame.bucket
            if repeats[bucket] < evidence.config.training.batch_size:
                yield row.LONE_BUCKET.found(
                    one.path, say("alone in the bucket {width} x {height}", width=bucket[0], height=bucket[1])
                )
