"""From what was asked to what is written: everything is looked at, and nothing is written or moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from base_models.pictures.near_duplicates import sketch
from foundation.progress import Reporter
from trainer.config.presets import PRESETS
from trainer.data.dataset import Dataset, Sample
from trainer.starting.caption_words import guessed_trigger, read_captions
from trainer.starting.files import Settled
from trainer.starting.judge_choice import ChosenJudges, choose_judges
from trainer.starting.machine import this_machine
from trainer.starting.prompt_choice import choose_prompts
from trainer.starting.request import REFERENCES, MissingAnswersError, NotMovedError, StartRequest
from trainer.starting.subject_facts import (
    SubjectFacts,
    all_captioned,
    captioned,
    choose_resolution,
    is_miniature,
    pictures_in,
    read_base,
    read_data,
    sizes_of,
)

if TYPE_CHECKING:  # insightface takes seconds to import, and not every subject has a face
    from base_models.vision.face_model import FaceModel

DEFAULT_PRESET, OF_THE_MINIATURE = "portrait", "miniature"


@dataclass(frozen=True)
class References:
    """The pictures that stand for the subject, in the folder where they are to lie; `moves`: from where to where."""

    pictures: tuple[Path, ...]
    folder: Path
    held_out: tuple[Sample, ...]
    moves: dict[Path, Path]


@dataclass(frozen=True)
class Start:
    """What is to be written, over which data (without what is moved), by which references; `notes` of what is odd."""

    settled: Settled
    dataset: Dataset
    references: References
    notes: tuple[str, ...]


def settle(request: StartRequest, reporter: Reporter) -> Start:
    """Look at all that was named.

    Raises MissingAnswersError for what was not, and a UserError that names the file for what cannot be used.
    """
    request.check_answered()
    assert request.base is not None
    assert request.train is not None
    base = read_base(request.base)
    dataset = read_data(request.train, request.reg)
    trigger, class_word = _named_subject(request, dataset)
    read_captions([one.caption for one in dataset.train], trigger, class_word)  # its faults come before the waiting
    judges = choose_judges(request, class_word, is_miniature(base))
    faces = _loaded(judges)
    reporter.say(f"looking at {len(dataset.train)} training pictures and the references")
    references = _references(request, dataset, faces)
    dataset = dataset.without({one.path for one in references.held_out})
    words = read_captions([one.caption for one in dataset.train], trigger, class_word)
    preset = request.preset or (OF_THE_MINIATURE if is_miniature(base) else DEFAULT_PRESET)
    wanted = PRESETS[preset]["data"]["resolution"]
    assert isinstance(wanted, int)
    sizes = sizes_of(dataset.train)
    facts = SubjectFacts(base, dataset, sizes, references.folder, tuple(captioned(dataset.train)))
    resolution = choose_resolution(wanted, base.size, sizes)
    notes = _looked_at(references, dataset, judges, resolution)
    settled = Settled(
        folder=request.folder,
        preset=preset,
        facts=facts,
        train=request.train,
        reg=request.reg,
        words=words,
        prompts=choose_prompts(words, judges.subject),
        judges=judges,
        machine=this_machine(),
        resolution=resolution,
        has_captioned_references=all_captioned(references.pictures),
        price_per_hour=request.price_per_hour,
    )
    return Start(settled, dataset, references, (*judges.notes, *dataset.notes, *notes))


def _named_subject(request: StartRequest, dataset: Dataset) -> tuple[str, str]:
    if request.trigger is not None and request.class_word is not None:
        return request.trigger, request.class_word
    guessed = guessed_trigger([one.folder for one in dataset.train])
    if guessed is None and request.class_word is None:
        raise MissingAnswersError(
            "still to be said: --trigger (the subject's own word in the captions) and --class (what it is: person, "
            "dog); the folders' names do not tell"
        )
    trigger = request.trigger or (guessed or (dataset.train[0].folder.partition("_")[2].strip(), ""))[0]
    return trigger, request.class_word or (guessed or ("", ""))[1]


def _loaded(judges: ChosenJudges) -> FaceModel | None:
    """The face model, where one is asked for and lies here; it reads on the CPU, as a run's does."""
    if judges.faces is None or not judges.is_there:
        return None
    from base_models.vision.faces import load_faces

    return load_faces(judges.faces, device="cpu")


def _references(request: StartRequest, dataset: Dataset, faces: FaceModel | None) -> References:
    if request.hold_out is None:
        assert request.references is not None
        folder = request.references.expanduser()
        return References(tuple(pictures_in(folder)), folder, (), {})
    from trainer.starting.hold_out import choose_held_out, places_for

    chosen = tuple(choose_held_out(dataset, request.hold_out, faces))
    if not request.moved:
        named = ", ".join(f"{one.folder}/{one.path.name}" for one in chosen)
        raise NotMovedError(
            f"nothing is written or moved yet. --hold-out {request.hold_out} takes these out of the training pictures, "
            f"for references: {named}. If that is right, give the same command with --move: it moves them, with any "
            f"captions, to {request.references or request.folder / REFERENCES}, and writes the files"
        )
    folder = (request.references or request.folder / REFERENCES).expanduser()
    return References(tuple(one.path for one in chosen), folder, chosen, places_for(chosen, folder))


def _looked_at(references: References, dataset: Dataset, judges: ChosenJudges, side: int) -> tuple[str, ...]:
    """What is odd about the references. Raises what a run and a grid would raise about them, hours later."""
    from trainer.samples.sample_identity import check_not_trained_on, measure_on

    pictures = list(references.pictures)
    if judges.faces is None or not judges.is_there:
        check_not_trained_on(pictures, [sketch(path) for path in pictures], dataset)
        return ()
    return measure_on(judges.faces, pictures, dataset, side).remarks
