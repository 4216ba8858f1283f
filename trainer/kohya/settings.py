"""kohya_ss settings (the GUI's .json, sd-scripts' .toml) -> a configuration of ours, and what it could not carry.

Every key that differs between kohya's defaults and our presets' is written out, so that no preset changes the recipe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import TextFileError, read_json
from foundation.toml_config import read_toml
from foundation.typed.json_values import is_table
from trainer.config.config import TrainConfig
from trainer.config.presets import PRESETS, with_preset
from trainer.kohya.keys import CARRIED_KEYS, KOHYAS_OWN, WHY_NOT_CARRIED, WITHOUT_EFFECT
from trainer.kohya.translators import TRANSLATORS, Tables
from trainer.kohya.values import KohyaSettings, number

PRESET = "portrait"
# kohya's own defaults where a key must stand in ours, or where our presets say otherwise.
DEFAULTS: Tables = {
    "model": {"base": "runwayml/stable-diffusion-v1-5", "dtype": "float32"},
    "data": {"train": "Train", "resolution": 512, "enable_bucket": False},
    "lora": {"rank": 4, "alpha": 1.0},
    "training": {
        "epochs": 1,
        "batch_size": 1,
        "gradient_accumulation": 1,
        "lr_scheduler": "constant",
        "noise_offset": 0.0,
        "prior_loss_weight": 1.0,
        "optimizer": "AdamW",
    },
    "output": {"folder": "out", "name": "last"},
}


@dataclass(frozen=True)
class Imported:
    """Our tables, and what of the file they do not say: key -> why."""

    tables: Tables
    not_carried: dict[str, str]


def read_settings(path: Path) -> dict[str, object]:
    """kohya's keys and values, sections flattened as sd-scripts does it.

    Raises MissingFileError, or ConfigurationError for a file that is neither.
    """
    give = "give kohya_ss's .json or sd-scripts' .toml"
    if path.is_dir():
        raise ConfigurationError(f"{path}: is a folder; {give}")
    try:
        values = read_json(path) if path.suffix == ".json" else read_toml(path)
    except MissingFileError as error:
        raise MissingFileError(f"{path}: no such file; {give}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {give}") from error
    except TextFileError as error:
        raise ConfigurationError(f"{path}: {error.fault}; {give}") from error
    if not is_table(values):
        raise ConfigurationError(f"{path}: holds no settings; {give}")
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= value if is_table(value) else {key: value}
    return flat


def carry_over(settings: Mapping[str, object]) -> Imported:
    """Translate kohya's settings. What is empty, zero or false there asks for nothing and is left out.

    So is what kohya itself does not read beside the others. A value of another kind than its key's, or one that our
    configuration refuses, is listed in `not_carried`.
    """
    asked = KohyaSettings.of(settings)
    tables = {name: dict(table) for name, table in DEFAULTS.items()}
    for key, value in asked.values.items():
        if key in CARRIED_KEYS:
            _put(tables, asked, key)
        elif key not in WITHOUT_EFFECT and not _is_ordinary(key, value):
            asked.lost[key] = WHY_NOT_CARRIED.get(key, "this trainer has nothing like it")
    for translate in TRANSLATORS:
        translate(tables, asked)
    _leave_out_what_is_refused(tables, asked.lost)
    return Imported(tables, asked.lost)


def as_toml(imported: Imported) -> str:
    """A configuration file; a comment on top says what was not carried."""
    lines = [f"# not carried over: {' '.join(f'{key}: {why}'.split())}" for key, why in imported.not_carried.items()]
    lines.append(f'preset = "{PRESET}"')
    for name, table in imported.tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_in_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _is_ordinary(key: str, value: object) -> bool:
    if key not in KOHYAS_OWN:
        return False
    try:
        return number(value) == number(KOHYAS_OWN[key])
    except ValueError:
        return str(value).lower() == str(KOHYAS_OWN[key]).lower()


def _put(tables: Tables, asked: KohyaSettings, key: str) -> None:
    place, reader = CARRIED_KEYS[key]
    table, name = place.split(".")
    value = asked.read(key, reader, None)
    if value is not None:
        tables[table][name] = value


def _leave_out_what_is_refused(tables: Tables, lost: dict[str, str]) -> None:
    """A value out of our range gives way to the default, and is said; what does not hold together is said alone."""
    try:
        TrainConfig.model_validate(with_preset(PRESETS[PRESET], dict(tables)))
    except ValidationError as error:
        faults = {tuple(fault["loc"][:2]): fault["msg"].removeprefix("Value error, ") for fault in error.errors()}
    else:
        return
    for place, message in faults.items():
        table, *key = (str(part) for part in place)
        if not key or key[0] not in tables[table]:
            lost[f"[{table}]"] = f"does not hold together: {message}"
            continue
        value = tables[table].pop(key[0])
        tables[table] |= {name: one for name, one in DEFAULTS[table].items() if name == key[0]}
        theirs = next(
            (one for one, (ours, _) in CARRIED_KEYS.items() if ours == f"{table}.{key[0]}"), f"{table}.{key[0]}"
        )
        lost[theirs] = f"{value!r}: {message}"


def _in_toml(value: object) -> str:
    if is_table(value):
        return "{ " + ", ".join(f"{_key(key)} = {_in_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, float):
        return repr(value)  # JSON spells infinity otherwise
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
