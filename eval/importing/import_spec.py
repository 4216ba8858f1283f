"""What an import is asked for: as options, or by a TOML file with the tables of a grid's specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from eval.importing.imported_grid import Subject
from eval.request.choosing_sections import LimitsSection
from eval.request.prompt_files import written_prompts
from eval.request.spec import JUDGES, PromptsSection, ReferencesSection, ScoreSection
from foundation.errors import ConfigurationError
from foundation.path_fields import FOLDER, AnchoredPath
from foundation.toml_config import Section, read_toml, validate
from foundation.typed.json_values import is_table
from miniature.paths import NAME

# Tables of a grid's specification that say how pictures are drawn: these are drawn already.
OF_DRAWING = ("model", "sampler", "lora", "store", "budget", "search")


class ImportedPrompts(Section):
    """What calls the subject. `file`, `texts`: prompts in the order in which they are shown."""

    trigger: str = Field(min_length=1)
    """The word that stands for the subject: a prompt that has it shows the subject, any other tests for bleed."""
    class_word: str = Field(alias="class", min_length=1)
    """What the subject is, as "person": the base model is shown it in the trigger's place."""
    file: AnchoredPath | None = None
    """A file of prompts; what a number in a picture's name means, and their order."""
    texts: list[str] = Field(default_factory=list)
    """The prompts themselves, instead of a file."""


class ImportSpec(Section):
    """Who is judged, by whom, against what; a grid's specification will do, its other tables are passed over."""

    prompts: ImportedPrompts
    references: ReferencesSection
    score: ScoreSection
    limits: LimitsSection = LimitsSection()


@dataclass(frozen=True)
class ImportOptions:
    """The options of the command; what is given goes before what a TOML file says."""

    trigger: str | None = None
    class_word: str | None = None
    held_out: Path | None = None
    training: Path | None = None
    subject: str | None = None
    faces: str | None = None
    clip: str | None = None
    likeness: str | None = None
    prompts: Path | None = None
    force: bool = False

    def as_tables(self) -> dict[str, dict[str, object]]:
        """As a specification has them."""
        subject = self.subject or ("image" if self.likeness else None)
        tables: dict[str, dict[str, object]] = {
            "prompts": {"trigger": self.trigger, "class": self.class_word, "file": _text(self.prompts)},
            "references": {"held_out": _text(self.held_out), "training": _text(self.training)},
            "score": {"subject": subject, "faces": self.faces, "clip": self.clip, "likeness": self.likeness},
        }
        if self.force:
            tables["references"] |= {"allow_trained": True, "allow_others": True}
        return {name: {key: value for key, value in table.items() if value} for name, table in tables.items()}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def import_spec(file: Path | None, options: ImportOptions) -> ImportSpec:
    """The whole of what is asked for. Raises ConfigurationError, which says what to give."""
    read = {} if file is None else tables_of(file)
    try:
        asked = options.as_tables()
        together = {name: {**_plain(read.get(name)), **asked.get(name, {})} for name in {**asked, **read}}
        if options.prompts:
            together["prompts"].pop("texts", None)
        _check_given(together, file)
        return ImportSpec.model_validate(together, context={FOLDER: (file or Path("x")).resolve().parent})
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"{file or 'the options'}: {reasons.replace('Value error, ', '')}") from error


def tables_of(file: Path) -> dict[str, object]:
    """The tables of a file that concern an import, their keys checked as far as the file has them."""
    read = read_toml(file)
    tables = {name: table for name, table in read.items() if name not in OF_DRAWING}
    if _plain(read.get("model")).get("base") == NAME:  # whose own judges are the defaults
        tables["score"] = {"faces": NAME, "clip": NAME, **_plain(tables.get("score"))}
    if is_table(prompts := tables.get("prompts")):
        tables["prompts"] = {key: value for key, value in prompts.items() if key not in ("seeds", "negative")}
    if unknown := next((name for name in tables if name not in ImportSpec.model_fields), None):
        raise ConfigurationError(f"{file}: [{unknown}] is no table of an import; there are {', '.join(_TABLES)}")
    if {"prompts", "references", "score"} <= tables.keys():
        validate(ImportSpec, tables, file)
    return tables


_TABLES = tuple(ImportSpec.model_fields)
_NEEDED = (
    ("prompts", "trigger", '--trigger "ohwx person"'),
    ("prompts", "class", "--class person"),
    ("references", "held_out", "--held-out FOLDER of pictures of the subject that were not trained on"),
)


def _check_given(tables: Mapping[str, Mapping[str, object]], file: Path | None) -> None:
    lacking = [advice for table, key, advice in _NEEDED if not tables.get(table, {}).get(key)]
    score = tables.get("score", {})
    judges = ("clip",) if score.get("subject") == "image" else ("faces", "clip")
    lacking += [f"--{one} {JUDGES[one].partition(' (')[0]}" for one in judges if not score.get(one)]
    if lacking:
        raise ConfigurationError(
            f"{file or 'eval import'}: give {', '.join(lacking)}, or a TOML file that says it (--spec)"
        )


def _plain(table: object) -> dict[str, object]:
    return dict(table) if is_table(table) else {}


def listed_prompts(prompts: ImportedPrompts | None) -> list[str]:
    """The prompts of a file or a list, in their order. Raises what reading them raises."""
    if prompts is None or not (prompts.file or prompts.texts):
        return []
    section = PromptsSection.model_validate(
        {"file": prompts.file, "texts": prompts.texts, "trigger": prompts.trigger, "class": prompts.class_word}
    )
    return [one.text for one in written_prompts(section)]


def asked_subject(file: Path | None, options: ImportOptions) -> tuple[Subject, str]:
    """Who the pictures are of, with the prompts in their order, and the type that cells are exported in.

    Raises ConfigurationError where the trigger or the class is not given.
    """
    read = {} if file is None else read_toml(file)
    kept = {
        key: value for key, value in _plain(read.get("prompts")).items() if key in ("trigger", "class", "file", "texts")
    }
    asked = options.as_tables()["prompts"]
    if "file" in asked:
        kept.pop("texts", None)
    together = {**kept, **asked}
    lacking = [advice for table, key, advice in _NEEDED if table == "prompts" and not together.get(key)]
    if lacking:
        raise ConfigurationError(
            f"{file or 'eval import'}: give {', '.join(lacking)}, or a TOML file that says it (--spec)"
        )
    prompts = validate(ImportedPrompts, together, file or Path("options"))
    dtype = _plain(read.get("lora")).get("export_dtype", "float16")
    order = listed_prompts(prompts)
    return Subject(prompts.trigger, prompts.class_word, order), str(dtype)
