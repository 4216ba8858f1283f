"""`trainer check`: a dataset looked at before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from base_models.vision.likeness import centroid
from base_models.vision.people import people_in
from foundation.errors import ConfigurationError
from foundation.progress import Reporter
from foundation.wording.said import listed, say
from trainer.checking.evidence import Evidence, Looked, embeddings_of
from trainer.checking.findings import CheckedPicture, Report
from trainer.checking.measures.measured import Measured
from trainer.checking.models_asked import FacePack, face_pack_of
from trainer.checking.phrases import read_phrases
from trainer.checking.reading.kept_values import KeptValues, default_folder, opened_values
from trainer.checking.reading.reading import PictureReader, ReadSet
from trainer.checking.reading.twins import twins_among
from trainer.checking.request import CheckRequest
from trainer.checking.rules.caption_rules import tags_of
from trainer.checking.rules.face_rules import FEW
from trainer.checking.rules.table import findings_of, rule_keys
from trainer.checking.settings import Role, Settings, settings_of
from trainer.checking.subject_words import subject_of, token_counts
from trainer.checking.survey import Survey, surveyed
from trainer.checking.thresholds import Thresholds, read_thresholds
from trainer.config.data_section import DataSection
from trainer.data.buckets import frames_of_sizes

# Faces among which people are told apart at once: their likenesses are a square.
MOST_FACES = 1200
ROLES = {Role.TRAIN: say("train"), Role.REG: say("reg"), Role.REFERENCE: say("reference")}
NO_CAPTIONS = say("whether captions say what the pictures show: look at them with --html")
NO_BASE = say("what the base model already answers to the trigger: --base MODEL draws and measures it")


def checked(request: CheckRequest, reporter: Reporter) -> Report:
    """Look at the dataset; nothing in it is changed.

    Raises NoDatasetError where there is no dataset to look at, ConfigurationError for a file of settings or thresholds
    that cannot be used, FacePackError and ClipError for models. Whatever is wrong with the data itself is a finding.
    """
    thresholds = read_thresholds(request.thresholds)
    _check_off(thresholds)
    phrases = read_phrases(thresholds.captions.phrases)
    settings = settings_of(request)
    survey = surveyed(settings.places)
    subject = subject_of(survey.train, request.trigger, request.class_word)
    faces, why_not = face_pack_of(request, settings, subject.class_word, subject.is_person)
    with opened_values(request.cache or default_folder()) as kept:
        reader = PictureReader(settings.config.data, faces, kept, reporter)
        read = reader.read([one.path for one in survey.pictures])
        pictures = _looked(survey, read.measured, settings.config.data)
        keys = [read.keys.get(one.path, "") for one in pictures]
        evidence = Evidence(
            survey=survey,
            pictures=pictures,
            twins=twins_among(pictures, keys, kept, thresholds.files.most_compared, reporter),
            people=_people([one for one in pictures if _is_trained_face(one)], keys, kept),
            subject=subject,
            config=settings.config,
            thresholds=thresholds,
            has_faces=faces is not None,
            token_counts=token_counts([one.caption for one in survey.pictures]),
        )
        found = findings_of(evidence, phrases)
        shown = _shown(evidence, read, kept)
    unmeasured = [
        one for one in (why_not, _unknown_people(evidence), NO_CAPTIONS, "" if request.base else NO_BASE) if one
    ]
    captioned = [one for one in survey.train if one.is_captioned]
    return Report(
        dataset=request.dataset,
        findings=found,
        pictures=shown,
        tags=tags_of(captioned),
        unmeasured=tuple(unmeasured),
        facts=_facts(survey, settings, evidence, faces, thresholds),
    )


def _check_off(thresholds: Thresholds) -> None:
    """Raise ConfigurationError for a rule that there is not."""
    if unknown := [name for name in thresholds.off if name not in rule_keys()]:
        near = get_close_matches(unknown[0], rule_keys(), n=1, cutoff=0.0)[0]
        raise ConfigurationError(f"off: there is no rule `{unknown[0]}` (did you mean `{near}`?)")


def _looked(survey: Survey, measured: dict[Path, Measured], data: DataSection) -> tuple[Looked, ...]:
    sizes = [measured[one.path].size for one in survey.pictures]
    square = (data.resolution, data.resolution)
    frames = frames_of_sizes([size if min(size) > 0 else square for size in sizes], data)
    return tuple(
        Looked(one, measured[one.path], frame if min(size) > 0 else None)
        for one, size, frame in zip(survey.pictures, sizes, frames, strict=True)
    )


def _is_trained_face(one: Looked) -> bool:
    return one.role == Role.TRAIN and one.is_readable and one.face is not None


def _people(faces: Sequence[Looked], keys: Sequence[str], kept: KeptValues) -> np.ndarray:
    """(N,) who is on each train picture with a face; of very many, a part tells who the subject is."""
    if not faces:
        return np.zeros(0, dtype=int)
    vectors = embeddings_of(faces)
    if len(faces) <= MOST_FACES:
        return people_in(vectors)
    chosen = np.unique(np.linspace(0, len(faces) - 1, MOST_FACES).round().astype(int))
    own = vectors[chosen[people_in(vectors[chosen]) == 0]]
    middle = centroid(own)
    return np.where(vectors @ middle >= float((own @ middle).min()), 0, 1)


def _shown(evidence: Evidence, read: ReadSet, kept: KeptValues) -> tuple[CheckedPicture, ...]:
    small = kept.thumbnails([key for key in read.keys.values()])
    return tuple(
        CheckedPicture(
            path=one.path,
            role=one.role.value,
            caption=one.caption,
            measured=_figures(one.measured),
            thumbnail=small.get(read.keys.get(one.path, "")) or None,
            is_captioned=one.sighted.is_captioned,
        )
        for one in evidence.pictures
    )


def _figures(one: Measured) -> dict[str, object]:
    """What programs are told of a picture."""
    if one.fault:
        return {"fault": one.fault}
    face = one.face
    return {
        "width": one.size[0],
        "height": one.size[1],
        "format": one.kind,
        "turned": one.is_turned,
        "blur": None if one.blur is None else round(one.blur, 3),
        "noise": round(one.noise, 2),
        "bright_end": round(one.bright_end, 3),
        "contrast": round(one.contrast, 3),
        "jpeg_quality": one.quality,
        "blocks": round(one.blocks, 2),
        "busy": round(one.busy, 3),
        "faces": None if not one.faces_read else 0 if face is None else face.count,
        "face_box": None if face is None else [round(side, 4) for side in face.box],
    }


def _faces_found(evidence: Evidence) -> str:
    return say("{count} of {total} training pictures", count=len(evidence.with_face), total=len(evidence.train))


def _unknown_people(evidence: Evidence) -> str:
    """That too few faces were found to know the subject by."""
    if not evidence.has_faces or not evidence.train or len(evidence.with_face) >= FEW:
        return ""
    return say(
        "who is shown, in Train and Reg: a face is found in {found}, and it takes {least}",
        found=_faces_found(evidence),
        least=FEW,
    )


def _facts(
    survey: Survey, settings: Settings, evidence: Evidence, faces: FacePack | None, thresholds: Thresholds
) -> dict[str, str]:
    subject = evidence.subject
    data = settings.config.data
    framed = say("{size} px, aspect buckets") if data.enable_bucket else say("{size} px, cut to the square")
    resolution = framed.with_values(size=data.resolution)
    if settings.is_assumed:
        resolution = say("{reason} (assumed: say yours with --resolution, or give its train.toml)", reason=resolution)
    counts = [say("{count} {role}", count=len(own), role=ROLES[role]) for role in Role if (own := survey.by_role[role])]
    return {
        "pictures": listed(counts) or say("none"),
        "settings": settings.origin,
        "resolution": resolution,
        "trigger": say("`{trigger}`, class `{word}`", trigger=subject.trigger, word=subject.class_word)
        if subject.trigger
        else say("not known"),
        "faces": say("{name}, found in {found}", name=faces.name, found=_faces_found(evidence))
        if faces
        else say("none"),
        "rules off": ", ".join(thresholds.off),
    }
