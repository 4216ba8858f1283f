"""What the CLIPs reach on pictures and people never trained on, with their bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from miniature.recipe.check import Figure
from miniature.recipe.clips.caption_clip import measure_caption_clip
from miniature.recipe.clips.clip import measure_clip


def clip_figures_of(weights: Path) -> Iterator[Figure]:
    """Measured one by one."""
    yield Figure("right caption among 100", measure_clip(weights / "clip")["right_of_100"], at_least=0.70)
    for what, share in measure_caption_clip(weights / "caption_clip").items():
        yield Figure(f"{what} named right by the captions' CLIP", share, at_least=0.85)
