"""What a store keeps of a model that judges pictures, and under which key what it read."""

from __future__ import annotations

from base_models.vision.appearance import SIDE
from foundation.toml_config import Section


class JudgeFacts(Section):
    """A scoring model: its name as asked for, the hash of its weights, what it may be used for ("": unknown)."""

    name: str
    sha256: str
    licence: str


def texts_key(sha256: str) -> str:
    """What a store keeps a CLIP model's reading of texts by, with their number of parts.

    An earlier version kept them by the model's hash alone, and had read no more of a long one than its beginning.
    """
    return f"{sha256} texts"


def appearance_key(sha256: str) -> str:
    """What a store keeps looks by (`base_models.vision.appearance`): of pictures where that model saw the subject."""
    return f"{sha256} look {SIDE}"
