"""Every key of a run's configuration, with kohya's word for it."""

from __future__ import annotations

from foundation.key_reference.key_facts import KeyFact, as_toml, keys_of
from trainer.config.config import TrainConfig
from trainer.config.kohya_words import A1111, kohya_words
from trainer.config.presets import PRESETS


def run_keys() -> list[KeyFact]:
    """In the configuration's order; what presets set stands where a key has no default of its own."""
    return keys_of(TrainConfig, {"kohya": kohya_words(), "A1111": A1111}, _of_presets())


def _of_presets() -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        for table, values in preset.items():
            for key, value in values.items():
                found.setdefault(f"{table}.{key}", []).append(f"{as_toml(value)} ({name})")
    missing = {key for key, said in found.items() if len(said) < len(PRESETS)}
    own = {fact.key: fact.default for fact in keys_of(TrainConfig)}
    return {key: ", ".join([*said, *([own[key]] if key in missing else [])]) for key, said in found.items()}
