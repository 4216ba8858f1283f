"""Whose names a diffusers-spelt LoRA is written in: the model asked for, or its parents' family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from base_models.architecture import Architecture, architecture, public_architecture
from loras.blend import BlendError
from loras.lora_family import LoraFamily, common_family
from loras.lora_file import open_lora


def names_for(paths: Sequence[Path], base: str | None) -> Architecture:
    """The names of `base`, or of the public model of the parents' family.

    Raises BlendError where that family cannot be told and the ones it may be have other names for its modules.
    """
    if base is not None:
        from base_models.base_model import load_base

        model = load_base(base)
        return architecture(model.family, model.unet, model.text_encoders)
    names: set[str] = set()
    families: list[tuple[Path, LoraFamily]] = []
    for path in paths:
        with open_lora(path) as opened:
            names.update(opened.names)
            families.append((path, opened.family))
    return _names_of_family(common_family(families), names)


def _names_of_family(family: LoraFamily, names: set[str]) -> Architecture:
    candidates = [public_architecture(one.key) for one in family.may_be]
    if len(candidates) == 1:
        return candidates[0]
    fitting = [one for one in candidates if names <= one.by_kohya.keys()]
    spelt = {tuple(one.by_kohya[name].diffusers for name in sorted(names)) for one in fitting}
    if len(spelt) != 1:
        raise BlendError(
            f"the family of these LoRAs cannot be told ({family.because}), so neither can diffusers' names of their "
            "modules; say which model they are for with --base"
        )
    return fitting[0]
