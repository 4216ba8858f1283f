"""kohya_ss settings (the GUI's .json, sd-scripts' .toml) -> a configuration of ours, and what it could not carry.

Every key that differs between kohya's defaults and our presets' is written out, so that no preset changes the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import get_args

from trainer.config import OWN_RATE, TrainingSection
from trainer.errors import ConfigurationError
from trainer.kohya_keys import CONV_TYPES, OPTIMIZERS, ORDINARY, REASONS, ROWS, SAYS_NOTHING
from trainer.toml_config import read_toml

Tables = dict[str, dict[str, object]]
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
TYPES = {
    "mixed_precision": ("model", "dtype", {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}),
    "save_precision": ("output", "save_dtype", {"fp16": "float16", "bf16": "bfloat16", "float": "float32"}),
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
    if path.suffix == ".json":
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            read_toml(path)  # says that it is not there
            raise
        except ValueError as error:
            raise ConfigurationError(f"{path}: not valid JSON: {error}") from error
    else:
        values = read_toml(path)
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: holds no settings; give kohya_ss's .json or sd-scripts' .toml")
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return flat


def carry_over(settings: Mapping[str, object]) -> Imported:
    """Translate kohya's settings. What is empty, zero or false there asks for nothing and is left out."""
    given = {key: value for key, value in settings.items() if _asks_for_something(key, value)}
    given = _with_arguments(given)
    tables = {name: dict(table) for name, table in DEFAULTS.items()}
    lost: dict[str, str] = {}
    for key, value in given.items():
        if key in ROWS:
            _put(tables, lost, key, value)
        elif key not in SAYS_NOTHING and (key not in ORDINARY or str(ORDINARY[key]) != str(value)):
            lost[key] = REASONS.get(key, "this trainer has nothing like it")
    _learning_rates(tables["training"], given)
    for translate in (_model, _resolution, _schedule, _kinds):
        translate(tables, given, lost)
    return Imported(tables, lost)


def as_toml(imported: Imported) -> str:
    """A configuration file; a comment on top says what was not carried."""
    lines = [f"# not carried over: {key}: {why}" for key, why in imported.not_carried.items()]
    lines.append('preset = "portrait"')
    for name, table in imported.tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_in_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _asks_for_something(key: str, value: object) -> bool:
    if key in ("seed", "prior_loss_weight", "max_grad_norm", "unet_lr", "text_encoder_lr"):
        return value not in (None, "")
    return value not in (None, "", False, 0, "0", [], {}, "None", "none") and str(value) != "0.0"


def _with_arguments(given: dict[str, object]) -> dict[str, object]:
    """`network_args = ["conv_dim=8", ...]` (or one string of them) as settings of their own."""
    inner = _pairs(given.pop("network_args", ""))
    return {**given, **inner}


def _pairs(words: object) -> dict[str, object]:
    listed = words if isinstance(words, list) else str(words or "").split()
    pairs = (str(word).partition("=") for word in listed)
    return {key: _plain(value) for key, equals, value in pairs if equals}


def _plain(text: str) -> object:
    """`0.9` -> 0.9, `True` -> True, `0.9,0.99` or `(0.9, 0.99)` -> [0.9, 0.99]; anything else stays text."""
    if text in ("True", "False"):
        return text == "True"
    numbers = text.strip("()[]").split(",")
    try:
        read = [float(number) if any(one in number for one in ".eE") else int(number) for number in numbers]
    except ValueError:
        return text
    return read if len(read) > 1 else read[0]


def _put(tables: Tables, lost: dict[str, str], key: str, value: object) -> None:
    place, read = ROWS[key]
    table, name = place.split(".")
    try:
        tables[table][name] = read(value)
    except (TypeError, ValueError):
        lost[key] = f"{value!r} is not what the key is for"


