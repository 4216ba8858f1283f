"""`trainer prepare`: a dataset checked, mended on a copy, checked again and planned. The dataset stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from foundation.errors import ConfigurationError, UserError
from foundation.progress import Reporter
from trainer.captioning.caption import caption
from trainer.captioning.request import CaptionRequest
from trainer.captioning.unwanted import read_phrases
from trainer.checking.findings import Report
from trainer.checking.models_asked import face_pack_of
from trainer.checking.request import CheckRequest
from trainer.checking.settings import Role, Settings, settings_of
from trainer.checking.subject_words import subject_of
from trainer.checking.survey import Survey, surveyed
from trainer.checking.whole.check import checked
from trainer.config.config import TrainConfig
from trainer.planning.run_plan import RunPlan, plan_run
from trainer.preparing.copying import check_apart, check_place, write_copy
from trainer.preparing.mends import PLACES, SET_ASIDE, SET_ASIDE_IF_ENOUGH, Manner, Mending, Piece, mending_of


@dataclass(frozen=True)
class Prepared:
    """What was found before, what was done, what remains, and the plan over the copy (None: why there is none).

    `config`: the run's, over the original; None where there is none. `captioned`: caption files that a captioner wrote.
    """

    dataset: Path
    copy: Path
    before: Report
    mending: Mending
    unsaved: Mapping[Path, str]
    after: Report
    run: RunPlan | None
    no_plan: str
    config: TrainConfig | None
    captioned: tuple[Path, ...] = ()

    @property
    def done(self) -> tuple[Piece, ...]:
        """The pieces that are not as they were."""
        return tuple(piece for piece in self.mending.pieces if piece.done)


def prepare(
    request: CheckRequest,
    copy: Path,
    kept: frozenset[str],
    reporter: Reporter,
    captions: CaptionRequest | None = None,
) -> Prepared:
    """Check, mend on a copy, check again, plan. `kept`: rules of the check that set nothing aside. `captions`: how
    pictures of the copy that have none get one.

    Raises OtherCopyError for a place that is none for a copy, ConfigurationError for a rule that sets nothing aside,
    and what a check raises.
    """
    if unknown := kept - {*SET_ASIDE, *SET_ASIDE_IF_ENOUGH}:
        known = ", ".join((*SET_ASIDE, *SET_ASIDE_IF_ENOUGH))
        raise ConfigurationError(f"--keep {min(unknown)}: no rule that sets pictures aside; there are {known}")
    settings = settings_of(request)
    check_place(request.dataset, copy)
    check_apart([place.path for place in settings.places], copy)
    before = checked(request, reporter)
    survey = surveyed(settings.places)
    mending = mending_of(survey, before, _manner(request, survey, kept))
    unsaved = write_copy(request.dataset, copy, mending.pieces, reporter)
    captioned = _captioned(captions, copy / PLACES[Role.TRAIN], reporter)
    reporter.say("the copy is written; checking it")
    after = checked(_of_copy(request, copy, settings, survey), reporter)
    run, no_plan = _plan(_config_of_copy(settings, copy))
    return Prepared(
        request.dataset,
        copy,
        before,
        mending,
        unsaved,
        after,
        run,
        no_plan,
        settings.config if settings.has_config else None,
        captioned,
    )


def _captioned(asked: CaptionRequest | None, train: Path, reporter: Reporter) -> tuple[Path, ...]:
    """Have pictures without a caption described; returns the files that were written."""
    if asked is None or not train.is_dir():
        return ()
    return tuple(change.file for change in caption(replace(asked, folder=train), reporter).written)


def _manner(request: CheckRequest, survey: Survey, kept: frozenset[str]) -> Manner:
    subject = subject_of(survey.train, request.trigger, request.class_word)
    words = subject.trigger
    if subject.class_word and subject.class_word.casefold() not in words.casefold().split():
        words = f"{words} {subject.class_word}".strip() if words else ""
    return Manner(words, read_phrases(), kept, is_named=bool(request.trigger))


def _of_copy(request: CheckRequest, copy: Path, settings: Settings, survey: Survey) -> CheckRequest:
    """The same question of the copy; what a configuration said is said again, for none lies in the copy."""
    said = replace(request, dataset=copy, references=None)
    if not settings.has_config:
        return said
    subject = subject_of(survey.train, request.trigger, request.class_word)
    pack, _ = face_pack_of(request, settings, subject.class_word, subject.is_person)
    faces = request.faces or (pack.name if pack else None)
    return replace(said, resolution=request.resolution or settings.config.data.resolution, faces=faces)


def _config_of_copy(settings: Settings, copy: Path) -> TrainConfig:
    """The run's configuration, or the preset's, over the folders of the copy."""
    places = {role: copy / name for role, name in PLACES.items()}
    train, reg, references = (path if path.is_dir() else None for path in places.values())
    own = settings.config
    held_out = references if own.data.held_out is not None else None
    data = own.data.model_copy(update={"train": train, "reg": reg, "held_out": held_out, "folders": ()})
    return own.model_copy(update={"data": data})


def _plan(config: TrainConfig) -> tuple[RunPlan | None, str]:
    try:
        return plan_run(config), ""
    except UserError as error:
        return None, str(error)
