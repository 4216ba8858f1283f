"""Every spelling of a LoRA file's keys -> kohya's module name and suffix. Nothing is guessed: an unknown key raises.

Spellings: kohya-ss/sd-scripts and LyCORIS (`lora_unet_..`, `lycoris_..`), OneTrainer (`lora_unet.` in diffusers'
naming), diffusers old (`..processor.to_q_lora.down.weight`, `.lora_linear_layer.`) and new (`.lora.down.weight`,
`.lora_A.weight`, `.lora_A.ADAPTER.weight`), PEFT (`base_model.model.`), and ComfyUI's saver and checkpoints'
(`diffusion_model.`, `model.diffusion_model.` in the original naming, `text_encoders.clip_l.`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
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
from foundation.text_files import parsing_fault, read_json
from foundation.typed.json_values import is_table, parse_json
from loras.lora_family import Shape, family_before_naming

SUFFIXES = frozenset(
    [
        *("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale"),
        *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
        *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2"),
        *("oft_blocks", "rescale", "diff", "diff_b", "w_norm", "b_norm"),
    ]
)
# The other dialects' endings behind a module's path, and kohya's for the same tensor.
_ENDINGS = (
    (re.compile(r"\.lora_A(?:\.[^.]+)?\.weight$"), "lora_down.weight"),
    (re.compile(r"\.lora_B(?:\.[^.]+)?\.weight$"), "lora_up.weight"),
    (re.compile(r"\.lora_magnitude_vector(?:\.[^.]+)??(?:\.weight)?$"), "dora_scale"),
    (re.compile(r"[._]lora(?:_linear_layer)?\.(down|up)\.weight$"), "lora_{}.weight"),
    (re.compile(r"(?:[._]lora(?:_linear_layer)?)?\.alpha$"), "alpha"),
)
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
# Of LyCORIS' IA3 each module has a `weight` and says whether it multiplies what goes in.
_IA3 = ".on_input"
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


LONGEST_PATTERN = 500
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")


@dataclass(frozen=True)
class TensorKey:
    """One tensor's place: the spelling's dialect, part (0 UNet, 1 and 2 the text encoders), path, kohya suffix."""

    dialect: str
    part: int
    path: str
    suffix: str


@dataclass(frozen=True)
class Spelling:
    """A file's keys read: its dialects in a word; by module in kohya's name, its tensors' suffixes and own keys; by
    module, its path in diffusers behind `unet.` or `text_encoder.`, where the file itself spells one out; names of
    embeddings (textual inversion) that OneTrainer bundled with the LoRA."""

    dialect: str
    modules: Mapping[str, Mapping[str, str]]
    paths: Mapping[str, str]
    embeddings: tuple[str, ...] = ()


def spelling_of(shapes: Mapping[str, Shape], path: Path, metadata: Mapping[str, str]) -> Spelling:
    """Read all keys of a file with their tensors' shapes. `metadata` is asked where shapes leave the family open.

    Raises LoraFileError for an unknown or doubled key.
    """
    ia3 = next((key for key in shapes if key.endswith(_IA3)), None)
    if ia3 is not None:
        raise LoraFileError(
            f"{path}: an IA3 of LyCORIS (`{ia3}`), which multiplies what passes through a model; no LoRA can do that, "
            "so it is not read here"
        )
    bundled = [key for key in shapes if key.startswith(_BUNDLED)]
    read = {key: _read_key(key, path) for key in shapes if not key.startswith(_BUNDLED)}
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
    embeddings = tuple(sorted({key.split(".")[1] for key in bundled}))
    return Spelling("+".join(sorted({place.dialect for place in read.values()})), modules, paths, embeddings)


def _read_key(key: str, path: Path) -> TensorKey:
    name, _, end = key.partition(".")
    for prefix, ours in _KOHYA_PREFIXES.items():
        if name.startswith(f"{prefix}_"):
            suffix = end if end in SUFFIXES else dict(_endings(key)).get(name)
            if suffix is not None:
                return TensorKey("kohya", -1, f"{ours}{name.removeprefix(prefix)}", suffix)
    if (place := _dotted(key)) is not None:
        return place
    raise LoraFileError(
        f"{path}: unknown key `{key}`; it is no part of a LoRA that is understood here "
        "(kohya, LyCORIS, diffusers, PEFT, ComfyUI), and nothing is left out silently"
    )


def _dotted(key: str) -> TensorKey | None:
    for stem, suffix in _endings(key):
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


def _endings(key: str) -> Iterable[tuple[str, str]]:
    """(what stands before, kohya's suffix) for each way that the key's end can be read."""
    for pattern, suffix in _ENDINGS:
        if found := pattern.search(key):
            yield key[: found.start()], suffix.format(*found.groups())
    for suffix in SUFFIXES:
        if key.endswith(f".{suffix}"):
            yield key.removesuffix(f".{suffix}"), suffix


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
        raise LoraFileError(f"{path}: key `{key}` names no module of a Stable Diffusion UNet")
    try:
        if sdxl and not original:
            return kohya_name(UNET, SDXL_LAYOUT.to_ldm(place.path))
        if original and not sdxl:
            return kohya_name(UNET, PUBLIC_LAYOUT.to_diffusers(place.path))
    except (KeyError, IndexError):
        raise LoraFileError(f"{path}: key `{key}` names no module of a Stable Diffusion UNet") from None
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


@dataclass(frozen=True)
class PeftScales:
    """PEFT keeps scales in a configuration: diffusers >= 0.34 in the header, PEFT itself in adapter_config.json."""

    configs: Mapping[str, Mapping[str, object]]

    @classmethod
    def beside(cls, path: Path, metadata: Mapping[str, str]) -> PeftScales:
        """From the header's `lora_adapter_metadata`, else from adapter_config.json in the file's folder.

        Raises LoraFileError for what is no JSON object, or for another method than LoRA (PEFT's LoHa, LoKr, OFT: their
        tensors are named as LyCORIS' are, and mean something else).
        """
        if "lora_adapter_metadata" in metadata:
            found = _json(metadata["lora_adapter_metadata"], path)
            # A whole pipeline's configurations are told apart by part; a single model's stands alone.
            return cls(_for_all_parts(found) if "lora_alpha" in found else _by_part(found))
        config = path.with_name("adapter_config.json")
        if path.name.startswith("adapter_model") and config.is_file():
            plain = _table(read_json(config), config)
            if plain.get("peft_type", "LORA") != "LORA":
                kind = plain["peft_type"]
                raise LoraFileError(f"{config}: an adapter of PEFT's type {kind}; only LORA is understood")
            return cls(_for_all_parts(plain))
        return cls({})

    def alpha(self, diffusers_path: str, rank: int, file: Path) -> float | None:
        """The alpha of a module of `file`, whose strength is alpha / rank; None where nothing says.

        Raises LoraFileError for a number or a pattern that is none.
        """
        part, _, inner = diffusers_path.partition(".")
        config = self.configs.get(part)
        if config is None or "lora_alpha" not in config:
            return None
        try:
            alpha = _matching(config.get("alpha_pattern"), inner, config["lora_alpha"])
        except ValueError as error:
            raise LoraFileError(f"{file}: the adapter's configuration has {error}; save the file again") from None
        return alpha * rank**0.5 if config.get("use_rslora") else alpha


def _matching(pattern: object, path: str, otherwise: object) -> float:
    """PEFT's rule: the first pattern that matches the path's end, at a dot. Raises ValueError with what is wrong."""
    for tail, alpha in pattern.items() if is_table(pattern) else ():
        if _pattern(tail).fullmatch(path):
            return _number(alpha)
    return _number(otherwise)


@lru_cache(maxsize=4096)
def _pattern(tail: str) -> re.Pattern[str]:
    """A stranger's expression: one that could take for ever (a group that is repeated) is not tried."""
    if len(tail) <= LONGEST_PATTERN and not _REPEATED_GROUP.search(tail):
        with suppress(re.error):
            return re.compile(rf"(?:.*\.)?(?:{tail})")
    raise ValueError(f"a pattern for alphas that is not understood (`{tail[:80]}`)")


def _number(said: object) -> float:
    with suppress(ValueError):
        return float(str(said))
    raise ValueError(f"an alpha that is no number (`{str(said)[:80]}`)")


def _for_all_parts(config: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {part: config for part in ("unet", "text_encoder", "text_encoder_2")}


def _by_part(flat: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """`{"unet.r": 4}` -> `{"unet": {"r": 4}}`."""
    found: dict[str, dict[str, object]] = {}
    for key, value in flat.items():
        part, _, name = key.partition(".")
        found.setdefault(part, {})[name] = value
    return found


def _json(text: str, path: Path) -> dict[str, object]:
    try:
        return _table(parse_json(text), path)
    except ValueError as error:
        raise LoraFileError(f"{path}: the adapter's configuration is no JSON ({parsing_fault(error)})") from error


def _table(found: object, path: Path) -> dict[str, object]:
    if not is_table(found):
        raise LoraFileError(f"{path}: the adapter's configuration is no JSON object")
    return found
