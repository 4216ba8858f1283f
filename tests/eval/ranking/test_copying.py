"""Copying: worked out on paper, planted in drawn evidence, and what holds of it whatever is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from eval.ranking.copying import (
    BORROWED,
    Copying,
    copying_of,
    expected_nearest,
    faces_share,
    half_width,
    judged_units,
    nearness,
    of_several_seeds,
    share_of_way,
    usual_margins,
)
from eval.ranking.evidence import Appearances, Evidence
from eval.ranking.limits import Limits, limits_broken
from eval.ranking.ranking import rank
from eval.ranking.scores import control_identities, score
from eval.request.units import Unit
from synthetic_evidence import copying, drawn_looks, faces_at, make_evidence, without_faces

pytestmark = pytest.mark.filterwarnings("error")
NAN = np.nan
BARE = "photo of ohwx person"
ONLY_COPY = Limits(face_rate=None, prompt=None, bleed=None)


def with_bare_prompt(evidence: Evidence) -> Evidence:
    """The same whose first prompt is the trigger and no more."""
    first = evidence.units[0].prompt
    units = [Unit(BARE, one.seed, one.role) if one.prompt == first else one for one in evidence.units]
    return replace(evidence, units=units, trigger="ohwx person", class_word="person")


def repeating(evidence: Evidence, cell: int, units: Sequence[int], picture: int) -> Evidence:
    """The same where a cell's pictures of some units are one training picture, face and all."""
    assert evidence.looks is not None
    looks, faces = evidence.looks.pictures.copy(), evidence.faces.copy()
    looks[cell, list(units)] = evidence.looks.training[picture]
    faces[cell, list(units)] = evidence.training[picture]
    return replace(evidence, faces=faces, looks=replace(evidence.looks, pictures=looks))


def one_picture(evidence: Evidence) -> Evidence:
    """The same trained on the first picture alone."""
    assert evidence.looks is not None
    looks = replace(evidence.looks, training=evidence.looks.training[:1], training_names=["one.png"])
    return replace(evidence, training=evidence.training[:1], looks=looks)


def empty(evidence: Evidence, cell: int, seed: int = 0) -> Evidence:
    """The same with an all-zero LoRA: its pictures are strangers, drawn as the base model's own are."""
    assert evidence.looks is not None
    rng = np.random.default_rng(seed)
    looks, faces = evidence.looks.pictures.copy(), evidence.faces.copy()
    looks[cell] = drawn_looks((len(evidence.units),), rng)
    faces[cell] = faces_at(rng.normal(0.1, 0.08, len(evidence.units)), np.eye(faces.shape[-1])[0], rng)
    return replace(evidence, faces=faces, looks=replace(evidence.looks, pictures=looks))


def accused(evidence: Evidence) -> list[bool]:
    return [bool(broken) for broken in limits_broken(score(evidence), ONLY_COPY)]


@given(st.integers(1, 7), st.integers(0, 1000))
def test_expected_nearest_is_the_mean_over_every_choice(count: int, seed: int) -> None:
    cosines = np.random.default_rng(seed).uniform(-1, 1, 7)
    by_hand = np.mean([max(choice) for choice in combinations(cosines, count)])
    assert expected_nearest(cosines, count) == pytest.approx(by_hand)


def test_both_sets_get_the_same_count() -> None:
    """Two references, three training looks: the nearest of two, by the mean over three choices."""
    looks = Appearances(
        pictures=np.zeros((1, 1, 2)),
        control=np.zeros((1, 2)),
        references=np.array([[1.0, 0.0], [0.6, 0.8]]),
        training=np.array([[0.0, 1.0], [0.8, 0.6], [0.6, 0.8]]),
    )
    found = nearness(np.array([[1.0, 0.0], [0.0, 1.0]]), looks)
    assert found.training == pytest.approx([(0.8 + 0.8 + 0.6) / 3, (1 + 1 + 0.8) / 3])
    assert found.held_out == pytest.approx([1.0, 0.8])
    assert found.margin == pytest.approx([2.2 / 3 - 1, 2.8 / 3 - 0.8])


def test_the_usual_margin_is_the_prompts_own_with_four_borrowed_pictures() -> None:
    margins = np.array([0.1, 0.3, -0.2, NAN, NAN])
    prompts = ["p", "p", "q", "q", "r"]
    overall = 0.2 / 3
    by_hand = [(0.4 + 4 * overall) / 6, (-0.2 + 4 * overall) / 5, overall]
    assert BORROWED == 4
    assert usual_margins(margins, prompts) == pytest.approx(np.array(by_hand)[[0, 0, 1, 1, 2]])
    assert usual_margins(np.full(2, NAN), ["p", "q"]).tolist() == [0.0, 0.0]


