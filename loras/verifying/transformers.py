"""Which spellings of a transformer's LoRA each tool reads: (form of the keys, naming of the modules) by family.

Forms are those of `loras.verifying.facts`. A module whose path is alike in both namings is of both. diffusers' rows are
what its loaders did with models of a few thousand weights; the others are read off the sources named with each tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loras.verifying.facts import FileFacts, ModuleFacts
    from loras.verifying.rules import Fits

Read = frozenset[tuple[str, str]]
ByFamily = Mapping[str, Read]

_GENERIC = frozenset([("comfyui", "original"), ("kohya", "original")])
_DIFFUSERS_NAMES = frozenset([("diffusers", "diffusers"), ("lycoris", "diffusers")])
_FLUX = _GENERIC | _DIFFUSERS_NAMES | {("onetrainer_kohya", "diffusers"), ("bare", "original")}
_ALL_DIFFUSERS = _GENERIC | _DIFFUSERS_NAMES | {("comfyui", "diffusers"), ("bare", "diffusers")}
COMFYUI_READS: ByFamily = {
    "flux1": _FLUX,
    "flux2": _FLUX,
    "chroma": _FLUX,
    "sd3": _GENERIC | _DIFFUSERS_NAMES | {("peft", "diffusers"), ("onetrainer_kohya", "diffusers")},
    "z_image": _ALL_DIFFUSERS | {("peft", "diffusers")},
    "krea2": _ALL_DIFFUSERS,
    "qwen_image": _ALL_DIFFUSERS,
    "lumina2": _GENERIC,
    "anima": _GENERIC,
}
_OWN = frozenset([("diffusers", "diffusers")])
DIFFUSERS_READS: ByFamily = {
    "flux1": _OWN | {("kohya", "original")},
    "chroma": _OWN | {("kohya", "original")},
    "flux2": _OWN | _GENERIC | {("comfyui", "diffusers"), ("peft", "diffusers")},
    "z_image": _OWN | {("comfyui", "diffusers"), ("kohya", "diffusers")},
    "qwen_image": _OWN | {("comfyui", "diffusers"), ("kohya", "diffusers")},
    "krea2": _OWN | {("comfyui", "original")},
    "lumina2": _OWN | {("comfyui", "original")},
    "anima": _OWN | {("comfyui", "original")},
    "sd3": _OWN,
}


def _trained(naming: str) -> Read:
    """musubi takes dotted names for its own, underscored, wherever its module is called so."""
    return frozenset([("kohya", naming), ("comfyui", naming), ("diffusers", naming)])


MUSUBI_READS: ByFamily = {
    **dict.fromkeys(("flux1", "flux2", "krea2", "qwen_image"), _trained("original")),
    "z_image": _trained("diffusers"),
}
SD_SCRIPTS_READS: ByFamily = dict.fromkeys(
    ("flux1", "sd3", "chroma", "lumina2", "anima"), frozenset([("kohya", "original")])
)
_SAVED = frozenset([("comfyui", "original"), ("diffusers", "original")])
AI_TOOLKIT_READS: ByFamily = {
    **dict.fromkeys(("flux1", "sd3", "lumina2"), _OWN),
    **dict.fromkeys(("flux2", "krea2", "chroma"), _SAVED),
    **dict.fromkeys(("z_image", "qwen_image"), _OWN | {("comfyui", "diffusers")}),
    "anima": _OWN | {("comfyui", "original")},
}
# Text encoders: by family, the beginnings of keys that each tool reads.
COMFYUI_TEXT: Mapping[str, tuple[str, ...]] = {
    "flux1": ("lora_te1_", "lora_te2_", "lora_te3_", "lora_te_", "text_encoder.", "text_encoders."),
    "sd3": ("lora_te1_", "lora_te2_", "lora_te3_", "text_encoder.", "text_encoder_2.", "text_encoders."),
    "chroma": ("lora_te1_", "text_encoders."),
    "anima": ("text_encoders.",),
    "lumina2": ("text_encoders.",),
}
DIFFUSERS_TEXT: Mapping[str, tuple[str, ...]] = {
    "flux1": ("text_encoder.", "lora_te1_", "lora_te_"),
    "sd3": ("text_encoder.", "text_encoder_2."),
    "anima": ("text_conditioner.",),
}
SD_SCRIPTS_TEXT: Mapping[str, tuple[str, ...]] = {
    "flux1": ("lora_te1_", "lora_te3_"),
    "sd3": ("lora_te1_", "lora_te2_", "lora_te3_"),
    "anima": ("lora_te_",),
    "lumina2": ("lora_te_",),
}


def not_read(by_family: ByFamily) -> Fits:
    """Modules of a transformer, or of what stands before it, in a spelling that the tool does not read."""

    def fits(module: ModuleFacts, file: FileFacts) -> bool:
        if file.family not in by_family or module.part.startswith("te"):
            return False
        return not any((module.form, naming) in by_family[file.family] for naming in module.namings)

    return fits


def text_not_read(by_family: ByFamily, prefixes: Mapping[str, tuple[str, ...]]) -> Fits:
    """Modules of a transformer's text encoders whose keys begin otherwise than the tool reads them."""

    def fits(module: ModuleFacts, file: FileFacts) -> bool:
        if file.family not in by_family or not module.part.startswith("te"):
            return False
        return not module.keys[0].startswith(prefixes.get(file.family, ()))

    return fits
