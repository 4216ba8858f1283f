"""A blend as the row of a store: what *Exact LoRA blend* hands to *Append to LoRA studio store*."""

from __future__ import annotations

from dataclasses import dataclass

KIND = "LORA_STUDIO_CELL"  # the type of the nodes' link


@dataclass(frozen=True)
class CellLora:
    """A LoRA file by its name and the hash of its bytes, at its weights on denoiser and text encoders."""

    name: str
    sha256: str
    unet: float
    te: float

    def __str__(self) -> str:
        return f"{self.name}:unet={self.unet:g},te={self.te:g}"


@dataclass(frozen=True)
class BlendedCell:
    """The LoRAs, the one that is judged first. `fault`: why no store has such a row, or ""."""

    loras: tuple[CellLora, ...]
    fault: str = ""
