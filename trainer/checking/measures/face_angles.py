"""Which way a head is turned, from five points of its face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# How far the nose's tip stands before the eyes, by the distance between them: of faces in 3D models.
NOSE_BEFORE_EYES = 0.5


class Angles(NamedTuple):
    """In degrees. `yaw` above 0: turned to the picture's right; `pitch`: how far down the nose stands, a ratio of eyes
    to mouth; `roll`: leaning to the picture's right."""

    yaw: float
    pitch: float
    roll: float


def angles_of(points: np.ndarray) -> Angles | None:
    """Of (5, 2): eyes, nose, corners of the mouth, those at the picture's left first, in pixels; None of no face.

    Yaw from where the nose stands between the eyes: it moves by sin(yaw) of what it stands before them, while their
    distance shrinks by cos(yaw).
    """
    left, right, nose, mouth_left, mouth_right = points.astype(np.float64)
    across = right - left
    apart = float(np.hypot(*across))
    mouth = (mouth_left + mouth_right) / 2
    eyes = (left + right) / 2
    if apart < 1e-6:
        return None
    along = across / apart
    downwards = np.array([-along[1], along[0]])
    length = float((mouth - eyes) @ downwards)
    if length < 1e-6:
        return None
    # The face's own middle line leads from the eyes to the mouth; the nose stands beside it where the head is turned.
    beside = float((nose - eyes) @ along) - float((mouth - eyes) @ along) * float((nose - eyes) @ downwards) / length
    # Of a profile both eyes fall together: by the face's height the turn is still told.
    size = max(apart, 0.6 * length)
    yaw = float(np.degrees(np.arctan2(beside / size, NOSE_BEFORE_EYES)))
    return Angles(yaw, float((nose - eyes) @ downwards) / length, float(np.degrees(np.arctan2(across[1], across[0]))))
