"""Configuration files: TOML, validated as a whole before anything loads; an unknown key names the nearest known one.

Paths in a file are relative to it: `foundation.path_fields` has the types of fields that name files and folders.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from foundation.errors import ConfigurationError
from foundation.path_fields import FOLDER
from foundation.text_files import TextFileError, parsing_fault, read_text

MOST_NAMED = 5  # files of a folder that was given in the place of one


class Section(BaseModel):
    """A table of a configuration file: frozen, unknown keys refused; defaults are read as what is written.

    The sentence below a field is what is said of its key: `foundation.key_reference` shows it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, validate_default=True, use_attribute_docstrings=True
    )


Configuration = TypeVar("Configuration", bound=Section)


def read_toml(path: Path) -> dict[str, object]:
    """Parse a TOML file.

    Raises MissingFileError when it is not there, TextFileError when it is no text, or (with line and column) no TOML.
    """
    inside = sorted(one.name for one in path.glob("*.toml")) if path.is_dir() else []
    if inside:
        raise TextFileError(path, "is a folder, not a file", f"name a file in it: {', '.join(inside[:MOST_NAMED])}")
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """Parse what stands in `path`, or is going to. Raises TextFileError, with line and column."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TextFileError(path, f"not valid TOML ({parsing_fault(error)})", "mend that place") from error


def validate(kind: type[Configuration], values: dict[str, object], path: Path) -> Configuration:
    """Build `kind` from TOML that stands in `path`; every fault is named with its key in one ConfigurationError.

    No setting is a number without end or none at all, so TOML's `inf` and `nan` are refused here, once for all keys.
    """
    if endless := list(_endless(values)):
        raise ConfigurationError(f"{path}: " + "; ".join(endless))
    try:
        return kind.model_validate(values, context={FOLDER: path.resolve().parent})
    except ValidationError as error:
        faults = [_in_words(kind, fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
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


def _in_words(kind: type[BaseModel], place: Sequence[int | str], fault: str, message: str) -> str:
    key = ".".join(str(part) for part in place)
    if fault != "extra_forbidden":
        return f"{key}: " * bool(key) + message.removeprefix("Value error, ")
    known = _keys_at(kind, place[:-1])
    near = get_close_matches(str(place[-1]), known, n=1, cutoff=0.0)
    return f"unknown key `{key}`" + (f" (did you mean `{near[0]}`?)" if near else "")


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
