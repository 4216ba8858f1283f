"""Files and folders: what training would not see, stops at, or sees twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from base_models.pictures.listing import list_folder
from foundation.wording.said import say, say_many
from trainer.checking.evidence import Evidence, Looked, Twins
from trainer.checking.findings import Finding
from trainer.checking.rules import file_rows as row
from trainer.checking.settings import Role
from trainer.checking.survey import Folder
from trainer.data.captions import is_caption
from trainer.data.dataset import named

# Kinds of pictures that users have, and that neither kohya nor this trainer looks for.
OTHER_KINDS = (
    ".gif",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".jfif",
    ".jpe",
    ".jp2",
    ".psd",
    ".svg",
    ".ico",
    ".raw",
    ".cr2",
    ".nef",
    ".arw",
    ".dng",
    ".avif",
    ".jxl",
    ".apng",
    ".ppm",
)


def file_findings(evidence: Evidence) -> Iterator[Finding]:
    """All findings about files."""
    for folder in evidence.survey.folders:
        yield from _of_folder(folder)
    yield from _of_captions(evidence)
    for one in evidence.pictures:
        yield from _of_picture(one, evidence)
    yield from _grey(evidence)
    yield from twins_found(evidence)


def _of_folder(folder: Folder) -> Iterator[Finding]:
    here = folder.listing
    if folder.fault:
        yield row.FOLDER_UNREADABLE.found(folder.path, say("cannot be read ({fault})", fault=folder.fault))
        return
    if folder.is_parent and here.pictures:
        yield row.LOOSE.found(
            folder.path,
            say("holds {pictures} itself: {names}", pictures=_count(here.pictures), names=_names(here.pictures)),
            others=here.pictures,
        )
    elif not folder.repeats:
        yield row.FOLDER_SKIPPED.found(folder.path, _why_skipped(folder), others=here.pictures)
    elif not here.pictures and not here.unopenable and not (folder.is_parent and here.folders):
        yield row.FOLDER_EMPTY.found(folder.path)
    if not folder.is_parent and folder.role != Role.REFERENCE:
        yield from _unseen(folder)


def _unseen(folder: Folder) -> Iterator[Finding]:
    here = folder.listing
    for below in here.folders:
        yield from _nested(below)
    for path in here.others:
        if path.suffix.lower() in OTHER_KINDS:
            yield row.UNSEEN.found(path, say("{ending} is a kind that is not read", ending=path.suffix))


def _why_skipped(folder: Folder) -> str:
    if "_" not in folder.path.name:
        return say("its name has no repeats before an underscore")
    return say("its name does not begin with a number of repeats, 1 or more")


def _nested(below: Path) -> Iterator[Finding]:
    try:
        pictures = list_folder(below).pictures
    except OSError as error:
        yield row.FOLDER_UNREADABLE.found(below, say("cannot be read ({fault})", fault=error.strerror))
        return
    if pictures:
        yield row.NESTED.found(
            below, say("{pictures} in a folder below, read by nobody", pictures=_count(pictures)), others=pictures
        )


def _of_captions(evidence: Evidence) -> Iterator[Finding]:
    survey = evidence.survey
    readable = {one.path for one in evidence.pictures if one.is_readable}
    captioned = any(one.is_captioned for one in survey.train)
    if survey.train and not captioned:
        yield row.NO_CAPTIONS.found(None, others=[one.path for one in survey.train][:1])
    for folder in survey.folders:
        if folder.role != Role.REFERENCE:
            yield from _captions_of(folder)
    for one in survey.train if captioned else ():
        if not one.files and one.path in readable:
            yield row.NO_CAPTION.found(
                one.path, say("no caption: it is learned as `{caption}`", caption=one.folder.words)
            )
    for one in survey.pictures:
        if len(one.files) > 1:
            yield row.TWO_CAPTIONS.found(
                one.path, say("has {files}", files=" and ".join(file.path.name for file in one.files))
            )


def _captions_of(folder: Folder) -> Iterator[Finding]:
    by_stem: dict[str, list[Path]] = {}
    for path in folder.listing.pictures:
        by_stem.setdefault(path.stem, []).append(path)
    for stem, files in folder.captions.items():
        pictures = by_stem.get(stem, [])
        if len(pictures) > 1:
            yield row.SHARED_CAPTION.found(
                files[0], say("is the caption of {names}", names=_names(pictures)), others=pictures
            )
        elif not pictures and not any(path.stem == stem for path in folder.listing.unopenable):
            yield row.CAPTION_ALONE.found(files[0], say("no picture is called {name}", name=stem))
    loud = [path for files in folder.captions.values() for path in files if path.suffix != path.suffix.lower()]
    for path in loud:
        if is_caption(path):
            yield row.CAPTION_CAPITALS.found(path)


def _of_picture(one: Looked, evidence: Evidence) -> Iterator[Finding]:
    seen = one.measured
    if seen.fault:
        rule = row.ODD_SIZE if seen.is_odd_size else row.UNREADABLE
        yield rule.found(one.path, seen.fault)
        return
    width, height = seen.size
    aspect, most = max(seen.size) / min(seen.size), evidence.thresholds.files.aspect
    if aspect > most and one.role != Role.REFERENCE:
        yield row.LONG.found(
            one.path,
            say(
                "{width} x {height}: one side is {times} times the other",
                width=width,
                height=height,
                times=f"{aspect:.1f}",
            ),
            aspect,
            most,
        )
    if seen.is_turned:
        yield row.TURNED.found(one.path)
    if seen.transparent > 0 and one.role != Role.REFERENCE:
        beneath = say(", {colour} beneath", colour=seen.beneath) if seen.beneath else ""
        yield row.TRANSPARENT.found(
            one.path,
            say("{share} is transparent{beneath}", share=f"{seen.transparent:.0%}", beneath=beneath),
            seen.transparent,
            0.0,
            "share",
        )
    if seen.is_deep:
        yield row.DEEP.found(one.path)
    if seen.is_animated and one.role != Role.REFERENCE:
        yield row.ANIMATED.found(one.path)


def _grey(evidence: Evidence) -> Iterator[Finding]:
    """A set that is grey throughout is meant to be."""
    grey = [one for one in evidence.train if one.measured.is_grey]
    if len(grey) * 2 <= len(evidence.train):
        for one in grey:
            if not any(word in one.caption.lower() for word in ("monochrome", "greyscale", "grayscale", "black and")):
                yield row.GREY.found(one.path)


def twins_found(evidence: Evidence) -> Iterator[Finding]:
    """One picture twice: each group of equals once, named by what it costs. Reg pictures have rules of their own."""
    for pair in evidence.twins:
        one, other = evidence.pictures[pair.one], evidence.pictures[pair.other]
        roles = {one.role, other.role}
        if roles == {Role.TRAIN}:
            yield _twins_in_training(one, other, pair)
        elif roles == {Role.TRAIN, Role.REFERENCE}:
            reference, trained = (one, other) if one.role == Role.REFERENCE else (other, one)
            yield row.REFERENCE_TRAINED.found(
                reference.path,
                say("is the training picture {picture}, {how}", picture=_where(trained.path), how=_how(pair)),
                others=[trained.path],
            )
        elif roles == {Role.REFERENCE}:
            yield row.TWIN_REFERENCES.found(
                other.path, say("is {picture}, {how}", picture=_where(one.path), how=_how(pair)), others=[one.path]
            )


def _twins_in_training(one: Looked, other: Looked, pair: Twins) -> Finding:
    rule = row.SAME_FILE if pair.same else row.NEAR_SAME
    return rule.found(
        other.path, say("is {picture}, {how}", picture=_where(one.path), how=_how(pair)), others=[one.path]
    )


def _how(pair: Twins) -> str:
    return say("byte for byte") if pair.same else say("changed a little")


def _where(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _count(paths: Sequence[Path]) -> str:
    return say_many("{count} picture", "{count} pictures", len(paths))


def _names(paths: Sequence[Path]) -> str:
    return named([path.name for path in paths])