def _learning_rates(training: dict[str, object], given: Mapping[str, object]) -> None:
    """`learning_rate` stands in for those that are not given; text encoders may have one each."""
    shared = float(str(given.get("learning_rate", 2e-6)))
    unet, text = given.get("unet_lr"), given.get("text_encoder_lr")
    training["unet_lr"] = shared if unet is None else float(str(unet))
    rates = [float(str(one)) for one in (text if isinstance(text, list) else [shared if text is None else text])]
    training["te_lr"] = rates[0]
    if len(rates) > 1:
        training["te2_lr"] = rates[1]
    if given.get("network_train_unet_only"):
        training["te_lr"] = 0.0
        training.pop("te2_lr", None)
    if given.get("network_train_text_encoder_only"):
        training["unet_lr"] = 0.0


def _model(tables: Tables, given: Mapping[str, object], lost: dict[str, str]) -> None:
    for key, (table, ours, names) in TYPES.items():
        value = str(given.get(key, ""))
        if value in names:
            tables[table][ours] = names[value]
        elif value:
            lost[key] = f"`{value}` is not a type that this trainer has"
    if given.get("cache_latents_to_disk"):
        tables["data"]["cache"] = f"{tables['output']['folder']}/cache"


def _resolution(tables: Tables, given: Mapping[str, object], lost: dict[str, str]) -> None:
    value = given.get("resolution", given.get("max_resolution"))
    if value is None:
        return
    sides = [int(str(side)) for side in (value if isinstance(value, list) else str(value).split(","))]
    width, height = sides[0], sides[-1]
    tables["data"]["resolution"] = round(isqrt(width * height) / 8) * 8
    if width != height:
        lost["resolution"] = f"{width} x {height} is no square: one of the same area stands for it; see enable_bucket"


def _schedule(tables: Tables, given: Mapping[str, object], lost: dict[str, str]) -> None:
    training = tables["training"]
    if "lr_warmup" in given and "lr_warmup_steps" not in given:
        training["lr_warmup_steps"] = float(str(given["lr_warmup"])) / 100  # the GUI's is in percent
    name = str(given.get("lr_scheduler", "constant")).split(":")[0]
    if name not in get_args(TrainingSection.model_fields["lr_scheduler"].annotation):
        lost["lr_scheduler"] = f"there is no `{name}` here; constant stands for it"
        name = "constant"
    training["lr_scheduler"] = name
    steps = given.get("stop_text_encoder_training_pct", given.get("stop_text_encoder_training"))
    if steps is not None and 0 < float(str(steps)) < 100:
        training["te_stop_at"] = float(str(steps)) / 100
    if "max_train_epochs" in given or "epoch" in given:
        lost.pop("max_train_steps", None)


def _kinds(tables: Tables, given: Mapping[str, object], lost: dict[str, str]) -> None:
    """The optimizer with its arguments, then the kind of network."""
    training, asked = tables["training"], str(given.get("optimizer", given.get("optimizer_type", "AdamW")))
    asked = "AdamW8bit" if given.get("use_8bit_adam") else "Lion" if given.get("use_lion_optimizer") else asked
    training["optimizer"] = OPTIMIZERS.get(asked.lower(), "AdamW")
    if training["optimizer"].lower() != asked.lower():
        lost["optimizer_type"] = f"there is no `{asked}` here; {training['optimizer']} stands for it"
    if options := _pairs(given.get("optimizer_args")):
        training["optimizer_args"] = options
    if training["optimizer"] == "Adafactor":
        training["lr_scheduler"] = "adafactor" if options.get("relative_step", True) else training["lr_scheduler"]
    if training["optimizer"] in OWN_RATE and training["te_lr"] not in (0, training["unet_lr"]):
        lost["text_encoder_lr"] = f"{training['optimizer']} finds one rate for all parts; unet_lr stands for it"
        training["te_lr"] = training["unet_lr"]
    _network(tables["lora"], given, lost)


def _network(lora: dict[str, object], given: Mapping[str, object], lost: dict[str, str]) -> None:
    kind = str(given.get("LoRA_type", given.get("network_module", "Standard")))
    if kind not in CONV_TYPES:
        lora.pop("conv_rank", None)
        lora.pop("conv_alpha", None)
    if kind not in (*CONV_TYPES, "Standard"):
        lost["LoRA_type"] = f"`{kind}`: only LoRA on linear layers and convolutions is trained here"


def _in_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_in_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