def test_a_share_is_of_the_way_from_the_usual_to_the_picture_itself() -> None:
    beyond, nearest = np.array([0.1, 0.0, -0.1, 0.3, 0.0, NAN, 0.2]), np.array([0.9, 0.5, 0.9, 1.0, 1.0, 0.5, 1.01])
    assert share_of_way(beyond, nearest) == pytest.approx([0.5, 0.0, -0.5, 1.0, 0.0, NAN, 1.0], nan_ok=True)


@given(st.floats(-2, 2), st.floats(-1, 1), st.floats(0, 1))
def test_a_share_is_bounded_and_grows_with_nearness(beyond: float, nearest: float, more: float) -> None:
    one, other = share_of_way(np.array([beyond, beyond + more]), np.array([nearest, nearest]))
    assert -1 <= one <= other <= 1


def test_copying_is_the_lesser_of_looks_and_faces() -> None:
    evidence = make_evidence([0.5], prompts=1, seeds=2, noise=0.0, training=1)
    faces = evidence.faces.copy()
    faces[0, :2] = evidence.training[0]
    same = replace(evidence, faces=faces)
    assert faces_share(same)[0] == pytest.approx([1.0, 1.0])
    assert copying_of(repeating(same, 0, [0, 1], 0), np.zeros(2)).shares[0] == pytest.approx([1.0, 1.0])
    faces[0, :2] = evidence.faces_control[:2]
    control = (evidence.faces_control[:2] @ evidence.training[0]).mean()
    off = np.clip((evidence.faces_control[:2] @ evidence.training[0] - control) / (1 - control), 0, 1)
    assert faces_share(replace(evidence, faces=faces))[0] == pytest.approx(off)
    assert faces_share(replace(evidence, training=evidence.training[:0])).tolist() == [[1.0, 1.0]]


def test_where_no_face_of_the_base_model_is_known_the_way_starts_at_nothing() -> None:
    evidence = make_evidence([0.5], prompts=1, seeds=1, training=1)
    unknown = replace(evidence, faces_control=np.full_like(evidence.faces_control, NAN))
    assert faces_share(unknown)[0, 0] == pytest.approx(max(0.0, evidence.faces[0, 0] @ evidence.training[0]))


def test_judged_are_telling_units_in_which_the_base_model_shows_a_face() -> None:
    telling, seen = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert judged_units(telling, seen).tolist() == [True, False, False, False]
    assert judged_units(telling, np.array([False, False, True, False])).tolist() == [False, False, True, False]
    assert judged_units(telling, np.zeros(4, dtype=bool)).tolist() == telling.tolist()


def test_the_interval_is_as_wide_as_the_base_models_own_pictures_scatter() -> None:
    """Two prompts of three seeds, an SD of 0.1 within each: four degrees of freedom."""
    scatter, prompts = np.array([0.0, 0.1, -0.1, 0.3, 0.4, 0.2]), ["p"] * 3 + ["q"] * 3
    first = np.array([True] * 3 + [False] * 3)
    width = 0.1 * sqrt(1 / 3 + 1 / 7)
    assert half_width(scatter, prompts, first) == pytest.approx(stdtrit(4, 0.975) * width)
    both = half_width(scatter, prompts, np.ones(6, dtype=bool))
    assert both == pytest.approx(stdtrit(4, 0.9875) * width), "the worse of two is chosen"
    two = half_width(scatter, prompts, np.array([True] * 2 + [False] * 4))
    assert two == pytest.approx(stdtrit(4, 0.975) * 0.1 * sqrt(1 / 2 + 1 / 6)), "two pictures of it are judged"
    unseen = half_width(np.array([0.0, NAN, 0.2, NAN]), ["p", "p", "p", "q"], np.array([True, True, True, False]))
    assert unseen == pytest.approx(stdtrit(1, 0.975) * sqrt(0.02) * sqrt(1 / 3 + 1 / 7))


def test_there_is_no_interval_without_two_pictures_or_without_a_judged_one() -> None:
    assert np.isnan(half_width(np.array([0.1]), ["p"], np.array([True])))
    assert np.isnan(half_width(np.array([0.1, NAN]), ["p", "q"], np.array([True, True])))
    assert np.isnan(half_width(np.array([0.1, 0.2]), ["p", "p"], np.array([False, False])))
    assert np.isnan(half_width(np.array([0.1, 0.2, 0.3]), ["p", "p", "p"], np.array([True, False, False])))


