"""The header of a LoRA file made of others: what kohya, A1111 and ComfyUI read there, and our own recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from loras.lora_family import KnownFamily, LoraFamily, family_in_header
from loras.lora_file import LoraFile, LoraModule

RECIPE = "lora_studio.recipe"
SAVED_WHEN = ("ss_epoch", "ss_steps")
NOT_KEPT = ("lora_adapter_metadata", *SAVED_WHEN)


def blend_metadata(
    lora: LoraFile[LoraModule],
    parents: Sequence[Mapping[str, str]],
    family: LoraFamily,
    title: str,
    recipe: Mapping[str, object],
) -> dict[str, str]:
    """One parent's metadata are kept, of several what all say alike; ranks and name are the new file's own.

    Made of several it is no epoch of a training, so it has none. `family` is that of the parents: at weight 0 the
    modules that tell it may be missing here. Of an unknown one nothing is said that the parents do not say. A1111 takes
    `ss_output_name` for the alias, so it is unique per file.
    """
    kept = dict(parents[0]) if len(parents) == 1 else _shared(parents)
    return {
        **{key: value for key, value in kept.items() if not key.startswith("sshs_") and key not in NOT_KEPT},
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(max((module.rank for module in lora.modules.values()), default=0)),
        "ss_network_alpha": f"{max((module.alpha for module in lora.modules.values()), default=0):g}",
        **family_keys(kept, family),
        "ss_output_name": title,
        **({key: parents[0].get(key, "0") for key in SAVED_WHEN} if len(parents) == 1 else {}),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
        RECIPE: json.dumps(recipe, ensure_ascii=False),
    }


def family_keys(kept: Mapping[str, str], found: LoraFamily) -> dict[str, str]:
    """What says the family: A1111 takes a file for SDXL by `sdxl_` in its base version, else for SD2 by `ss_v2`, else
    for SD1. The parents' own words stay where they are of that family, for they tell SD2's two predictions apart."""
    if not isinstance(found, KnownFamily):
        return {}
    family = found.family
    said = {"ss_base_model_version": family.base_version, "modelspec.architecture": family.architecture}
    for key in said:
        of_kept = family_in_header({key: kept.get(key, "")})
        if of_kept is not None and of_kept.key == family.key:
            said[key] = kept[key]
    return {"ss_v2": str(family.v2), **said}


def _shared(parents: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all parents of a blend say alike."""
    if not parents:
        return {}
    return {key: value for key, value in parents[0].items() if all(other.get(key) == value for other in parents)}
