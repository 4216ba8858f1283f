"""Cells that are drawn several ways, as one evidence: all rows, beside the base model as one of the ways draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eval.ranking.evidence import Appearances, Evidence


def joined(parts: Sequence[Evidence], shown: int) -> Evidence:
    """The rows of all `parts`, in order; whatever is the base model's own is that of the part `shown`."""
    seconds = [part.second for part in parts if part.second is not None]
    return replace(
        parts[shown],
        cells=[cell for part in parts for cell in part.cells],
        faces=np.concatenate([part.faces for part in parts]),
        face_counts=np.concatenate([part.face_counts for part in parts]),
        pictures=np.concatenate([part.pictures for part in parts]),
        failed=np.concatenate([part.failed for part in parts]),
        looks=_looks([part.looks for part in parts], shown),
        second=joined(seconds, shown) if len(seconds) == len(parts) else None,
    )


def _looks(found: Sequence[Appearances | None], shown: int) -> Appearances | None:
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    return replace(known[shown], pictures=np.concatenate([one.pictures for one in known]))
