"""Weights between the grid's: found where they are better, within limits and bounds, the same ones every time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.request.cells import Cell, Checkpoint, Use
from eval.search import refine
from eval.search.refine import Axis, Evaluate, Point, TrialResult, axes_of, cell_at, explore
from loras.weights import Weights

AXES = [Axis(0, "unet", 0.3, 1.5), Axis(0, "te1", 0.0, 1.5)]
TOP = (0.93, 0.37)
CORNERS = [(unet, te) for unet in (0.6, 1.2) for te in (0.0, 1.2)]


def hill(point: Point) -> float:
    return 0.6 - sum((at - top) ** 2 for at, top in zip(point, TOP, strict=True))


def unlimited(point: Point) -> tuple[float, int]:
    return hill(point), 0


def known_by(evaluate: Evaluate) -> list[TrialResult]:
    return [TrialResult(point, *evaluate(point)) for point in CORNERS]


def test_it_climbs_between_the_points_of_the_grid() -> None:
    tried = explore(unlimited, AXES, known_by(unlimited), 20)
    assert max(one.value for one in tried) > 0.6 - 0.01
    assert max(hill(point) for point in CORNERS) < 0.6 - 0.1


def test_the_same_weights_are_tried_every_time_and_all_within_bounds() -> None:
    first, again = (explore(unlimited, AXES, known_by(unlimited), 6) for _ in range(2))
    assert [one.point for one in first] == [one.point for one in again]
    for one in first:
        assert all(axis.low <= at <= axis.high for axis, at in zip(AXES, one.point, strict=True))
        assert all(at == round(at, 2) for at in one.point)


def test_what_breaks_a_limit_is_kept_away_from() -> None:
    """The hill's top lies where a limit is broken: most of what is tried stays on this side."""

    def limited(point: Point) -> tuple[float, int]:
        return hill(point), int(point[0] > 0.8)

    tried = explore(limited, AXES, known_by(limited), 20)
    sound = [one for one in tried if not one.broken]
    assert len(sound) > 10
    assert max(one.value for one in sound) > hill((0.8, TOP[1])) - 0.02


weights = st.floats(0, 2).map(lambda value: round(value, 2))


def cell(unet: float, te1: float, te2: float, also: float | None = None) -> Cell:
    file, other = (Checkpoint(Path(f"{name}.safetensors"), name, name, None) for name in "ab")
    beside = () if also is None else (Use(other, Weights.of(also, also)),)
    return Cell(Use(file, Weights(unet, te1, te2)), beside, "float16")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    held = {"a": {"unet", "te1"}, "b": {"unet"}}
    monkeypatch.setattr(refine, "_parts_of", lambda use: held[use.checkpoint.sha256])
    return held


def test_axes_are_what_the_files_hold_half_a_step_beyond_the_grids(parts: dict[str, set[str]]) -> None:
    cells = [cell(unet, 0.0, 0.0, 0.5) for unet in (0.6, 0.8, 1.0)] + [cell(2.0, 1.0, 1.0)]
    assert axes_of(cells[0], cells) == [
        Axis(0, "unet", 0.5, 1.1),
        Axis(0, "te1", 0.0, 0.1),
        Axis(1, "unet", 0.4, 0.6),
    ]
    parts["a"] = {"unet", "te1", "te2"}
    assert [axis.name for axis in axes_of(cells[0], cells)] == ["0 unet", "0 te1", "0 te2", "1 unet"]


@given(unet=weights, te=weights, also=weights)
def test_a_moved_cell_is_where_it_was_sent_and_text_encoder_2_follows(unet: float, te: float, also: float) -> None:
    axes = [Axis(0, "unet", 0, 2), Axis(0, "te1", 0, 2), Axis(1, "unet", 0, 2)]
    there = cell_at(cell(1.0, 1.0, 1.0, 1.0), axes, (unet, te, also))
    assert there.use.weights == Weights(unet, te, te)
    assert there.also[0].weights == Weights(also, 1.0, 1.0)
    apart = cell_at(cell(1.0, 1.0, 1.0), [*axes[:2], Axis(0, "te2", 0, 2)], (unet, te, also))
    assert apart.use.weights == Weights(unet, te, also)
