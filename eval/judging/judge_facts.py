"""What a store keeps of a model that judges pictures, and under which key what it read."""

from __future__ import annotations

from typing import Literal

from base_models.vision.appearance import SIDE
from eval.request.spec import BY_CLIP, ScoreSection
from foundation.toml_config import Section

Kind = Literal["faces", "clip", "dinov2"]


class JudgeFacts(Section):
    """A scoring model: its name as asked for, the hash of its weights, what it may be used for ("": unknown)."""

    name: str
    sha256: str
    licence: str


def named_by(score: ScoreSection) -> list[tuple[Kind, str]]:
    """The models that [score] names, each once: that of likeness first, CLIP last."""
    clip: tuple[Kind, str] = ("clip", score.clip)
    if score.subject == "image":
        return [clip] if score.likeness == BY_CLIP else [("dinov2", score.likeness), clip]
    second: list[tuple[Kind, str]] = [("faces", score.second_faces)] if score.second_faces else []
    return [("faces", score.faces), *second, clip]


def texts_key(sha256: str) -> str:
    """What a store keeps a CLIP model's reading of texts by, with their number of parts.

    An earlier version kept them by the model's hash alone, and had read no more of a long one than its beginning.
    """
    return f"{sha256} texts"


def box_key(sha256: str) -> str:
    """What a store keeps the box of the largest face by, in reference and training pictures."""
    return f"{sha256} box"


def appearance_key(sha256: str) -> str:
    """What a store keeps looks by (`base_models.vision.appearance`): of pictures where that model saw the subject."""
    return f"{sha256} look {SIDE}"
