"""Whose spelling a file is converted to, as a table: names, fused or in parts, alphas, kinds. Loads no heavy library.

Read off sd-scripts 48d368fa (networks/lora_flux.py, lora_sd3.py, lora_anima.py, lora_lumina.py), musubi-tuner 30c658c
(networks/lora_*.py), ai-toolkit 27a03a91 (`convert_lora_weights_before_save` of each model), ComfyUI's comfy/lora.py,
and diffusers 0.42.1 (loaders/lora_pipeline.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from foundation.errors import UserError
from loras.families.family import ReadableFamily

Naming = Literal["kohya", "original", "diffusers"]


class ConvertError(UserError):
    """A file that no tool's spelling can hold without changing what it does."""


@dataclass(frozen=True)
class Style:
    """How keys are written. `naming`: kohya's underscored names, or dotted paths in the original or diffusers' naming.

    `prefix` stands before a denoiser's path in place of the naming's own. `factors` are what down and up are called.
    `alphas`: "one" a part of the model, "left" where a scale cannot be folded exactly, or "none". `kinds` that it can
    hold besides plain factors.
    """

    naming: Naming
    factors: tuple[str, str] = ("lora_A.weight", "lora_B.weight")
    alphas: Literal["one", "left", "none"] = "none"
    kinds: frozenset[str] = frozenset()
    prefix: str = ""

    def takes_whole(self, family: ReadableFamily) -> bool:
        """Whether a projection that the original model fuses is written as a whole."""
        if self.naming == "kohya":
            return family.key not in SPLIT_BY_TRAINERS
        return self.naming == "original"

    def stem(self, family: ReadableFamily, name: str) -> str:
        """What a module's keys begin with. Raises KeyError for what is no module of the family."""
        if self.naming == "kohya":
            return name
        place = family.to_original(name) if self.naming == "original" else family.to_diffusers(name)[0]
        if self.prefix and place.path.startswith(f"{family.diffusers}."):
            return f"{self.prefix}{place.path.removeprefix(f'{family.diffusers}.')}"
        return place.path


@dataclass(frozen=True)
class Target:
    """What `--for` takes: how it writes, other ways by family, and families that it does not know, with why."""

    key: str
    says: str
    style: Style
    by_family: Mapping[str, Style] = field(default_factory=dict[str, Style])
    unknown: Mapping[str, str] = field(default_factory=dict[str, str])

    def style_for(self, family: ReadableFamily) -> Style:
        """How a file of that family is written. Raises ConvertError for one that the tool does not know."""
        if family.key in self.unknown:
            raise ConvertError(f"--for {self.key}: {self.unknown[family.key]}")
        return self.by_family.get(family.key, self.style)


# Whose modules the trainers themselves keep apart: musubi trains diffusers' own Z-Image.
SPLIT_BY_TRAINERS = frozenset(["z_image"])
EVERY_KIND = frozenset(["tucker", "loha", "lokr", "full", "dora", "oft", "boft", "norm", "bias", "glora"])
KOHYA = Style("kohya", ("lora_down.weight", "lora_up.weight"), "one", EVERY_KIND)
ORIGINAL = Style("original", alphas="left", kinds=EVERY_KIND)
PLAIN_ORIGINAL = Style("original")
DIFFUSERS = Style("diffusers")
SD = ("sd1", "sd2", "sdxl")
TARGETS = {
    target.key: target
    for target in (
        Target("kohya", "sd-scripts, A1111, Forge: `lora_unet_..`, one alpha a part", KOHYA),
        Target("comfyui", "ComfyUI: `diffusion_model.` in the original naming", ORIGINAL),
        Target("diffusers", "diffusers: `transformer.` or `unet.`, scales in the factors", DIFFUSERS),
        Target(
            "ai-toolkit",
            "ai-toolkit: as it saves each model, scales in the factors",
            PLAIN_ORIGINAL,
            {
                **dict.fromkeys(SD, KOHYA),
                **dict.fromkeys(("flux1", "sd3", "lumina2"), DIFFUSERS),
                "z_image": Style("diffusers", prefix="diffusion_model."),
            },
        ),
        Target(
            "musubi",
            "musubi-tuner: `lora_unet_..` of its own models",
            KOHYA,
            unknown={
                **dict.fromkeys(SD, "musubi-tuner trains no Stable Diffusion; sd-scripts does: --for kohya"),
                **dict.fromkeys(
                    ("sd3", "chroma", "anima", "lumina2"),
                    "musubi-tuner does not train it; sd-scripts does: --for kohya",
                ),
            },
        ),
    )
}
ALIASES = {"sd-scripts": "kohya", "a1111": "kohya", "forge": "kohya", "comfy": "comfyui", "aitoolkit": "ai-toolkit"}


def target_called(word: str) -> Target:
    """The target of that name. Raises ConvertError, with the nearest, for one that is none."""
    key = ALIASES.get(word.lower(), word.lower())
    if key not in TARGETS:
        known = [*TARGETS, *ALIASES]
        near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
        raise ConvertError(f"--for {word}: unknown (did you mean `{near}`?); known: {', '.join(known)}")
    return TARGETS[key]


def targets_in_words() -> str:
    """Every target with what it writes, for a command's help."""
    return "; ".join(f"{target.key}: {target.says.partition(': ')[2]}" for target in TARGETS.values())