def test_the_worst_prompt_is_shown_with_lost_faces_as_copies() -> None:
    shares = np.array([[0.1, 0.3, 0.4, 0.6, 0.9], [0.7, NAN, 0.0, 0.0, 0.9]])
    found = Copying(["p", "p", "q", "q", "r"], shares, np.array([True] * 4 + [False]), 0.3)
    assert found.judged_prompts == ["p", "q"]
    assert found.of_prompts == pytest.approx(np.array([[0.1, 0.4], [0.7, 0.0]])), "the one that copies most is left out"
    assert found.value == pytest.approx([0.4, 0.7])
    assert found.worst.tolist() == [1, 0]
    assert found.worst_units(0).tolist() == [2, 3]
    assert found.interval == pytest.approx(np.array([[0.1, 0.7], [0.4, 1.0]]))
    assert found.lost.tolist() == [0, 1]
    assert found.pictures == pytest.approx(np.array([[0.4], [0.7]]))


def test_pictures_are_padded_where_a_prompt_has_fewer_seeds() -> None:
    found = Copying(["p"] * 3 + ["q"] * 2, np.array([[0.1, 0.3, 0.2, 0.5, 0.4]]), np.ones(5, dtype=bool))
    assert found.pictures == pytest.approx(np.array([[0.4, NAN]]), nan_ok=True)
    assert replace(found, judged=np.array([True] * 3 + [False] * 2)).pictures == pytest.approx(np.array([[0.1, 0.2]]))
    assert np.isnan(found.interval).all()
    alone = Copying(["p"], np.array([[0.3]]), np.ones(1, dtype=bool))
    assert alone.pictures.tolist() == [[0.3]]


def test_nothing_is_judged_without_training_looks_or_two_references() -> None:
    evidence = make_evidence([0.5, 0.5], prompts=2, seeds=2)
    looks = evidence.looks
    assert looks is not None
    for less in (
        None,
        replace(looks, training=looks.training[:0]),
        replace(looks, references=looks.references[:1]),
    ):
        found = copying_of(replace(evidence, looks=less), np.zeros(4))
        assert np.isnan(found.value).all()
        assert np.isnan(found.interval).all()
        assert found.shares.shape == (2, 4)
        assert found.pictures.shape == (2, 0)
        assert not found.judged.any()
        assert found.lost.tolist() == [0, 0]


def test_failed_pictures_are_lost_faces() -> None:
    evidence = make_evidence([0.5], prompts=1, seeds=2)
    failed = evidence.failed.copy()
    failed[0, 0] = True
    assert np.isnan(copying_of(replace(evidence, failed=failed), np.zeros(2)).shares).tolist() == [[True, False]]


def test_it_is_unbiased_by_the_size_of_the_training_set() -> None:
    drawn = [make_evidence([0.6] * 4, training=80, references=8, seeds=2, seed=seed) for seed in range(40)]
    assert abs(np.mean([copying_of(one, np.zeros(8)).counted for one in drawn])) < 0.02


def test_a_cell_that_shows_what_the_base_model_shows_copies_nothing() -> None:
    """However near the base model's pictures are to the training set by chance."""
    evidence = make_evidence([0.6, 0.6])
    looks = evidence.looks
    assert looks is not None
    same = replace(evidence, looks=replace(looks, pictures=np.stack([looks.control] * 2)))
    same = replace(same, faces=np.stack([evidence.faces_control] * 2))
    assert score(same).copy.max() < 0.1
    assert accused(same) == [False, False]


def test_a_bare_prompt_that_shows_one_picture_is_accused_by_its_name_and_the_others_hide_nothing() -> None:
    """One prompt of four, two seeds: a mean over all prompts would be a quarter of it."""
    evidence = one_picture(with_bare_prompt(make_evidence([0.6, 0.6], prompts=4, seeds=2)))
    copied = repeating(evidence, 0, [0, 1], 0)
    row = next(row for row in rank(copied, ONLY_COPY) if row.cell == "cell000")
    assert row.copy == pytest.approx(1.0)
    assert row.copy_low is not None
    assert row.copy_low > 0.25
    assert row.broken[0].endswith(
        "is above the limit +0.150: 2 of 2 pictures of the prompt `photo of ohwx person` repeat the training picture "
        "`one.png`"
    )
    assert accused(copied) == [True, False]


def test_a_prompt_that_says_much_is_not_judged_beside_a_bare_one() -> None:
    evidence = one_picture(with_bare_prompt(make_evidence([0.6, 0.6], prompts=4, seeds=2)))
    assert accused(repeating(evidence, 0, [2, 3], 0)) == [False, False]
    assert accused(repeating(replace(evidence, trigger=""), 0, [2, 3], 0)) == [True, False], "none is known to be bare"


