"""The identity attributes as numbers, so that what was read of a picture can be kept and compared with the truth."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from miniature.recipe.world import BEARDS, BROWS, HAIR_COLOURS, HAIR_STYLES, SKIN_COLOURS, Identity

# In the order of Identity's fields. Places count from 1; 0 is "nobody there": a ruined picture is right in nothing.
ATTRIBUTES: dict[str, list[str | None]] = {
    "hair_style": list(HAIR_STYLES),
    "hair_colour": list(HAIR_COLOURS),
    "skin": list(SKIN_COLOURS),
    "brows": list(BROWS),
    "beard": [None, *BEARDS],
}
NOBODY = 0


def places_of(identity: Identity) -> list[int]:
    """Where an identity's attributes stand in ATTRIBUTES, counted from 1."""
    return [1 + known.index(value) for known, value in zip(ATTRIBUTES.values(), astuple(identity), strict=True)]


def shares_right(read: np.ndarray, identity: Identity) -> np.ndarray:
    """Share (...) of the attributes that `read` (..., 5) has right for `identity`; 0 where nobody was seen."""
    return (read == np.array(places_of(identity))).mean(-1)
