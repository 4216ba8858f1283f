"""Names of judging models as they are typed into nodes: public names as they are, folders in ComfyUI's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .named_places import model_folder, shown
from .studio_door import NodeError

if TYPE_CHECKING:
    from eval.judging.judge_facts import Kind

OPENCV, CLIP, DINO, LOCAL = "opencv:", "clip:", "dinov2:", "local-dir:"
PACKS = frozenset(["buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2", "miniature"])
LICENCES = "insightface's packs are for non-commercial use; OpenCV's YuNet and SFace are free (opencv:FOLDER)."
# An architecture with its tag, or a hub's name: no path that leads anywhere.
PUBLIC = re.compile(r"(?:hf-hub:)?[A-Za-z0-9][\w-]*(?:\.[\w-]+)*(?:/[A-Za-z0-9][\w-]*(?:\.[\w-]+)*)?")


def judge_named(name: str) -> tuple[Kind, str]:
    """The kind of model, and the name that the package knows it by. Raises NodeError."""
    text = name.strip()
    if text.startswith(CLIP):
        return "clip", clip_named(text.removeprefix(CLIP))
    if text.startswith(DINO):
        return "dinov2", f"{DINO}{model_folder(text.removeprefix(DINO), 'judge')}"
    return "faces", faces_named(text)


def faces_named(name: str) -> str:
    """A face pack by its public name, or by its folder. Raises NodeError."""
    text = name.strip()
    if text.startswith(OPENCV):
        return f"{OPENCV}{model_folder(text.removeprefix(OPENCV), 'faces')}"
    return text if text in PACKS else str(model_folder(text, "faces"))


def clip_named(name: str) -> str:
    """A CLIP by its public name, or `local-dir:FOLDER`. Raises NodeError."""
    text = name.strip()
    if text.startswith(LOCAL):
        return f"{LOCAL}{model_folder(text.removeprefix(LOCAL), 'clip')}"
    if not PUBLIC.fullmatch(text):
        raise NodeError(
            f"clip: `{shown(text)}` is no name of a CLIP; write ViT-B-32/laion2b_s34b_b79k, or local-dir:FOLDER"
        )
    return text
