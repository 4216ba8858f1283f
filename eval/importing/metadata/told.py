"""What a picture tells of how it was made: LoRAs at weights, prompt, seed, settings. Nothing of it is guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from foundation.errors import UserError

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".bin")
LARGEST_SEED = 2**64 - 1
LONGEST_NAME = 300  # characters of a name that a stranger's file tells
# What settings are called here, whatever a tool calls them.
SAMPLER, STEPS, CFG, CLIP_SKIP, MODEL, SIZE = "sampler", "steps", "cfg", "clip skip", "base model", "size"
_SPACE = re.compile(r"\s+")
_COMMAS = re.compile(r"(?:\s*,){2,}")


class UnclearPictureError(UserError):
    """A picture that does not tell its weights, LoRAs, prompt or seed. The text says what is missing."""


@dataclass(frozen=True)
class ToldLora:
    """A LoRA by the name it is told by (folders included, `/` between), at its weights; `hash`: hex digits, or ""."""

    name: str
    unet: float
    te: float
    hash: str = ""

    @property
    def stem(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.name).name

    @property
    def acts(self) -> bool:
        """Whether it moves anything."""
        return bool(self.unet or self.te)


@dataclass(frozen=True)
class Told:
    """One picture, told whole. `settings`: all else that shapes it, by name; `by`: the tool that told it;
    `base`: what the base model is called.
    """

    prompt: str
    seed: int
    loras: tuple[ToldLora, ...]
    by: str
    negative: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    base: str = ""


def lora_name(told: str) -> str:
    """A LoRA's name as it is compared: no suffix, `/` between folders. Raises UnclearPictureError for none."""
    name = told.strip().replace("\\", "/").strip("/")
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    if not name or len(name) > LONGEST_NAME:
        raise UnclearPictureError("a LoRA is used whose name is empty or endless")
    return name


def weight_of(told: object, what: str) -> float:
    """A weight as a finite number. Raises UnclearPictureError."""
    try:
        value = float(told) if isinstance(told, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise UnclearPictureError(f"the weight of {what} is not told as a number")
    return value


def seed_of(told: object) -> int:
    """A seed from 0 to 2^64 - 1. Raises UnclearPictureError."""
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    if isinstance(told, str) and told.strip().isascii() and told.strip().isdigit() and len(told) < LONGEST_NAME:
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int):
        raise UnclearPictureError("its seed is not told")
    if not 0 <= told <= LARGEST_SEED:
        raise UnclearPictureError("its seed is below 0 or beyond 2^64, so it was another one each time")
    return told


def plain_words(prompt: str) -> str:
    """A prompt as it is compared: one space between words, no comma that a tag which was taken out has left."""
    return _COMMAS.sub(",", _SPACE.sub(" ", prompt)).strip(" ,")


def number_text(value: object) -> str:
    """A setting's number, written alike by all tools: 7 and 7.0 are the same."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return str(value)
    try:
        return f"{float(value):g}"
    except (ValueError, OverflowError):
        return str(value).strip()
