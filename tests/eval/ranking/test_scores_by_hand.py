"""Scores of a grid so small that every figure can be worked out on paper; units of both roles are mixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.evidence import Appearances, CellFacts, Evidence, Unit
from eval.ranking.scores import (
    Scores,
    at_worst,
    prompt_contrast,
    rows_mean,
    score,
    scored,
    spread,
)
from eval.statistics.intervals import wilson
from eval.statistics.shrinkage import expected_means
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


def test_what_is_gained_is_likeness_above_the_base_models_own_be_it_below_the_floor() -> None:
    evidence = _evidence()
    made = scored(evidence)
    assert made.scores.gains == pytest.approx(np.array([[0.4, 0.4, 0.7, 0.1], [0.2, -0.1, 0.9, 0.5]]))
    expected = expected_means(made.scores.gains, ["p", "p", "q", "q"])
    assert made.gained.means == pytest.approx(expected.means)
    assert made.gained.intervals == pytest.approx(expected.intervals)
    assert made.second is None
    nobody = replace(evidence, references=np.empty((0, 2)))
    assert scored(replace(evidence, second=nobody)).second is None
    heard = scored(replace(evidence, second=evidence)).second
    assert heard is not None
    assert heard.identity == pytest.approx([0.55, 0.55])


def test_bleed_is_held_against_the_base_models_own_of_that_unit() -> None:
    scores = score(_evidence())
    assert scores.bleed_prompts == ["b", "b"]
    assert scores.bleed_changes == pytest.approx(np.array([[0.15, 0.2], [0.0, -0.05]]))
    assert scores.span == pytest.approx(0.13)
    assert scores.bleed == pytest.approx([0.13, -0.025]), "no face counts for more than all the way"
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
    """The first cell has lost one face of others, the second both; the base model shows the first alone."""
    nan = np.nan
    return replace(
        score(_evidence()),
        bleed_changes=np.array([[nan, 0.1], [nan, nan]]),
        bleed_judged=np.array([True, False]),
        floor=0.2,
        ceiling=0.7,
    )


def test_lost_faces_are_those_that_the_base_model_shows() -> None:
    assert _lost().bleed_lost.tolist() == [1, 1]


def test_a_lost_face_has_bled_all_the_way_and_no_face_counts_more() -> None:
    """From floor to ceiling, or 1 where there is no way."""
    assert _lost().bleed == pytest.approx([0.5, 0.5])
    assert replace(_lost(), ceiling=0.2).bleed == pytest.approx([1.0, 1.0])
    values = np.array([[0.1, np.nan, 7.0], [0.9, 0.3, np.nan]])
    assert at_worst(values, 0.5) == pytest.approx(np.array([[0.1, 0.5, 0.5], [0.5, 0.3, 0.5]]))


def test_bleed_is_of_the_judged_units_and_unknown_without_one() -> None:
    scores = replace(_lost(), bleed_changes=np.array([[0.1, 0.3], [0.2, 0.4]]), bleed_judged=np.array([True, True]))
    assert scores.bleed == pytest.approx([0.2, 0.3])
    assert replace(scores, bleed_judged=np.array([False, True])).bleed == pytest.approx([0.3, 0.4])
    none = replace(scores, bleed_judged=np.zeros(2, dtype=bool))
    assert np.isnan(none.bleed).all()
    assert np.isnan(none.bleed_interval).all()


def test_the_intervals_of_bleed_and_prompt_are_as_wide_as_chance_which_no_lost_face_changes() -> None:
    scores = replace(_lost(), bleed_changes=np.array([[0.1, 0.3], [np.nan, 0.4]]), bleed_judged=np.array([True, True]))
    scores = replace(scores, bleed_half=0.2, prompt_half=0.1, prompt_changes=np.array([[0.0, 0.2], [-0.5, -0.3]]))
    assert scores.bleed_interval == pytest.approx(np.stack([scores.bleed - 0.2, scores.bleed + 0.2], axis=1))
    assert scores.prompt_interval == pytest.approx(np.array([[0.0, 0.2], [-0.5, -0.3]]))
    assert np.isnan(replace(scores, bleed_half=np.nan).bleed_interval).all()
    assert scores.bleed_seen == pytest.approx(np.array([[0.1, 0.3], [0.0, 0.4]]))
    assert replace(scores, failed=np.array([[True, False], [False, True]])).prompt_seen.tolist() == [
        [0.0, 0.2],
        [-0.5, 0.0],
    ]


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


def test_spread_is_that_of_the_prompt_whose_pictures_are_most_alike() -> None:
    """The pictures of p are 0.4 apart, those of q 1; what failed is no picture. Bare prompts stand apart."""
    pictures = np.zeros((2, 6, 3))
    pictures[:, SUBJECT] = [[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [1, 0, 0]]
    failed = np.zeros((2, 6), dtype=bool)
    failed[1, 0] = True
    evidence = replace(_evidence(), pictures=pictures, failed=failed)
    assert spread(evidence) == pytest.approx([0.4, 1.0])
    assert spread(replace(evidence, trigger="q")) == pytest.approx([1.0, 1.0])
    assert spread(replace(evidence, trigger="p")) == pytest.approx([0.4, np.nan], nan_ok=True)


def test_the_mean_of_a_row_is_over_what_it_has() -> None:
    rows = np.array([[1.0, np.nan, 4.0], [np.nan] * 3, [2.0, 2.0, 5.0]])
    assert rows_mean(rows) == pytest.approx([2.5, np.nan, 3.0], nan_ok=True)
