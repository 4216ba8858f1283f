"""The tools whose pictures are understood: a row each, asked in this order. A further one is a file and a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eval.importing.comfy.comfyui import told_by_comfyui
from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.a1111 import told_by_a1111
from eval.importing.metadata.invokeai import told_by_invokeai
from eval.importing.metadata.swarmui import told_by_swarmui
from eval.importing.metadata.told import Told


@dataclass(frozen=True)
class MetadataReader:
    """A tool, and what reads its pictures' texts: a function that answers None where they are not its own."""

    tool: str
    read: Callable[[PictureTexts], Told | None]


# ComfyUI before A1111: its savers write both, and the graph alone says which LoRAs acted.
READERS = (
    MetadataReader("SwarmUI", told_by_swarmui),
    MetadataReader("ComfyUI", told_by_comfyui),
    MetadataReader("InvokeAI", told_by_invokeai),
    MetadataReader("A1111, Forge, SD.Next", told_by_a1111),
)


def read_told(picture: PictureTexts) -> Told | None:
    """What a picture tells by its metadata, None where no tool that is known wrote any. Raises UnclearPictureError."""
    return next((told for reader in READERS if (told := reader.read(picture)) is not None), None)
