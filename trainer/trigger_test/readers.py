"""By what a trigger is judged: the faces of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.trigger_test.measuring import Reader


def face_reader(name: str) -> Reader:
    """Vectors of the largest faces, by a face pack; it reads on the CPU. Raises FacePackError."""
    from base_models.vision.faces import load_faces

    model = load_faces(name, device="cpu")

    def read(pictures: Sequence[np.ndarray]) -> np.ndarray:
        found = [one.embedding for one in model.read_all(pictures)]
        width = next((len(one) for one in found if one is not None), 1)
        return np.array([np.full(width, np.nan) if one is None else one for one in found])

    return read