def test_references_that_are_all_alike_do_not_blow_it_up() -> None:
    """On photographs, where the held-out pictures hardly differ, a share of how far they do had no bound."""
    evidence = one_picture(with_bare_prompt(make_evidence([0.6, 0.6], prompts=4, seeds=2)))
    looks = evidence.looks
    assert looks is not None
    alike = looks.references[:1] + 1e-4 * looks.references
    alike /= np.linalg.norm(alike, axis=-1, keepdims=True)
    found = score(replace(evidence, looks=replace(looks, references=alike))).copying
    assert (np.abs(found.shares) <= 1).all()


@pytest.mark.parametrize("bare", [True, False])
def test_an_empty_lora_is_hardly_ever_accused(bare: bool) -> None:
    """Four prompts, two seeds, one training picture or twelve; its pictures differ from the base model's by chance."""
    found: list[bool] = []
    for seed in range(100):
        drawn = make_evidence([0.6], prompts=4, seeds=2, seed=seed)
        drawn = empty(with_bare_prompt(drawn) if bare else drawn, 0, seed)
        found += [*accused(drawn), *accused(one_picture(drawn))]
    assert sum(found) <= 0.01 * len(found)


def test_strangers_that_look_like_the_one_training_picture_are_no_copies() -> None:
    """What the trigger's words draw may have its light and pose by chance, seed by seed, and is somebody else."""
    evidence = one_picture(with_bare_prompt(make_evidence([0.1], prompts=4, seeds=2)))
    looks = evidence.looks
    assert looks is not None
    pictures = looks.pictures.copy()
    pictures[:] = looks.training[0]
    assert accused(replace(evidence, looks=replace(looks, pictures=pictures))) == [False]


def test_one_picture_or_one_lost_face_accuses_nobody_by_itself() -> None:
    evidence = one_picture(with_bare_prompt(make_evidence([0.6, 0.6], prompts=4, seeds=2)))
    assert accused(repeating(evidence, 0, [0], 0)) == [False, False]
    lost = np.zeros(evidence.failed.shape, dtype=bool)
    lost[0, 0] = True
    assert accused(without_faces(evidence, lost)) == [False, False]
    lost[0, 1] = True
    assert accused(without_faces(evidence, lost)) == [True, False], "nothing is left that could clear it"


def test_prompts_of_one_judged_picture_are_left_out_where_others_have_more() -> None:
    judged = np.array([True, False, True, True, False, False])
    assert of_several_seeds(judged, ["p", "p", "q", "q", "r", "r"]).tolist() == [False, False, True, True, False, False]
    lone = np.array([True, False, True, False])
    assert of_several_seeds(lone, ["p", "p", "q", "q"]).tolist() == lone.tolist()


def test_one_picture_of_one_prompt_has_no_interval_and_accuses_nobody() -> None:
    evidence = repeating(one_picture(make_evidence([0.6, 0.5], prompts=1, seeds=1)), 0, [0], 0)
    assert accused(evidence) == [False, False]
    flags = "; ".join(next(row for row in rank(evidence, ONLY_COPY) if row.cell == "cell000").flags)
    assert "copy has no interval" in flags
    assert "copy is above its limit, but so few pictures may be so by chance: give more seeds to tell" in flags


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3), st.integers(0, 12), st.floats(0, 1), st.booleans())
@settings(max_examples=100)
def test_it_is_bounded_and_losing_faces_never_lowers_it_nor_lifts_an_accusation(
    seed: int, prompts: int, seeds: int, copied: int, share: float, bare: bool
) -> None:
    rng = np.random.default_rng(seed)
    evidence = make_evidence([0.6, 0.2], prompts=prompts, seeds=seeds, seed=seed, noise=0.2)
    evidence = copying(with_bare_prompt(evidence) if bare else evidence, [0], copied)
    gone = (rng.random(len(evidence.units)) < 0.2)[:, None]
    evidence = replace(evidence, faces_control=np.where(gone, NAN, evidence.faces_control))
    lost = without_faces(evidence, rng.random(evidence.failed.shape) < share)
    before, after = (copying_of(one, control_identities(one)[one.where("subject")]) for one in (evidence, lost))
    assert (np.abs(before.counted) <= 1).all()
    assert (after.value >= before.value).all()
    assert after.half == pytest.approx(before.half, nan_ok=True)
    assert all(then or not now for now, then in zip(accused(evidence), accused(lost), strict=True))
