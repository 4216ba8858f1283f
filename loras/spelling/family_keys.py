"""The keys of a file for a family of transformers: each one's module, its tensor and whose spelling it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from foundation.errors import LoraFileError
from loras.families.family import ReadableFamily
from loras.families.known import TRANSFORMERS
from loras.spelling.endings import endings
from loras.spelling.foreign_kinds import check_is_read
from loras.spelling.sides import Shape
from loras.spelling.spelling import NotUnderstoodError, Spelling
from loras.spelling.telling import Told, told

# How a key begins, and whose spelling that is; PEFT's and diffusers' begin with the path itself.
_DIALECTS = (
    (("lora_transformer", "lora_te.", "lora_te1.", "lora_te2.", "lora_te3.", "lora_unet."), "onetrainer"),
    (("lora_unet_", "lora_te", "lycoris_", "oft_unet_"), "kohya"),
    (("base_model.model.",), "peft"),
    (("diffusion_model.", "model.diffusion_model.", "text_encoders.", "clip_", "t5xxl.", "qwen3_"), "comfyui"),
    (("transformer.", "unet.", "text_encoder", "text_conditioner."), "diffusers"),
)
_WRAPPER = "base_model.model."
# Markers that tools leave beside the tensors and that move nothing.
MARKERS = frozenset(["scaled_fp8"])

# By stem (a key without its tensor's ending), the tensors' suffixes and keys.
Stems = dict[str, dict[str, str]]


def spelling_by_family(
    shapes: Mapping[str, Shape], keys: Iterable[str], path: Path, metadata: Mapping[str, str]
) -> Spelling | None:
    """Read the `keys` of a file for a family of transformers; None where they are for no such family.

    Raises NotUnderstoodError for a key that is no part of that family, LoraFileError for a tensor that is doubled.
    """
    stems: Stems = {}
    unread: list[str] = []
    for key in keys:
        if key in MARKERS:
            continue
        if (read := _stem(key)) is None:
            unread.append(key)
        else:
            tensors = stems.setdefault(read[0], {})
            _put(tensors, read[1], key, path)
    found = told(_by_stem(stems, shapes), metadata)
    if found is None:
        return None
    strays = [*(key for stem in found.strays for key in stems[stem].values()), *unread]
    if strays:
        check_is_read(strays[0], path)
        raise NotUnderstoodError(
            f"{path}: unknown key `{strays[0]}`"
            + (f" and {len(strays) - 1} more" if len(strays) > 1 else "")
            + f"; the rest is a LoRA for {found.families[0].name}, whose public models have no such module, and "
            "nothing is left out silently"
        )
    return _spelling(stems, found, path)


def _by_stem(stems: Stems, shapes: Mapping[str, Shape]) -> dict[str, dict[str, Shape]]:
    return {stem: {suffix: shapes[key] for suffix, key in tensors.items()} for stem, tensors in stems.items()}


def _spelling(stems: Stems, found: Told, path: Path) -> Spelling:
    family = found.families[0]
    modules: dict[str, dict[str, str]] = {}
    paths: dict[str, str] = {}
    dialects: set[str] = set()
    for stem, tensors in stems.items():
        name = _name(family, stem)
        module = modules.setdefault(name, {})
        for suffix, key in tensors.items():
            _put(module, suffix, key, path)
        dialect = _dialect(next(iter(tensors.values())))
        dialects.add(dialect)
        if dialect in ("diffusers", "peft"):
            inner = stem.removeprefix(_WRAPPER)
            has_folder = inner.startswith((f"{family.diffusers}.", "text_encoder", "text_conditioner."))
            paths[name] = inner if has_folder else f"{family.diffusers}.{inner}"
    _check_not_twice(family, modules, path)
    reordered = frozenset(_name(family, stem) for stem in stems if family.reordered(stem))
    return Spelling("+".join(sorted(dialects)), modules, paths, told=found, reordered=reordered)


def _name(family: ReadableFamily, stem: str) -> str:
    name = family.to_kohya(stem)
    if name is None:
        raise KeyError(stem)
    return name


def _stem(key: str) -> tuple[str, str] | None:
    """A key's module and kohya's suffix: of several ways to read its end, the one that names a module."""
    read = [(stem.removeprefix(_WRAPPER), suffix) for stem, suffix in endings(key)]
    known = (one for one in read if any(family.to_kohya(one[0]) is not None for family in TRANSFORMERS))
    return next(known, read[0] if read else None)


def _dialect(key: str) -> str:
    found = (dialect for starts, dialect in _DIALECTS if key.startswith(starts))
    return next(found, "peft" if ".lora_A" in key or ".lora_B" in key else "diffusers")


def _put(tensors: dict[str, str], suffix: str, key: str, path: Path) -> None:
    if suffix in tensors:
        raise LoraFileError(f"{path}: `{tensors[suffix]}` and `{key}` are the same tensor; which is meant?")
    tensors[suffix] = key


def _check_not_twice(family: ReadableFamily, modules: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Raise where a fused projection stands there whole and in parts: tools differ in which of the two they take."""
    for name, tensors in modules.items():
        whole = family.whole(name)
        if whole is not None and whole in modules:
            both = next(iter(modules[whole].values())), next(iter(tensors.values()))
            raise NotUnderstoodError(
                f"{path}: `{both[0]}` moves a projection as a whole and `{both[1]}` a part of it again; tools differ "
                "in which they take: remove one of the two"
            )
