"""LoRA studio's nodes for ComfyUI. Nothing heavy is imported here: what a node needs, it loads when it runs."""

from __future__ import annotations

from .append_node import AppendToStore
from .blend_node import ExactBlend
from .identity_node import ScoreIdentity

NODE_CLASS_MAPPINGS: dict[str, type] = {
    "LoraStudioExactBlend": ExactBlend,
    "LoraStudioScoreIdentity": ScoreIdentity,
    "LoraStudioAppendToStore": AppendToStore,
}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {
    "LoraStudioExactBlend": "Exact LoRA blend",
    "LoraStudioScoreIdentity": "Score identity",
    "LoraStudioAppendToStore": "Append to LoRA studio store",
}
