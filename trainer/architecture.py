"""Names of a model's modules, both ways: kohya's, diffusers', and the original (LDM) naming that SDXL's files use.

All are derived from a model in hand: its module paths and its UNet's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from trainer.kohya_names import TEXT_ENCODER, TEXT_ENCODERS, UNET, UnetLayout, has_ldm_name, kohya_name, text_path


@dataclass(frozen=True)
class NamedModule:
    """A module under its names: kohya's, and its path in diffusers behind `unet.` or `text_encoder(_2).`."""

    kohya: str
    diffusers: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """Every module with a weight of one model, by either name. The two maps are inverse to one another."""

    by_kohya: Mapping[str, NamedModule]
    by_diffusers: Mapping[str, NamedModule]


def architecture(unet: nn.Module, text_encoders: Sequence[nn.Module]) -> Architecture:
    """The names of a model in hand (it may be on the meta device). Two text encoders mean SDXL and its own naming."""
    layout = UnetLayout.of(getattr(unet, "config", {}))
    found: list[NamedModule] = []
    for path, shape in _weights(unet):
        named = layout.to_ldm(path) if len(text_encoders) > 1 and has_ldm_name(path) else path
        found.append(NamedModule(kohya_name(UNET, named), f"unet.{path}", shape))
    for number, encoder in enumerate(text_encoders):
        prefix = TEXT_ENCODERS[number] if len(text_encoders) > 1 else TEXT_ENCODER
        place = "text_encoder_2" if number else "text_encoder"
        for path, shape in _weights(encoder):
            named = text_path(path)
            found.append(NamedModule(kohya_name(prefix, named), f"{place}.{named}", shape))
    by_kohya = {module.kohya: module for module in found}
    by_diffusers = {module.diffusers: module for module in found}
    if not len(by_kohya) == len(by_diffusers) == len(found):
        raise AssertionError("two modules share a name")
    return Architecture(by_kohya, by_diffusers)


@lru_cache(maxsize=3)
def public_architecture(family: str) -> Architecture:
    """The names of "sd1", "sd2" or "sdxl", from their public configurations."""
    from trainer.public_models import on_meta  # seconds to import, and needed for dotted names of SDXL alone

    return architecture(*on_meta(family))


def _weights(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    named = [(path, getattr(module, "weight", None)) for path, module in model.named_modules()]
    return [(path, tuple(weight.shape)) for path, weight in named if isinstance(weight, nn.Parameter)]
