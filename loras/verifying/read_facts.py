"""A file -> what other tools see of it. Only headers and alphas are read, never factors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from base_models.kohya_names import part_of
from foundation.safetensors_header import opened_safetensors
from loras.families.family import ReadableFamily
from loras.lora_file import OpenedLora, open_lora
from loras.spelling.peft_scales import PeftScales
from loras.verifying.facts import FORMS, FileFacts, ModuleFacts, NotVerifiedError, stem_of


def facts_of(path: Path) -> FileFacts:
    """Read a file's keys and alphas. Raises what `open_lora` raises, and NotVerifiedError where no family is told."""
    with open_lora(path) as opened, opened_safetensors(path) as tensors:
        families = opened.family.readable
        if not families:
            raise NotVerifiedError(
                f"{path}: {opened.family.because}, so its family cannot be told, and no tool's rules for it either"
            )
        scales = PeftScales.beside(path, opened.metadata) if opened.spelling.paths else PeftScales({})

        def number(key: str) -> float | None:
            tensor = tensors.get_tensor(key)
            return float(tensor.float().reshape(-1)[0]) if tensor.numel() == 1 else None

        modules = tuple(_module(opened, name, families[0], scales, number) for name in opened.names)
        return FileFacts(path, families[0].key, opened.family.name, modules, opened.spelling.embeddings)


def _module(
    opened: OpenedLora,
    name: str,
    family: ReadableFamily,
    scales: PeftScales,
    number: Callable[[str], float | None],
) -> ModuleFacts:
    keys = opened.spelling.modules[name]
    shapes = {suffix: tuple(opened.header.shapes[key]) for suffix, key in keys.items()}
    stems = {stem_of(key) for key in keys.values()}
    stem = min(stems)
    prefix, form = next(((start, form) for start, form in FORMS.items() if stem.startswith(start)), ("", "bare"))
    down = shapes.get("lora_down.weight", ())
    rank = down[0] if down else None
    place = opened.spelling.paths.get(name)
    return ModuleFacts(
        name=name,
        part=part_of(name),
        keys=tuple(sorted(keys.values())),
        form=form,
        prefix=prefix,
        path=stem.removeprefix(prefix),
        endings=frozenset(key[len(stem) :].lstrip(".") for key in keys.values()),
        suffixes=frozenset(keys),
        rank=rank,
        alpha=number(keys["alpha"]) if "alpha" in keys else None,
        configured=None if place is None or rank is None else scales.alpha(place, rank, opened.path),
        down=down,
        dora=shapes.get("dora_scale"),
        namings=_namings(family, name, stem.removeprefix(prefix)),
        is_public=family.to_kohya(name) is not None,
    )


def _namings(family: ReadableFamily, name: str, path: str) -> frozenset[str]:
    """The namings in which a module of that name has this path, dots and underscores being alike."""
    if family.to_kohya(name) is None:
        return frozenset()
    flat = path.replace(".", "_")
    original = family.to_original(name)
    there = family.to_diffusers(name)
    found: set[str] = set()
    if family.whole(name) is None and original.path.replace(".", "_").endswith(flat):
        found.add("original")
    if len(there) == 1 and there[0].path.replace(".", "_").endswith(flat):
        found.add("diffusers")
    return frozenset(found)
