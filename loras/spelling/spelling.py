"""A file's keys as they were read: modules by name, and what of them the file itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from foundation.errors import LoraFileError
from loras.spelling.telling import Told


class UnknownFamilyError(LoraFileError):
    """A LoRA whose modules are those of no family that is known here: not damaged, only not understood."""


class NotUnderstoodError(LoraFileError):
    """A file of a known family that holds something which is not understood here, and not damaged for it."""


class ForeignKindError(NotUnderstoodError):
    """A file of a kind that is known by its name and not read: PEFT's other methods."""


@dataclass(frozen=True)
class Spelling:
    """A file's keys read: its dialects in a word; by module in kohya's name, its tensors' suffixes and own keys; by
    module, its path in diffusers behind `unet.` or `text_encoder.`, where the file itself spells one out; names of
    embeddings (textual inversion) that OneTrainer bundled with the LoRA. `told` is the family of transformers, None
    for Stable Diffusion; `scales` the keys of 8-bit tensors' scales; `reordered` the modules whose outputs may be in
    diffusers' order."""

    dialect: str
    modules: Mapping[str, Mapping[str, str]]
    paths: Mapping[str, str]
    embeddings: tuple[str, ...] = ()
    told: Told | None = None
    scales: Mapping[str, str] = field(default_factory=dict[str, str])
    reordered: frozenset[str] = frozenset()
