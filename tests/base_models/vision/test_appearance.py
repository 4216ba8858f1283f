"""Looks: a copy is known by them whatever its size or light, and what is elsewhere on the picture does not count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from base_models.drawing.png import read_picture
from base_models.vision.appearance import SIZE, appearance_of
from base_models.vision.faces import load_faces
from miniature.paths import SUBJECT


def drawn(seed: int, side: int = 64) -> np.ndarray:
    """Something with light and colour, smooth enough to be resized."""
    small = np.random.default_rng(seed).integers(
        30, 160, (6, 6, 3), dtype=np.uint8
    )  # what resizing overshoots stays in 8 bits
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), side=st.integers(40, 150), brighter=st.integers(0, 50))
def test_size_and_brightness_do_not_count(seed: int, side: int, brighter: int) -> None:
    look = appearance_of(drawn(seed))
    again = appearance_of(drawn(seed, side) + np.uint8(brighter))
    assert look.shape == (SIZE,)
    assert np.linalg.norm(look) == pytest.approx(1)
    assert look @ again > 0.98
    assert look @ appearance_of(drawn(seed + 1)) < 0.9


def test_one_flat_colour_has_no_look() -> None:
    assert appearance_of(np.full((20, 30, 3), 7, dtype=np.uint8)) is None


def test_a_face_is_known_again_where_it_stands_on_another_background() -> None:
    """Aligned, a moved copy of a face is nearer to it than any other picture of the person is."""
    model = load_faces("miniature")
    shown = [read_picture(path) for path in sorted((SUBJECT / "references").glob("*.png"))]
    looks = [model.read(picture).look for picture in shown]
    assert all(look is not None for look in looks)
    moved = np.full_like(shown[0], 230)
    moved[5:, 3:] = shown[0][:-5, :-3]
    reading = model.read(moved)
    nearest = reading.look @ np.stack(looks).T
    assert nearest.argmax() == 0
    assert model.read(np.zeros((64, 64, 3), dtype=np.uint8)).look is None
