"""Configuration files: TOML, validated as a whole before anything loads; an unknown key names the nearest known one.

Paths in a file are relative to it: `foundation.path_fields` has the types of fields that name files and folders.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from foundation.errors import ConfigurationError
from foundation.path_fields import FOLDER
from foundation.text_files import TextFileError, parsing_fault, read_text
from foundation.typed.json_values import TOO_DEEP, is_list, is_table

# What pydantic says of a fault, where it is no sentence for a user.
IN_OUR_WORDS = {
    "missing": "is missing; it has no default, so write it",
    "path_type": "is no path; write one in quotes",
    "string_type": "is no text; write it in quotes",
}
PLACE = re.compile(r"at line (\d+)")
CURLY = "\u201c\u201d\u2018\u2019"  # quotes as a text program sets them
MOST_BYTES = 2**20  # of a configuration, which is written by hand
MOST_DEPTH = 100
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
# It begins where no part does, or each letter of a long one would be tried.
DEEP_KEY = re.compile(rf"(?<![A-Za-z0-9_.\\-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MOST_DEPTH}}}")
MOST_NAMED = 5  # files of a folder that was given in the place of one


class Section(BaseModel):
    """A table of a configuration file: frozen, unknown keys refused; defaults are read as what is written.

    The sentence below a field is what is said of its key: `foundation.key_reference` shows it. Pydantic's own errors
    repeat nothing of what was written, which may be a password.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _a_switch_is_no_number(cls, value: object, field: ValidationInfo) -> object:
        """Python takes `true` for 1, and TOML does not."""
        annotation = cls.model_fields[field.field_name or ""].annotation
        if isinstance(value, bool) and {int, float} & {annotation, *get_args(annotation)}:
            raise ValueError(f"{str(value).lower()} is no number; write one")
        return value


Configuration = TypeVar("Configuration", bound=Section)


def read_toml(path: Path) -> dict[str, object]:
    """Parse a TOML file.

    Raises MissingFileError when it is not there, TextFileError when it is no text, or (with line and column) no TOML.
    """
    inside = sorted(one.name for one in path.glob("*.toml")) if path.is_dir() else []
    if inside:
        raise TextFileError(path, "is a folder, not a file", f"name a file in it: {', '.join(inside[:MOST_NAMED])}")
    return parse_toml(read_text(path, MOST_BYTES), path)


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """Parse what stands in `path`, or is going to. Raises TextFileError, with line and column."""
    if deep := DEEP_KEY.search(text):  # parsing would take the square of its parts
        line = text.count("\n", 0, deep.start()) + 1
        raise TextFileError(path, f"a key of more than {MOST_DEPTH} parts, in line {line}", "mend that place")
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        fault = parsing_fault(error)
        raise TextFileError(path, f"not valid TOML ({fault})", _mend(text, fault)) from error
    _check_depth(found, path)
    return found


def _check_depth(value: dict[str, object], path: Path) -> None:
    """Raise TextFileError for tables within tables that whoever walks them would find no end of."""
    level: list[object] = [value]
    for _ in range(MOST_DEPTH):
        inner = [one.values() if is_table(one) else one for one in level if is_table(one) or is_list(one)]
        level = [below for one in inner for below in one]
    if level:
        raise TextFileError(path, f"not valid here ({TOO_DEEP})", "mend that place")


def in_toml(value: object) -> str:
    """A value as TOML writes it: tables inline, lists of tables a line each."""
    if is_table(value):
        return "{ " + ", ".join(f"{_key(key)} = {in_toml(one)}" for key, one in value.items()) + " }"
    if is_list(value) and any(is_table(one) for one in value):
        return "[\n" + "".join(f"  {in_toml(one)},\n" for one in value) + "]"
    if isinstance(value, float):
        return repr(value)  # JSON spells infinity otherwise
    return _quoted(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(value: object) -> str:
    # JSON lets one control character stand as it is, and TOML does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _mend(text: str, fault: str) -> str:
    """What to do about a place that is no TOML: what people paste from Windows and from documents, by name."""
    place, lines = PLACE.search(fault), text.splitlines()
    line = lines[int(place[1]) - 1] if place and int(place[1]) <= len(lines) else ""
    if curly := [one for one in CURLY if one in line]:
        return f'write plain quotes (") for {curly[0]}'
    if "\\" in line:
        return "in a path write / for \\, or put it into 'single quotes'"
    return "mend that place"


def validate(
    kind: type[Configuration], values: dict[str, object], path: Path, elsewhere: Mapping[str, str] | None = None
) -> Configuration:
    """Build `kind` from TOML that stands in `path`; every fault is named with its key in one ConfigurationError.

    `elsewhere`: by our key, what another tool calls it, where such a word is met. No setting is a number without end or
    none at all, so TOML's `inf` and `nan` are refused here, once for all keys.
    """
    if endless := list(_endless(values)):
        raise ConfigurationError(f"{path}: " + "; ".join(endless))
    try:
        return kind.model_validate(values, context={FOLDER: path.resolve().parent})
    except ValidationError as error:
        faults = [
            _unknown(kind, fault["loc"], elsewhere or {})
            if fault["type"] == "extra_forbidden"
            else _in_words(fault["loc"], fault["type"], fault["msg"])
            for fault in error.errors()
        ]
        raise ConfigurationError(f"{path}: " + "; ".join(dict.fromkeys(faults))) from error


def _endless(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, float) and not isfinite(value):
        yield f"{key}: {value:g} is not a finite number; write one"
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        inner = cast("dict[object, object]", value).items()
    elif isinstance(value, list):
        inner = enumerate(cast("list[object]", value))
    for part, below in inner:
        yield from _endless(below, f"{key}.{part}" if key else str(part))


def _in_words(place: Sequence[int | str], fault: str, message: str) -> str:
    key = ".".join(str(part) for part in place)
    return f"{key}: " * bool(key) + IN_OUR_WORDS.get(fault, message.removeprefix("Value error, "))


def _unknown(kind: type[BaseModel], place: Sequence[int | str], elsewhere: Mapping[str, str]) -> str:
    """An unknown key, and which is meant: another tool's word, a key of another table, or one spelt nearly so."""
    key, word = ".".join(str(part) for part in place), str(place[-1])
    theirs = [ours for ours, words in elsewhere.items() if word in words.split(", ")]
    if theirs:
        return f"unknown key `{key}` (here it is called `{theirs[0]}`)"
    misplaced = [one for one in _every_key(kind) if one.rpartition(".")[2] == word]
    near = misplaced or get_close_matches(word, _keys_at(kind, place[:-1]), n=1, cutoff=0.0)
    return f"unknown key `{key}`" + (f" (did you mean `{near[0]}`?)" if near else "")


def _every_key(kind: type[BaseModel], start: str = "") -> Iterator[str]:
    """All keys by their whole names, those of tables within lists too."""
    for name, annotation in _fields(kind).items():
        inner = _model_in(annotation)
        yield from [f"{start}{name}"] if inner is None else _every_key(inner, f"{start}{name}.")


def _keys_at(kind: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The keys that a nested table takes, found by walking the models along `place`."""
    for part in place:
        if isinstance(part, str) and part in (fields := _fields(kind)):
            inner = _model_in(fields[part])
            kind = inner or kind
    return list(_fields(kind))


def _fields(kind: type[BaseModel]) -> dict[str, object]:
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
