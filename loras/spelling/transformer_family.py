"""A LoRA's family where it is one of transformers: read here in every spelling, and not rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from base_models.families.family import Family
from loras.families.family import ReadableFamily
from loras.spelling.telling import Told, in_header


@dataclass(frozen=True)
class TransformerFamily:
    """The families of transformers that a LoRA may be for, most likely first, and what says so.

    `header_says` is the family of transformers in the header, which may be another: then the tensors were believed.
    The other fields are those of `loras.lora_family.KnownFamily`.
    """

    readable: tuple[ReadableFamily, ...]
    because: str
    header_says: Family | ReadableFamily | None = None
    text_width: int | None = None

    @classmethod
    def of(cls, found: Told, metadata: Mapping[str, str], other: Family | None) -> TransformerFamily:
        """Of what the modules tell; `other` is the Stable Diffusion that the header names, if it does."""
        return cls(found.families, found.because, in_header(metadata) or other)

    @property
    def name(self) -> str:
        """The family in people's words, as "Z-Image", or "FLUX.1 or Chroma"."""
        return " or ".join(family.name for family in self.readable)

    @property
    def may_be(self) -> tuple[Family, ...]:
        """The families of models that are rendered here among them: none."""
        return ()
