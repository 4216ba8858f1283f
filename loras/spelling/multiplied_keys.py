"""The keys of LyCORIS' IA3, whose plain `..weight` tells nothing without the `..on_input` beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ON_INPUT, WEIGHT = ".on_input", ".ia3_weight"


def without_doubt(keys: Iterable[str]) -> dict[str, str]:
    """By a key that tells its kind, the file's own: an IA3's `..weight` is called `..ia3_weight`."""
    there = list(keys)
    plain = {f"{key.removesuffix(ON_INPUT)}.weight" for key in there if key.endswith(ON_INPUT)}
    return {f"{key.removesuffix('.weight')}{WEIGHT}" if key in plain else key: key for key in there}


def own_keys(modules: Mapping[str, Mapping[str, str]], own: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The modules' tensors by the file's own keys again."""
    return {name: {suffix: own.get(key, key) for suffix, key in tensors.items()} for name, tensors in modules.items()}
