"""What `trainer regularize` is asked: reg pictures for a run's configuration, how many, where, and judged by whom."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from base_models.base_source import BaseSource, find_base
from base_models.drawing.painter import PaintJob
from foundation.errors import ConfigurationError
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset, dataset_of
from trainer.regularizing.class_prompts import class_prompts
from trainer.starting.caption_words import guessed_trigger, read_captions
from trainer.starting.judge_choice import choose_judges
from trainer.starting.request import StartRequest
from trainer.starting.subject_facts import is_miniature

NO_FACES = "none"
REG = "Reg"
NO_NAME = re.compile(r"[^\w .-]")  # what a folder is better not called


class MissingAnswerError(ConfigurationError):
    """What neither the configuration nor the folders tell, and nobody said."""


@dataclass(frozen=True)
class RegOptions:
    """What stands on the command line beside the configuration; None is what is to be found out."""

    count: int
    output: Path | None = None
    trigger: str | None = None
    class_word: str | None = None
    faces: str | None = None
    seed: int = 1


@dataclass(frozen=True)
class RegRequest:
    """Everything that is settled. `folder` is kohya's own: `REG/1_CLASS`.

    `faces` is None where the class has no faces to be looked at; `uses`: how many reg pictures the run looks at.
    """

    count: int
    seed: int
    folder: Path
    class_word: str
    trigger: str
    prompts: tuple[str, ...]
    dataset: Dataset
    job: PaintJob
    faces: str | None
    uses: int

    @property
    def key(self) -> str:
        """A hash of all that decides what is drawn, but for how many."""
        told = [self.job.source.sha256, asdict(self.job.drawing), self.prompts, self.seed]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def settle(config: TrainConfig, options: RegOptions) -> RegRequest:
    """Read the configuration's training data and find the base model; nothing is loaded yet.

    Raises MissingAnswerError, NoPromptError, TriggerError, BaseModelError, and what `trainer.data.dataset` does.
    """
    source = find_base(config.model.base, config.model.overrides)
    dataset = dataset_of(config.data.model_copy(update={"reg": None, "folders": _of_the_subject(config)}))
    trigger, class_word = _subject(options, [one.folder for one in dataset.train])
    captions = [one.caption for one in dataset.train]
    words = read_captions(captions, trigger, class_word)
    place = options.output or config.data.reg or _beside(config)
    job = PaintJob(source, config.model.dtype, config.model.device, config.drawing_on(source.family))
    return RegRequest(
        count=options.count,
        seed=options.seed,
        folder=place / f"1_{NO_NAME.sub('-', class_word)}",
        class_word=class_word,
        trigger=words.trigger,
        prompts=tuple(class_prompts(captions, words.trigger, class_word)),
        dataset=dataset,
        job=job,
        faces=_faces(config, options, class_word, source),
        uses=config.training.epochs * sum(one.repeats for one in dataset.train),
    )


def _of_the_subject(config: TrainConfig) -> tuple[object, ...]:
    return tuple(folder for folder in config.data.folders if not folder.reg)


def _subject(options: RegOptions, folders: Sequence[str]) -> tuple[str, str]:
    guessed = guessed_trigger(folders)
    trigger, class_word = options.trigger or (guessed or ("",))[0], options.class_word or (guessed or ("", ""))[1]
    if not trigger or not class_word:
        raise MissingAnswerError(
            "the folders' names do not tell the subject: name the trigger and what it is, as "
            '--trigger "ohwx person" --class person'
        )
    return trigger, class_word


def _beside(config: TrainConfig) -> Path:
    if config.data.train is None:
        raise MissingAnswerError("where the reg pictures go is said nowhere: name a folder with --output, as Reg")
    return config.data.train.parent / REG


def _faces(config: TrainConfig, options: RegOptions, class_word: str, source: BaseSource) -> str | None:
    asked = options.faces or config.samples.faces
    if asked is not None:
        return None if asked == NO_FACES else asked
    chosen = choose_judges(StartRequest(Path()), class_word, is_miniature(source))
    if chosen.faces is not None and not chosen.is_there:
        raise MissingAnswerError(
            "faces tell who is on a picture, and no face pack is on this machine: --faces "
            f"{chosen.faces} has insightface fetch it (non-commercial), --faces opencv:FOLDER is free of that, --faces "
            f"{NO_FACES} looks at no face"
        )
    return chosen.faces
