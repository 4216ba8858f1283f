"""The commands that pages can start: what each is asked, declared once, and the words of the command it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from foundation.errors import UserError
from foundation.path_fields import LOCAL_CLIP, OPENCV_FACES
from studio.languages.translation import noted, tr
from studio.shared.allowed_folders import AllowedFolders

Kind = Literal["path", "model", "words", "count", "price", "choice", "flag"]
Module = Literal["trainer", "eval"]
LONGEST_WORDS = 2000  # characters of what is no path
PREFIXES = (LOCAL_CLIP, OPENCV_FACES)
TRAIN_TOML, GRID_TOML, STORE = "train", "grid", "store"


class AnswerError(UserError):
    """What was typed into a form cannot be made a command of."""


@dataclass(frozen=True)
class Field:
    """One thing that a command is asked. `option` is how it is told; without it, it stands by itself.

    `label` and `about` are in English. `offers`: what is found here that may be chosen ("train", "grid", "store");
    `is_more`: most people leave it alone.
    """

    name: str
    label: str
    kind: Kind
    option: str = ""
    about: str = ""
    is_needed: bool = False
    choices: tuple[str, ...] = ()
    offers: str = ""
    is_more: bool = False


@dataclass(frozen=True)
class Command:
    """A command: `python -m MODULE VERB`. `is_light`: it takes no device for long, and so waits for nobody.

    `always` are words that pages add, because they read the answer.
    """

    module: Module
    verb: str
    title: str
    about: str
    fields: tuple[Field, ...]
    is_light: bool = False
    always: tuple[str, ...] = ()


_CONFIG = Field(
    "config", noted("The run's configuration"), "path", about=noted("a TOML file"), is_needed=True, offers=TRAIN_TOML
)
_SPEC = Field(
    "spec", noted("The grid's specification"), "path", about=noted("a TOML file"), is_needed=True, offers=GRID_TOML
)
_FORCE = Field("force", noted("Go on whatever the check says of the data"), "flag", "--force", is_more=True)
_TRIGGER = Field(
    "trigger", noted("Trigger"), "words", "--trigger", noted("the subject's own word in the captions, as ohwx woman")
)
_CLASS = Field("class_word", noted("Class"), "words", "--class", noted("what it is: person, woman, dog"))
_FACES = Field(
    "faces", noted("Face model"), "model", "--faces", noted("buffalo_l, a folder, or opencv:FOLDER"), is_more=True
)
_CLIP = Field(
    "clip", noted("CLIP"), "model", "--clip", noted("local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE/TAG"), is_more=True
)

INIT = Command(
    "trainer",
    "init",
    noted("Begin with a subject"),
    noted("Writes train.toml, grid.toml and prompts.toml into a new folder, every path looked at."),
    (
        Field(
            "folder", noted("New folder"), "path", about=noted("where the subject's files are written"), is_needed=True
        ),
        Field(
            "base",
            noted("Base model"),
            "model",
            "--base",
            noted("a .safetensors file, a diffusers folder or a hub id"),
            True,
        ),
        Field("train", noted("Training pictures"), "path", "--train", noted("holds folders as 10_ohwx woman"), True),
        Field(
            "reg", noted("Reg pictures"), "path", "--reg", noted("such folders of others of the class; may be empty")
        ),
        Field(
            "references",
            noted("References"),
            "path",
            "--references",
            noted("pictures of the subject that are not trained on"),
        ),
        Field(
            "hold_out",
            noted("or take so many of the training pictures"),
            "count",
            "--hold-out",
            noted("moved, with captions"),
        ),
        _TRIGGER,
        _CLASS,
        Field(
            "price", noted("Price an hour"), "price", "--price-per-hour", noted("what the machine costs; may be empty")
        ),
        Field("preset", noted("Preset"), "choice", "--preset", choices=("portrait", "miniature"), is_more=True),
        Field("subject", noted("Likeness is of"), "choice", "--subject", choices=("face", "image"), is_more=True),
        _FACES,
        _CLIP,
        Field("force", noted("Overwrite files that are there"), "flag", "--force", is_more=True),
    ),
    is_light=True,
)
CHECK = Command(
    "trainer",
    "check",
    noted("Check a dataset"),
    noted("Looks at pictures, captions and reg pictures: what would fail, what to mend first. Changes nothing."),
    (
        Field(
            "dataset",
            noted("Dataset"),
            "path",
            about=noted("a folder, or a run's train.toml"),
            is_needed=True,
            offers=TRAIN_TOML,
        ),
        Field(
            "references",
            noted("References"),
            "path",
            "--references",
            noted("pictures that are not trained on"),
            is_more=True,
        ),
        _FACES,
        Field(
            "base",
            noted("Base model"),
            "model",
            "--base",
            noted("draws the trigger, to see if it is known"),
            is_more=True,
        ),
    ),
    is_light=True,
    always=("--json",),
)
CAPTION = Command(
    "trainer",
    "caption",
    noted("Write captions"),
    noted("The trigger first; captions that are there stay. Each change can be undone on the page Data."),
    (
        Field(
            "folder",
            noted("Pictures"),
            "path",
            about=noted("folders of pictures, as Train, or one of them"),
            is_needed=True,
        ),
        Field("model", noted("Captioner"), "choice", "--model", choices=("clip", "tagger", "blip")),
        Field(
            "tagger", noted("Tagger"), "path", "--tagger", noted("a WD or DeepDanbooru ONNX, its tag list beside it")
        ),
        _TRIGGER,
        _CLASS,
        _CLIP,
        _FACES,
        Field("overwrite", noted("Also pictures that have a caption"), "flag", "--overwrite", is_more=True),
    ),
)
REGULARIZE = Command(
    "trainer",
    "regularize",
    noted("Draw reg pictures"),
    noted("The class as the base model has it, from the captions, without the subject."),
    (
        _CONFIG,
        Field("count", noted("How many in the end"), "count", "--count", noted("those that are there count"), True),
        Field("output", noted("Folder"), "path", "--output", noted("without: data.reg, or Reg beside Train")),
        _TRIGGER,
        _CLASS,
        _FACES,
    ),
)
PLAN = Command(
    "trainer",
    "plan",
    noted("Plan a run"),
    noted("Steps, pictures, memory, time and cost, by a few real steps here. Nothing is trained."),
    (
        _CONFIG,
        Field("price", noted("Price an hour"), "price", "--price", noted("what the machine costs; may be empty")),
        Field(
            "time_from",
            noted("Time from"),
            "choice",
            "--time-from",
            choices=("steps", "anew", "arithmetic"),
            is_more=True,
        ),
    ),
    always=("--json",),
)
TRAIN = Command(
    "trainer",
    "run",
    noted("Train"),
    noted("One LoRA file an epoch. What was stopped or killed goes on where it was."),
    (_CONFIG, _FORCE),
)
GRID = Command(
    "eval",
    "grid",
    noted("Draw and score a grid"),
    noted("Every checkpoint at every weight. What is there is not made again."),
    (_SPEC, _FORCE),
)
SEARCH = Command(
    "eval",
    "search",
    noted("Search the best cell"),
    noted("The best cell with a fraction of the grid's pictures, confirmed on fresh seeds."),
    (
        _SPEC,
        Field("certify", noted("Drop a cell only when it is surely behind"), "flag", "--certify", is_more=True),
        _FORCE,
    ),
)
REPORT = Command(
    "eval",
    "report",
    noted("Write a report"),
    noted("One HTML file with ranking, curves and pictures that opens offline, and a sheet to share beside it."),
    (
        Field("store", noted("Store"), "path", about=noted("a folder that a grid wrote"), is_needed=True, offers=STORE),
        Field("output", noted("File"), "path", "--output", noted("the HTML file to write"), True),
    ),
    is_light=True,
)
COMMANDS: Mapping[str, Command] = {
    one.title: one for one in (INIT, CHECK, CAPTION, REGULARIZE, PLAN, TRAIN, GRID, SEARCH, REPORT)
}


def arguments_of(command: Command, answers: Mapping[str, object], allowed: AllowedFolders) -> list[str]:
    """The words behind `python -m MODULE`. Raises AnswerError for what is missing or none, OutsideError for a path."""
    alone: list[str] = []
    told: list[str] = []
    for field in command.fields:
        answer = answers.get(field.name)
        if answer in (None, "", False):
            if field.is_needed:
                raise AnswerError(
                    tr("{label}: is still to be said ({about})", label=tr(field.label), about=tr(field.about))
                )
            continue
        if field.kind == "flag":
            told.append(field.option)
            continue
        words = words_of(field, str(answer).strip(), allowed)
        if not field.option:
            alone.append(words)
        else:
            told += [f"{field.option}={words}"] if words.startswith("-") else [field.option, words]
    return [command.verb, *alone, *told, *_implied(command, answers), *command.always]


def words_of(field: Field, answer: str, allowed: AllowedFolders) -> str:
    """An answer as the command is told it. Raises as `arguments_of` does."""
    told = {"label": tr(field.label), "answer": answer}
    if field.kind == "path":
        return allowed.called(allowed.path(answer))
    if field.kind == "model":
        return _model(answer, allowed)
    if field.kind == "choice" and answer not in field.choices:
        raise AnswerError(tr("{label}: one of {names}, not `{answer}`", **told, names=", ".join(field.choices)))
    if field.kind in ("count", "price"):
        return _number(field, answer)
    if len(answer) > LONGEST_WORDS or any(not one.isprintable() for one in answer):
        raise AnswerError(tr("{label}: is too long, or more than one line; type some words", **told))
    return answer


def title_of(command: Command, arguments: Sequence[str]) -> str:
    """What a job is called: the command's title, in English, and what it is about."""
    about = next((one for one in arguments[1:] if not one.startswith("-")), "")
    return f"{command.title}: {about}" if about else command.title


def _implied(command: Command, answers: Mapping[str, object]) -> list[str]:
    return ["--move"] if command is INIT and answers.get("hold_out") else []


def _model(answer: str, allowed: AllowedFolders) -> str:
    """A path among the allowed ones; any other name is a public one."""
    prefix = next((one for one in PREFIXES if answer.startswith(one)), "")
    rest = answer.removeprefix(prefix)
    if prefix or rest.startswith((".", "~", "/", "-")) or (allowed.here / rest).exists():
        return prefix + allowed.called(allowed.path(rest))
    return words_of(Field("model", noted("Model"), "words"), rest, allowed)


def _number(field: Field, answer: str) -> str:
    told = {"label": tr(field.label), "answer": answer}
    try:
        value = float(answer)
        if field.kind == "count" and value != int(value):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise AnswerError(tr("{label}: `{answer}` is no such number", **told)) from error
    if not 0 <= value < 1e9:
        raise AnswerError(tr("{label}: `{answer}` is out of the question; type a number from 0 on", **told))
    return str(int(value)) if field.kind == "count" else f"{value:g}"
