"""Each figure, against a case whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base_models.vision.likeness import ceiling, centroid
from eval.ranking.evidence import Evidence
from eval.ranking.scores import (
    UnscorableError,
    control_identities,
    identities,
    score,
    spread,
)
from synthetic_evidence import FLOOR, faces_at, make_evidence, reordered, without_faces


def masks(evidence: Evidence, where: list[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros(evidence.failed.shape, dtype=bool)
    mask[tuple(np.array(where).T)] = True
    return mask


def test_identity_is_the_cosine_that_was_drawn() -> None:
    evidence = make_evidence([0.2, 0.6], noise=0.0)
    scores = score(evidence)
    assert scores.identity == pytest.approx([0.2, 0.6])
    assert scores.floor == pytest.approx(FLOOR)
    assert scores.identity_normalised == pytest.approx((np.array([0.2, 0.6]) - FLOOR) / (scores.ceiling - FLOOR))


def test_ceiling_leaves_each_reference_out() -> None:
    references = make_evidence([0.5]).references
    by_hand = [float(one @ centroid(np.delete(references, at, 0))) for at, one in enumerate(references)]
    assert ceiling(references) == pytest.approx(np.mean(by_hand))
    assert np.isnan(ceiling(references[:1]))


def test_faceless_counts_at_its_own_units_floor() -> None:
    evidence = make_evidence([0.6])
    bare = without_faces(evidence, masks(evidence, [(0, 3)]))
    expected = identities(evidence)[0, evidence.where("subject")].copy()
    expected[3] = control_identities(evidence)[3]
    assert score(bare).identity[0] == pytest.approx(expected.mean())
    assert score(bare).face_rate[0] == pytest.approx(15 / 16)


def test_a_failed_picture_is_no_face_even_where_the_detector_saw_one() -> None:
    evidence = make_evidence([0.6])
    failed = replace(evidence, failed=masks(evidence, [(0, 3)]))
    bare = without_faces(evidence, masks(evidence, [(0, 3)]))
    assert score(failed).identity == pytest.approx(score(bare).identity)
    assert score(failed).prompt[0] < score(evidence).prompt[0] - 0.03


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.floats(-0.6, 0.6), st.booleans())
@settings(max_examples=60)
def test_losing_faces_never_raises_a_cell(seed: int, share: float, middle: float, base_has_faces: bool) -> None:
    """Whatever the cells are like (worse than the base model too), whichever faces are lost, up to all of them."""
    rng = np.random.default_rng(seed)
    evidence = make_evidence([middle, -middle, FLOOR], seed=seed, noise=0.3)
    if not base_has_faces:
        gone = rng.random(len(evidence.units)) < 0.7
        evidence = replace(evidence, faces_control=np.where(gone[:, None], np.nan, evidence.faces_control))
    lost = without_faces(evidence, rng.random(evidence.failed.shape) < share)
    before, after = score(evidence), score(lost)
    assert (after.counted <= before.counted).all()
    assert (after.identity <= before.identity).all()
    assert (after.face_rate <= before.face_rate).all()


def test_a_cell_without_any_face_counts_as_the_base_model() -> None:
    evidence = make_evidence([0.6, -0.4])
    bare = score(without_faces(evidence, np.ones(evidence.failed.shape, dtype=bool)))
    assert bare.identity == pytest.approx([bare.floor] * 2)
    assert bare.identity_normalised == pytest.approx([0.0, 0.0])


def test_a_face_less_alike_than_the_base_models_counts_as_the_base_models() -> None:
    evidence = make_evidence([-0.4], noise=0.0)
    scores = score(evidence)
    assert scores.identity == pytest.approx([FLOOR])
    assert scores.raw == pytest.approx(-0.4)
    assert scores.below_floor.all()


def without_control_faces(evidence: Evidence, *roles: str) -> Evidence:
    faces = evidence.faces_control.copy()
    faces[np.concatenate([evidence.where(role) for role in roles])] = np.nan
    return replace(evidence, faces_control=faces)


def test_floor_without_a_face_in_the_base_models_picture_is_the_mean_of_the_others() -> None:
    evidence = make_evidence([0.6], noise=0.0)
    lost = evidence.where("subject")[:2]
    faces = evidence.faces_control.copy()
    faces[lost] = np.nan
    faceless = without_faces(evidence, masks(evidence, [(0, int(unit)) for unit in lost]))
    scores = score(replace(faceless, faces_control=faces))
    assert scores.counted[0, :2] == pytest.approx(scores.floor)


def test_without_a_face_of_the_class_the_floor_is_that_of_other_people_of_the_base_models() -> None:
    evidence = without_control_faces(make_evidence([0.6, 0.6], noise=0.0), "subject")
    at = evidence.where("bleed")
    strangers = float(np.nanmean(evidence.faces_control[at] @ centroid(evidence.references)))
    lost = score(without_faces(evidence, masks(evidence, [(1, int(evidence.where("subject")[0]))])))
    assert lost.floor == pytest.approx(strangers)
    assert lost.counted[1, 0] == pytest.approx(strangers)
    assert lost.identity_normalised[0] == pytest.approx((0.6 - strangers) / (lost.ceiling - strangers))


@pytest.mark.parametrize("roles", [("subject",), ("subject", "bleed")])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_stands_in_for_the_floor_losing_a_face_never_raises_a_cell(roles: tuple[str, ...], seed: int) -> None:
    """Also with faces that are less alike than any stranger, and one lost after the other."""
    rng = np.random.default_rng(seed)
    evidence = without_control_faces(make_evidence([0.6, -0.7, 0.1], noise=0.3), *roles)
    lost: list[tuple[int, int]] = []
    before = score(evidence).identity
    for unit in rng.permutation(evidence.where("subject")):
        lost += [(cell, int(unit)) for cell in range(3)]
        after = score(without_faces(evidence, masks(evidence, lost))).identity
        assert (after <= before + 1e-12).all()
        before = after


def test_without_any_face_of_the_base_models_no_floor_is_made_up() -> None:
    """As much where strangers lie at 0.8: faces count as they are, and a lost one less than any."""
    evidence = without_control_faces(make_evidence([-0.4, 0.6], noise=0.0), "subject", "bleed")
    scores = score(without_faces(evidence, masks(evidence, [(1, int(evidence.where("subject")[0]))])))
    assert np.isnan(scores.floor)
    assert np.isnan(scores.identity_normalised).all()
    assert scores.counted[0] == pytest.approx(-0.4)
    assert scores.counted[1, 0] == -1
    assert not scores.below_floor.any()


def test_bleed_is_the_change_of_other_people() -> None:
    evidence = make_evidence([0.6, 0.6], noise=0.0)
    at = evidence.where("bleed")
    faces = evidence.faces.copy()
    faces[1, at] = faces_at(np.full(len(at), 0.35), centroid(evidence.references), np.random.default_rng(0))
    changed = replace(evidence, faces=faces)
    assert score(changed).bleed == pytest.approx([0.0, 0.25])
    faceless = without_faces(changed, masks(evidence, [(1, int(unit)) for unit in at]))
    assert score(faceless).bleed[1] == pytest.approx(score(faceless).span)


def test_bleed_is_not_compared_where_the_base_model_shows_no_face() -> None:
    evidence = make_evidence([0.6, 0.6], noise=0.0)
    at = evidence.where("bleed")
    faces = evidence.faces_control.copy()
    faces[at[0]] = np.nan
    scores = score(replace(evidence, faces_control=faces))
    assert np.isnan(scores.bleed_changes[:, 0]).all()
    assert scores.bleed_lost.tolist() == [0, 0]


def test_prompt_is_the_change_against_the_base_model() -> None:
    evidence = make_evidence([0.6, 0.6])
    same = replace(evidence, pictures=np.stack([evidence.pictures_control, -evidence.prompts]))
    own = np.einsum("ue,ue->u", evidence.pictures_control, evidence.prompts)[evidence.where("subject")]
    assert score(same).prompt == pytest.approx([0.0, -1.0 - own.mean()])


def test_spread_of_a_frozen_model_is_zero_and_of_one_seed_unknown() -> None:
    evidence = make_evidence([0.6, 0.6])
    pictures = evidence.pictures.copy()
    pictures[0] = evidence.prompts
    found = spread(replace(evidence, pictures=pictures))
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert found[1] > 0.01
    assert np.isnan(spread(make_evidence([0.6], seeds=1))).all()


def test_spread_is_the_mean_over_pairs() -> None:
    evidence = make_evidence([0.6], prompts=1, seeds=3)
    one, two, three = evidence.pictures[0, evidence.where("subject")]
    by_hand = 1 - np.mean([one @ two, one @ three, two @ three])
    assert spread(evidence)[0] == pytest.approx(by_hand)


def test_what_cannot_be_scored_says_what_is_missing() -> None:
    evidence = make_evidence([0.6])
    with pytest.raises(UnscorableError, match="held-out references"):
        score(replace(evidence, references=evidence.references[:0]))
    with pytest.raises(UnscorableError, match="no cells"):
        score(reordered(evidence, []))
