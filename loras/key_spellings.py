"""Every spelling of a LoRA file's keys -> kohya's module name and suffix. Nothing is guessed: an unknown key raises.

Spellings: kohya-ss/sd-scripts and LyCORIS (`lora_unet_..`, `lycoris_..`), OneTrainer (`lora_unet.` in diffusers'
naming), diffusers old (`..processor.to_q_lora.down.weight`, `.lora_linear_layer.`) and new (`.lora.down.weight`,
`.lora_A.weight`, `.lora_A.ADAPTER.weight`), PEFT (`base_model.model.`), and ComfyUI's saver and checkpoints'
(`diffusion_model.`, `model.diffusion_model.` in the original naming, `text_encoders.clip_l.`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from base_models.kohya_names import (
    PUBLIC_LAYOUT,
    SDXL_LAYOUT,
    TEXT_ENCODER,
    TEXT_ENCODERS,
    UNET,
    diffusers_place,
    kohya_name,
    ldm_place,
    text_path,
)
from foundation.errors import LoraFileError
from loras.lora_family import Shape, family_before_naming
from loras.spelling.endings import SUFFIXES, endings, is_ending, scale_keys
from loras.spelling.family_keys import spelling_by_family
from loras.spelling.foreign_kinds import check_is_read
from loras.spelling.multiplied_keys import own_keys, without_doubt
from loras.spelling.spelling import NotUnderstoodError, Spelling, UnknownFamilyError

_KOHYA_PREFIXES = {
    "oft_unet": UNET,
    "oft_te1": TEXT_ENCODERS[0],
    "oft_te2": TEXT_ENCODERS[1],
    "oft_te": TEXT_ENCODER,
    "lora_unet": UNET,
    "lora_te1": TEXT_ENCODERS[0],
    "lora_te2": TEXT_ENCODERS[1],
    "lora_te": TEXT_ENCODER,
    "lycoris_text_model": f"{TEXT_ENCODER}_text_model",  # LyCORIS' own wrapper says no part of a model
    "lycoris": UNET,
}
# OneTrainer's own names: kohya's part, and diffusers' path in dots.
_DOTTED_PARTS = {"lora_unet.": 0, "lora_te.": 1, "lora_te1.": 1, "lora_te2.": 2}
_BUNDLED = "bundle_emb."
_TEXT_PREFIXES = {
    "text_encoder.": 0,
    "text_encoder_2.": 1,
    "text_encoders.clip_l.transformer.": 0,
    "text_encoders.clip_g.transformer.": 1,
    "text_encoders.clip_h.transformer.": 0,  # SD2's only one
    "clip_l.transformer.": 0,
    "clip_h.transformer.": 0,
    "clip_g.transformer.": 1,
}
_OLD_ATTENTION = {"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out": "to_out.0"}
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
# Of the UNet and the second text encoder, whose paths are dotted, and of kohya's names, which have a prefix.
_PARTS_BEFORE_NAMING = {0: f"{UNET}_", 2: f"{TEXT_ENCODERS[1]}_", -1: ""}
_ORIGINAL_STARTS = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.")


@dataclass(frozen=True)
class TensorKey:
    """One tensor's place: the spelling's dialect, part (0 UNet, 1 and 2 the text encoders), path, kohya suffix."""

    dialect: str
    part: int
    path: str
    suffix: str


def spelling_of(shapes: Mapping[str, Shape], path: Path, metadata: Mapping[str, str]) -> Spelling:
    """Read all keys of a file with their tensors' shapes. `metadata` is asked where shapes leave the family open.

    Raises LoraFileError for an unknown or doubled key.
    """
    own = without_doubt(shapes)
    shapes = {key: shapes[there] for key, there in own.items()}
    scales = scale_keys(shapes)
    keys = [key for key in shapes if not key.startswith(_BUNDLED) and key not in scales.values()]
    embeddings = tuple(sorted({key.split(".")[1] for key in shapes if key.startswith(_BUNDLED)}))
    found = spelling_by_family(shapes, keys, path, metadata) or _stable_diffusion(shapes, keys, path, metadata)
    return replace(found, modules=own_keys(found.modules, own), embeddings=embeddings, scales=scales)


def _stable_diffusion(
    shapes: Mapping[str, Shape], keys: Sequence[str], path: Path, metadata: Mapping[str, str]
) -> Spelling:
    read = {key: _read_key(key, path) for key in keys}
    sdxl = _has_names_of_sdxl(read, shapes, metadata)
    modules: dict[str, dict[str, str]] = {}
    paths: dict[str, str] = {}
    for key, place in read.items():
        name = _module_name(place, sdxl, key, path)
        tensors = modules.setdefault(name, {})
        if place.suffix in tensors:
            raise LoraFileError(f"{path}: `{tensors[place.suffix]}` and `{key}` are the same tensor; which is meant?")
        tensors[place.suffix] = key
        if place.dialect in ("diffusers", "peft"):
            paths[name] = f"{('unet', 'text_encoder', 'text_encoder_2')[place.part]}.{place.path}"
    return Spelling("+".join(sorted({place.dialect for place in read.values()})), modules, paths)


def _read_key(key: str, path: Path) -> TensorKey:
    name, _, end = key.partition(".")
    for prefix, ours in _KOHYA_PREFIXES.items():
        if name.startswith(f"{prefix}_"):
            suffix = end if end in SUFFIXES else dict(endings(key)).get(name)
            if suffix is not None:
                return TensorKey("kohya", -1, f"{ours}{name.removeprefix(prefix)}", suffix)
    if (place := _dotted(key)) is not None:
        return place
    check_is_read(key, path)
    kind = UnknownFamilyError if is_ending(key) else NotUnderstoodError
    raise kind(
        f"{path}: unknown key `{key}`; it is no part of a LoRA that is understood here "
        "(kohya, LyCORIS, diffusers, PEFT, ComfyUI), and nothing is left out silently"
    )


def _dotted(key: str) -> TensorKey | None:
    for stem, suffix in endings(key):
        whole = stem.removeprefix("base_model.model.").removeprefix("model.")
        for prefix, part in _DOTTED_PARTS.items():
            if whole.startswith(prefix):
                inner = whole.removeprefix(prefix)
                return TensorKey(
                    "onetrainer", part, _plain_text_path(inner) if part else _plain_unet_path(inner), suffix
                )
        if whole.startswith("diffusion_model."):
            return TensorKey("comfyui", 0, whole.removeprefix("diffusion_model."), suffix)
        for prefix, encoder in _TEXT_PREFIXES.items():
            if whole.startswith(prefix):
                dialect = "comfyui" if "clip_" in prefix else "diffusers"
                return TensorKey(dialect, encoder + 1, _plain_text_path(whole.removeprefix(prefix)), suffix)
        bare = whole.removeprefix("unet.")
        dialect = "peft" if bare == whole and ".lora_" in key.removeprefix(stem) else "diffusers"
        if bare.startswith(("down_blocks.", "mid_block.", "up_blocks.", "conv_", "time_embedding.", "add_embedding.")):
            return TensorKey(dialect, 0, _plain_unet_path(bare), suffix)
        if bare.startswith(("text_model.", "encoder.layers.")):
            return TensorKey(dialect, 1, _plain_text_path(bare), suffix)
    return None


def _plain_unet_path(path: str) -> str:
    """Old attention processors' names as module paths: `attn1.processor.to_out` is `attn1.to_out.0`."""
    found = re.fullmatch(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)", path)
    return f"{found[1]}.{_OLD_ATTENTION[found[2]]}" if found else path


