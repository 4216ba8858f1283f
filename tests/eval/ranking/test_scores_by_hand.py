"""Scores of a grid so small that every figure can be worked out on paper; units of both roles are mixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.evidence import Appearances, CellFacts, Evidence, Unit
from eval.ranking.scores import (
    Scores,
    at_worst,
    copy_judged,
    copy_margins,
    prompt_contrast,
    rows_mean,
    score,
    spread,
    variety,
)
from eval.ranking.statistics import wilson
from loras.weights import Weights

# What is not known is NaN without a word on stderr.
pytestmark = pytest.mark.filterwarnings("error")

UNITS = [
    Unit("p", 0, "subject"),
    Unit("b", 0, "bleed"),
    Unit("p", 1, "subject"),
    Unit("q", 0, "subject"),
    Unit("b", 1, "bleed"),
    Unit("q", 1, "subject"),
]
SUBJECT, BLEED = [0, 2, 3, 5], [1, 4]
# Cosines with the subject's direction, which is the first axis: of two cells, and of the base model.
FACES = np.array([[0.5, 0.2, 0.6, 0.7, 0.35, 0.4], [0.3, 0.05, 0.1, 0.9, 0.1, 0.8]])
CONTROL = np.array([0.1, 0.05, 0.2, 0.0, 0.15, 0.3])
REFERENCES = np.array([[0.8, 0.6], [0.8, -0.6]])
LOOKS = Appearances(
    pictures=np.array([[[1, 0]] * 6, [[0, 1], [0, 1], [1, 0], [0.8, 0.6], [0, 1], [0, 1]]], dtype=float),
    control=np.array([[0, 1], [0, 1], [1, 0], [0.8, 0.6], [0, 1], [0, 1]], dtype=float),
    references=np.array([[1, 0], [0.6, 0.8]]),
    training=np.array([[0.6, 0.8], [0.8, 0.6]]),
)


def _turned(cosines: np.ndarray) -> np.ndarray:
    return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=-1)


def _evidence() -> Evidence:
    prompts = np.array([np.eye(3)["pqb".index(unit.prompt)] for unit in UNITS])
    return Evidence(
        cells=[CellFacts(f"cell{at}", f"hina-{at}", at + 1, Weights.of(1, 1), "") for at in range(2)],
        units=UNITS,
        faces=_turned(FACES),
        face_counts=np.ones((2, 6), dtype=int),
        pictures=np.stack([prompts, prompts]),
        failed=np.zeros((2, 6), dtype=bool),
        faces_control=_turned(CONTROL),
        face_counts_control=np.ones(6, dtype=int),
        pictures_control=prompts,
        prompts=prompts,
        references=REFERENCES,
        training=REFERENCES,
        face_model="faces",
        clip_model="clip",
        looks=LOOKS,
    )


def _prompted(pictures: list[list[float]], control: list[float]) -> Evidence:
    """Pictures whose cosines with their own prompts are these."""
    made = _evidence()
    return replace(
        made,
        pictures=np.array(pictures)[..., None] * made.prompts,
        pictures_control=np.array(control)[:, None] * made.prompts,
    )


def test_each_picture_is_held_against_the_base_models_own_of_that_unit() -> None:
    """Base pictures obey by 0.9, 0.7, 0.5, 0.3: paired with any other unit's, no figure would be right."""
    evidence = _prompted([[0.8, 9, 0.8, 0.8, 9, 0.8], [0.9, 9, 0.6, 0.3, 9, 0.0]], [0.9, 9, 0.7, 0.5, 9, 0.3])
    scores = score(evidence)
    assert scores.prompt_changes == pytest.approx(np.array([[-0.1, 0.1, 0.3, 0.5], [0.0, -0.1, -0.2, -0.3]]))
    assert scores.prompt == pytest.approx([0.2, -0.15])
    failed = np.zeros((2, 6), dtype=bool)
    failed[1, 3] = True
    assert score(replace(evidence, failed=failed)).prompt_changes[1] == pytest.approx([0.0, -0.1, -0.5, -0.3])


