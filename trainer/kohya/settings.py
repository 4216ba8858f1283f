"""kohya_ss settings (the GUI's .json, sd-scripts' .toml) -> a configuration of ours, and what it could not carry.

Every key that differs between kohya's defaults and our presets' is written out, so that no preset changes the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from foundation.toml_config import in_toml
from trainer.config.config import TrainConfig
from trainer.config.presets import PRESETS, with_preset
from trainer.kohya.datasets import with_datasets
from trainer.kohya.keys import (
    ASK_FOR_ANOTHER_FAMILY,
    CARRIED_KEYS,
    KOHYAS_OWN,
    OF_LYCORIS,
    WHY_NOT_CARRIED,
    WITHOUT_EFFECT,
    is_of_another_family,
)
from trainer.kohya.translators import TRANSLATORS
from trainer.kohya.values import KohyaSettings, Tables, number, printable

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
    """Our tables, what of the file they do not say (key -> why), and notes on what the file does not say itself."""

    tables: Tables
    not_carried: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """All that is to be told, a line each."""
        lost = [f"not carried over: {key}: {why}" for key, why in self.not_carried.items()]
        return [" ".join(printable(line).split()) for line in (*lost, *(f"note: {note}" for note in self.notes))]


def carry_over(settings: Mapping[str, object], beside: Path | None = None) -> Imported:
    """Translate kohya's settings. What is empty, zero or false there asks for nothing and is left out.

    So is what kohya itself does not read beside the others. A value of another kind than its key's, or one that our
    configuration refuses, is listed in `not_carried`. Files that they name are looked for from the folder `beside` on.
    """
    read = with_datasets(settings, beside)
    asked = KohyaSettings.of(read.settings, beside)
    asked.lost.update(read.lost)
    tables = {name: dict(table) for name, table in DEFAULTS.items()}
    for key, value in asked.values.items():
        if key in CARRIED_KEYS:
            _put(tables, asked, key)
        elif is_of_another_family(key):
            if any(mark in asked for mark in ASK_FOR_ANOTHER_FAMILY):
                asked.lost[key] = "is of another family of base models than SD1, SD2 and SDXL"
        elif key not in WITHOUT_EFFECT and key not in OF_LYCORIS and not _is_ordinary(key, value):
            asked.lost[key] = WHY_NOT_CARRIED.get(key, "this trainer has nothing like it")
    for translate in TRANSLATORS:
        translate(tables, asked)
    if read.folders:
        del tables["data"]["train"]
        tables["data"]["folders"] = list(read.folders)
    _leave_out_what_is_refused(tables, asked.lost)
    return Imported(tables, asked.lost, _notes(tables, asked))


def _notes(tables: Tables, asked: KohyaSettings) -> tuple[str, ...]:
    """What the file leaves to kohya's own defaults, though a run hangs on it."""
    if any(key in asked for key in ("LoRA_type", "network_module", "network_dim", "network_weights")):
        return ()
    rank, rate = tables["lora"].get("rank"), tables["training"].get("unet_lr")
    return (
        f"the file says nothing of a LoRA (network_dim): rank {rank} and a learning rate of {rate} stand in the "
        "configuration; set lora.rank, lora.alpha and the rates",
    )


def as_toml(imported: Imported) -> str:
    """A configuration file; a comment on top says what was not carried."""
    lines = [f"# {remark}" for remark in imported.remarks]
    lines.append(f'preset = "{PRESET}"')
    for name, table in imported.tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {in_toml(value)}" for key, value in table.items())]
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
