"""The header of a LoRA file made of others: what kohya, A1111 and ComfyUI read there, and our own recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from base_models.families.sd1 import SD1
from loras.lora_file import LoraFile, LoraModule
from loras.model_family import family_of_lora

RECIPE = "lora_studio.recipe"


def blend_metadata(
    lora: LoraFile[LoraModule], parents: Sequence[Mapping[str, str]], title: str, recipe: Mapping[str, object]
) -> dict[str, str]:
    """One parent's metadata are kept, of several what all say alike; ranks, name and family are the new file's own.

    A1111 takes `ss_output_name` for the alias, so it is unique per file, and a file without `sdxl_` in its base version
    for SD1.
    """
    kept = dict(parents[0]) if len(parents) == 1 else _shared(parents)
    family = family_of_lora(lora) or SD1
    return {
        **{key: value for key, value in kept.items() if not key.startswith("sshs_") and key != "lora_adapter_metadata"},
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(max((module.rank for module in lora.modules.values()), default=0)),
        "ss_network_alpha": f"{max((module.alpha for module in lora.modules.values()), default=0):g}",
        "ss_v2": str(family.v2),
        "ss_base_model_version": kept.get("ss_base_model_version", family.base_version),
        "ss_output_name": title,
        "ss_epoch": parents[0].get("ss_epoch", "0") if parents else "0",
        "ss_steps": parents[0].get("ss_steps", "0") if parents else "0",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": kept.get("modelspec.architecture", family.architecture),
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
        RECIPE: json.dumps(recipe, ensure_ascii=False),
    }


def _shared(parents: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all parents of a blend say alike."""
    if not parents:
        return {}
    return {key: value for key, value in parents[0].items() if all(other.get(key) == value for other in parents)}
