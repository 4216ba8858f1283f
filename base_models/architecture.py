"""Names of a model's modules, both ways: kohya's, diffusers', and the original (LDM) naming that SDXL's files use.

All are derived from a model in hand: its family, its module paths and its UNet's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from base_models.families.family import Family
from base_models.families.known import FAMILIES
from base_models.kohya_names import UNET, UnetLayout, has_ldm_name, kohya_name, text_path
from foundation.typed.typed_torch import modules_of


@dataclass(frozen=True)
class NamedModule:
    """A module under its names: kohya's, and its path in diffusers behind `unet.` or `text_encoder(_2).`.

    `part` and `path` are where it lies in the model in hand; a text encoder's path may be without `text_model` there.
    """

    kohya: str
    diffusers: str
    shape: tuple[int, ...]
    part: str
    path: str


@dataclass(frozen=True)
class Architecture:
    """Every module with a weight of one model, by either name. The two maps are inverse to one another."""

    by_kohya: Mapping[str, NamedModule]
    by_diffusers: Mapping[str, NamedModule]


def architecture(family: Family, unet: nn.Module, text_encoders: Sequence[nn.Module]) -> Architecture:
    """The names of a model in hand (it may be on the meta device)."""
    layout = UnetLayout.of(getattr(unet, "config", {}))
    found: list[NamedModule] = []
    for path, shape in _weights(unet):
        named = layout.to_ldm(path) if family.original_names and has_ldm_name(path) else path
        found.append(NamedModule(kohya_name(UNET, named), f"unet.{path}", shape, "unet", path))
    for part, encoder in zip(family.text, text_encoders, strict=True):
        for path, shape in _weights(encoder):
            named = text_path(path)
            kohya = kohya_name(part.kohya, named)
            found.append(NamedModule(kohya, f"{part.encoder}.{named}", shape, part.encoder, path))
    by_kohya = {module.kohya: module for module in found}
    by_diffusers = {module.diffusers: module for module in found}
    if not len(by_kohya) == len(by_diffusers) == len(found):
        raise AssertionError("two modules share a name")
    return Architecture(by_kohya, by_diffusers)


@lru_cache(maxsize=3)
def public_architecture(key: str) -> Architecture:
    """The names of "sd1", "sd2" or "sdxl", from their public configurations."""
    from base_models.public_models import on_meta  # seconds to import, and needed for dotted names of SDXL alone

    return architecture(FAMILIES[key], *on_meta(key))


def _weights(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    named = [(path, getattr(module, "weight", None)) for path, module in modules_of(model)]
    return [(path, tuple(weight.shape)) for path, weight in named if isinstance(weight, nn.Parameter)]
