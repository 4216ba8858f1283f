"""What a store keeps of a model that judges pictures, and under which key what it read."""

from __future__ import annotations

from base_models.vision.appearance import SIDE
from foundation.toml_config import Section


class JudgeFacts(Section):
    """A scoring model: its name as asked for, the hash of its weights, what it may be used for ("": unknown)."""

    name: str
    sha256: str
    licence: str


def box_key(sha256: str) -> str:
    """What a store keeps the box of the largest face by, in reference and training pictures."""
    return f"{sha256} box"


def appearance_key(sha256: str) -> str:
    """What a store keeps looks by (`base_models.vision.appearance`): of pictures where that model saw the subject."""
    return f"{sha256} look {SIDE}"
