"""What makes two runs the same run: settings, data, base model and processes, compared as they would train today.

A key that a record does not have was left at its default: whoever adds a key gives it the default that does what was
done before there was the key. So runs that an earlier version began are still known, and may be gone on with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import JsonValue

from foundation.files import sha256_of
from foundation.toml_config import Section
from foundation.wording.said import say
from trainer.config.config import TrainConfig
from trainer.learning.processes import process_count

Settings = Mapping[str, Mapping[str, object]]

# Keys that say where a run lies, or what is done beside the training: they do not shape its tensors.
NOT_SHAPING = {
    "preset": True,
    "model": {"base", "vae", "prediction", "device"},  # the base's hash covers what it is loaded from
    # captions and which are whose are hashed with the pictures
    "data": {"train", "reg", "folders", "held_out", "cache", "caption_extension"},
    "lora": {"network_weights"},  # its contents stand for it
    "samples": True,
    "output": {"folder", "name", "save_state_every", "price_per_hour", "tensorboard", "comment"},
}


class RunIdentity(Section):
    """Everything that shapes the tensors. Runs without `differences` are the same run, wherever their folders lie."""

    settings: dict[str, dict[str, JsonValue]]
    data_sha256: str
    base_sha256: str
    processes: int = 1

    def sha256(self) -> str:
        """Of what was written, so that it is another where an earlier version wrote fewer keys."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def identity_of(config: TrainConfig, data_sha256: str, base_sha256: str) -> RunIdentity:
    """The configuration without its paths and names (contents are hashed instead), the data and the base model."""
    return RunIdentity(
        settings=settings_of(config), data_sha256=data_sha256, base_sha256=base_sha256, processes=process_count()
    )


def unknown_identity(config: TrainConfig) -> RunIdentity:
    """The identity of a run whose data or base model could not be read. No run that trains has the same."""
    return identity_of(config, "", "")


def settings_of(config: TrainConfig) -> dict[str, dict[str, JsonValue]]:
    """The settings that shape the tensors, table by table. A LoRA file that the run begins with is its sha256."""
    settings = config.model_dump(mode="json", exclude=NOT_SHAPING)
    if path := config.lora.network_weights:
        settings["lora"]["network_weights"] = sha256_of(path) if path.is_file() else "no such file"
    return settings


def differences(old: RunIdentity, new: RunIdentity, of_pictures: Sequence[str] = ()) -> list[str]:
    """What shapes the tensors and is not the same, in words: `table.key: old -> new`.

    A setting that one of the two does not have is at its default there. `of_pictures` say more of other data.
    """
    changed = changed_settings(old.settings, new.settings)
    if "" in (old.data_sha256, new.data_sha256):
        changed.append(say("one of the two ended before its pictures and base model were read"))
    else:
        changed += list(of_pictures or [say("other pictures or captions")]) * (old.data_sha256 != new.data_sha256)
        changed += [say("another base model")] * (old.base_sha256 != new.base_sha256)
    changed += [say("processes: {before} -> {now}", before=old.processes, now=new.processes)] * (
        old.processes != new.processes
    )
    return changed


def changed_settings(old: Settings, new: Settings) -> list[str]:
    """`table.key: old -> new` for every setting whose value is not the same; one that is missing is at its default."""
    tables = dict.fromkeys([*new, *old])
    return [change for table in tables for change in changed_keys(table, old.get(table, {}), new.get(table, {}))]


def changed_keys(table: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """`table.key: old -> new` for every key of either whose value is not the same; a missing one is at its default."""
    keys, defaults = dict.fromkeys([*new, *old]), _defaults().get(table, {})
    old, new = {**defaults, **old}, {**defaults, **new}
    return [f"{table}.{key}: {old.get(key)} -> {new.get(key)}" for key in keys if old.get(key) != new.get(key)]


@cache
def _defaults() -> dict[str, dict[str, object]]:
    """Each table's keys that may be left out, with what they then are."""
    tables = {name: field.annotation for name, field in TrainConfig.model_fields.items()}
    return {
        name: {
            key: field.get_default(call_default_factory=True)
            for key, field in table.model_fields.items()
            if not field.is_required()
        }
        for name, table in tables.items()
        if isinstance(table, type) and issubclass(table, Section)
    }