def test_identity_is_counted_unit_by_unit() -> None:
    scores = score(_evidence())
    assert scores.prompts == ["p", "p", "q", "q"]
    assert scores.raw == pytest.approx(FACES[:, SUBJECT])
    assert scores.counted == pytest.approx(np.array([[0.5, 0.6, 0.7, 0.4], [0.3, 0.2, 0.9, 0.8]]))
    assert scores.identity == pytest.approx([0.55, 0.55])
    assert scores.below_floor.tolist() == [[False] * 4, [False, True, False, False]]
    assert scores.floor == pytest.approx(0.15)
    assert scores.ceiling == pytest.approx(0.28)  # 0.8 * 0.8 - 0.6 * 0.6
    assert scores.identity_normalised == pytest.approx([0.4 / 0.13] * 2)


def test_bleed_is_held_against_the_base_models_own_of_that_unit() -> None:
    scores = score(_evidence())
    assert scores.bleed_prompts == ["b", "b"]
    assert scores.bleed_changes == pytest.approx(np.array([[0.15, 0.2], [0.0, -0.05]]))
    assert scores.bleed == pytest.approx([0.175, -0.025])
    assert scores.bleed_judged.tolist() == [True, True]
    control = _turned(CONTROL)
    control[4] = np.nan
    assert score(replace(_evidence(), faces_control=control)).bleed_judged.tolist() == [True, False]


def test_the_base_models_face_rate_is_of_the_subjects_units() -> None:
    control = _turned(CONTROL)
    control[[1, 4, 5]] = np.nan
    assert score(replace(_evidence(), faces_control=control)).face_rate_control == pytest.approx(0.75)


def test_face_rates_have_wilsons_interval() -> None:
    faces = _turned(FACES)
    faces[1, 5] = np.nan
    scores = score(replace(_evidence(), faces=faces))
    assert scores.face_rate == pytest.approx([1.0, 0.75])
    assert scores.face_rate_interval(1) == wilson(3, 4)
    assert scores.face_rate_interval(0) == wilson(4, 4)


@pytest.mark.parametrize(("floor", "ceiling", "span"), [(0.3, 0.8, 0.5), (0.4, 0.4, np.nan), (0.5, 0.4, np.nan)])
def test_the_span_is_from_floor_to_ceiling_where_there_is_one(floor: float, ceiling: float, span: float) -> None:
    scores = replace(score(_evidence()), floor=floor, ceiling=ceiling)
    assert scores.span == pytest.approx(span, nan_ok=True)
    assert scores.identity_normalised == pytest.approx((scores.identity - floor) / span, nan_ok=True)


def _lost() -> Scores:
    """The first cell has lost one bleed face and one subject's, the second all."""
    nan = np.nan
    return replace(
        score(_evidence()),
        bleed_changes=np.array([[nan, 0.1], [nan, nan]]),
        bleed_judged=np.array([True, False]),
        copy_margins=np.array([[0.2, nan, 0.9, nan], [nan] * 4]),
        copy_judged=np.array([True, True, True, False]),
        floor=0.2,
        ceiling=0.7,
    )


def test_lost_faces_are_those_that_the_base_model_shows() -> None:
    assert _lost().bleed_lost.tolist() == [1, 1]
    assert _lost().copy_lost.tolist() == [1, 3]


def test_a_lost_face_counts_as_bad_as_can_be() -> None:
    """Bleed: all the way from floor to ceiling, or 1 where there is no way; copy: 0.6, and no face counts more."""
    lost = _lost()
    assert lost.bleed_at_worst == pytest.approx([0.5, 0.5])
    assert replace(lost, ceiling=0.2).bleed_at_worst == pytest.approx([1.0, 1.0])
    assert lost.copy_at_worst == pytest.approx([(0.2 + 0.6 + 0.6) / 3, 0.6])
    assert np.isnan(at_worst(np.zeros((2, 3)), np.zeros(3, dtype=bool), 1.0)).tolist() == [True, True]
    values = np.array([[0.1, np.nan, 7.0], [0.9, 0.3, np.nan]])
    assert at_worst(values, np.array([True, True, False]), 0.5) == pytest.approx([0.3, 0.4])


def _shown(pictures: list[tuple[float, float]], evidence: Evidence) -> Evidence:
    """The base model's pictures of the subject's units at these (p, q)."""
    control = evidence.pictures_control.copy()
    control[SUBJECT] = [(*one, 0.0) for one in pictures]
    return replace(evidence, pictures_control=control)