def _plain_text_path(path: str) -> str:
    found = re.fullmatch(r"(.+\.self_attn)\.(to_q|to_k|to_v|to_out)", path)
    return text_path(f"{found[1]}.{_OLD_TEXT[found[2]]}" if found else path)


def _has_names_of_sdxl(read: Mapping[str, TensorKey], shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """Whether the modules get the names that kohya gives SDXL's.

    A first text encoder in dots is any family's, so it is no clue.
    """
    modules: dict[str, dict[str, Shape]] = {}
    for key, place in read.items():
        if place.part != 1:
            modules.setdefault(_PARTS_BEFORE_NAMING[place.part] + place.path, {})[place.suffix] = shapes[key]
    return family_before_naming(modules, metadata).name == "SDXL"


def _module_name(place: TensorKey, sdxl: bool, key: str, path: Path) -> str:
    if place.dialect == "kohya":
        return _in_own_naming(place.path, sdxl)
    if place.part:
        return kohya_name(TEXT_ENCODERS[place.part - 1] if sdxl else TEXT_ENCODER, place.path)
    original = place.path.startswith(_ORIGINAL_STARTS)
    if place.dialect == "comfyui" and not original:
        raise UnknownFamilyError(f"{path}: key `{key}` names no module of a Stable Diffusion UNet")
    try:
        if sdxl and not original:
            return kohya_name(UNET, SDXL_LAYOUT.to_ldm(place.path))
        if original and not sdxl:
            return kohya_name(UNET, PUBLIC_LAYOUT.to_diffusers(place.path))
    except (KeyError, IndexError):
        raise UnknownFamilyError(f"{path}: key `{key}` names no module of a Stable Diffusion UNet") from None
    return kohya_name(UNET, place.path)


def _in_own_naming(name: str, sdxl: bool) -> str:
    """A kohya name as sd-scripts writes it: diffusers' block names are SD1's, `lora_te1` is SDXL's.

    sd-scripts and A1111 drop `lora_te_` from a file for SDXL, and `lora_te1_` from one for SD1.
    """
    meant, other = (TEXT_ENCODERS[0], TEXT_ENCODER) if sdxl else (TEXT_ENCODER, TEXT_ENCODERS[0])
    if name.startswith((f"{meant}_", f"{other}_")):
        return name if name.startswith(f"{meant}_") else name.replace(other, meant, 1)
    inner = name.removeprefix(f"{UNET}_")
    path, renamed = (
        (diffusers_place(inner), SDXL_LAYOUT.to_ldm) if sdxl else (ldm_place(inner), PUBLIC_LAYOUT.to_diffusers)
    )
    try:
        return name if path is None else kohya_name(UNET, renamed(path))
    except (KeyError, IndexError):
        return name
