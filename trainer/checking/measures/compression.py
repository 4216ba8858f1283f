"""How strongly a picture was compressed: by a JPEG's own tables, or by the blocks that it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

BLOCK = 8
SMALLEST = 192  # pixels of a side, below which there are too few blocks to tell
LARGEST_STEP = 255  # of a JPEG's table of eight bits
STEEPEST = 12.0  # levels: a steeper step is the picture's own
# The luminance table of the JPEG standard (ITU T.81, table K.1), which a quality scales.
STANDARD = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
     87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
     72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality, 1 to 100, that libjpeg would have been asked for; None without a table."""
    if 0 not in tables or len(tables[0]) != len(STANDARD):
        return None
    table = np.sort(np.asarray(tables[0]))
    usual = np.sort(STANDARD)
    # libjpeg cuts steps off at 255, so of low qualities only what lies below that tells by how much they were scaled.
    whole = table < LARGEST_STEP
    if not whole.any():
        return 1
    scale = 100 * float(table[whole].sum()) / float(usual[whole].sum())
    return int(np.clip(round((200 - scale) / 2 if scale <= 100 else 5000 / scale), 1, 100))


def blocks_of(grey: np.ndarray) -> float:
    """Steps at every eighth pixel by the steps between, of a picture (H, W) uint8 in its own pixels: 1 without blocks.

    After Wang, Sheikh and Bovik 2002 ("No-reference perceptual quality assessment of JPEG compressed images"); whatever
    the first block's corner is, so that a cut picture counts too. Steep steps are cut off: they are the picture's own.
    """
    if min(grey.shape) < SMALLEST:
        return 1.0
    levels = grey.astype(np.float32)
    found = [_by_phase(np.abs(np.diff(levels, axis=axis)), axis) for axis in (0, 1)]
    return float(min(found))


def _by_phase(steps: np.ndarray, axis: int) -> float:
    lines = np.minimum(steps, STEEPEST).mean(1 - axis)
    phases = np.array([lines[start::BLOCK].mean() for start in range(BLOCK)])
    at = int(phases.argmax())
    usual = float(np.median(np.delete(phases, at)))
    return float((phases[at] + 0.1) / (usual + 0.1))