def test_contrast_is_own_prompts_less_the_others() -> None:
    nan = np.nan
    told = [(0.9, 0.1), (0.7, 0.3), (0.2, 0.8), (0.4, 0.6)]
    assert prompt_contrast(_shown(told, _evidence())) == pytest.approx(0.75 - 0.25)
    unseen = [told[0], (nan, nan), *told[2:]]
    assert prompt_contrast(_shown(unseen, _evidence())) == pytest.approx((0.9 + 0.8 + 0.6) / 3 - (0.1 + 0.2 + 0.4) / 3)
    assert np.isnan(prompt_contrast(_shown([(nan, nan)] * 4, _evidence())))
    one = [replace(unit, prompt="p") if unit.role == "subject" else unit for unit in UNITS]
    assert np.isnan(prompt_contrast(replace(_shown(told, _evidence()), units=one)))


def test_contrast_is_unknown_where_only_own_or_only_other_prompts_were_read() -> None:
    nan, told = np.nan, [(0.9, 0.1), (0.7, 0.3)]
    prompts = _evidence().prompts.copy()
    prompts[[3, 5]] = nan
    assert np.isnan(prompt_contrast(_shown([*told, (nan, nan), (nan, nan)], replace(_evidence(), prompts=prompts))))
    assert np.isnan(prompt_contrast(_shown([(nan, nan), (nan, nan), *told], replace(_evidence(), prompts=prompts))))


def test_copying_is_nearness_to_training_beyond_the_base_models_own() -> None:
    """Both sets are of two looks, so the nearest counts. (1, 0): 0.8 - 1; (0.8, 0.6): 1 - 0.96; (0, 1): 0.8 - 0.8.

    The references are 0.4 apart: 1 - 0.6.
    """
    margins = copy_margins(_evidence())
    base = np.array([0.0, -0.2, 0.04, 0.0])
    assert variety(LOOKS.references) == pytest.approx(0.4)
    assert margins == pytest.approx(np.stack([(-0.2 - base) / 0.4, np.zeros(4)]))
    failed = np.zeros((2, 6), dtype=bool)
    failed[0, 2] = True
    assert np.isnan(copy_margins(replace(_evidence(), failed=failed))).tolist() == [
        [False, True, False, False],
        [False] * 4,
    ]


def test_where_the_base_model_shows_no_face_the_mean_of_the_others_stands_in() -> None:
    control = LOOKS.control.copy()
    control[0] = np.nan
    margins = copy_margins(replace(_evidence(), looks=replace(LOOKS, control=control)))
    assert margins[0] == pytest.approx((-0.2 - np.array([(-0.2 + 0.04 + 0.0) / 3, -0.2, 0.04, 0.0])) / 0.4)
    control[:] = np.nan
    assert copy_margins(replace(_evidence(), looks=replace(LOOKS, control=control)))[0] == pytest.approx(-0.5)


def test_copying_is_not_measured_without_two_references_that_differ_or_training_looks() -> None:
    for looks in (
        None,
        replace(LOOKS, training=LOOKS.training[:0]),
        replace(LOOKS, references=LOOKS.references[:1]),
        replace(LOOKS, references=LOOKS.references[[0, 0]]),
    ):
        evidence = replace(_evidence(), looks=looks)
        assert np.isnan(copy_margins(evidence)).all()
        assert copy_margins(evidence).shape == (2, 4)
        assert copy_judged(evidence, CONTROL[SUBJECT]).tolist() == [False] * 4


def test_copying_is_judged_where_the_base_model_shows_a_face_and_everywhere_where_it_shows_none() -> None:
    seen = np.array([0.1, np.nan, 0.2, 0.3])
    assert copy_judged(_evidence(), seen).tolist() == [True, False, True, True]
    assert copy_judged(_evidence(), np.full(4, np.nan)).tolist() == [True] * 4
    assert score(_evidence()).copy_judged.tolist() == [True] * 4


def test_spread_is_the_mean_over_prompts_that_have_two_pictures() -> None:
    """The pictures of p are 0.4 apart, those of q 1; what failed is no picture."""
    pictures = np.zeros((2, 6, 3))
    pictures[:, SUBJECT] = [[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [1, 0, 0]]
    failed = np.zeros((2, 6), dtype=bool)
    failed[1, 3] = True
    assert spread(replace(_evidence(), pictures=pictures, failed=failed)) == pytest.approx([0.7, 0.4])


def test_the_mean_of_a_row_is_over_what_it_has() -> None:
    rows = np.array([[1.0, np.nan, 4.0], [np.nan] * 3, [2.0, 2.0, 5.0]])
    assert rows_mean(rows) == pytest.approx([2.5, np.nan, 3.0], nan_ok=True)
