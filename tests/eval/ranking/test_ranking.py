"""The order keeps its promises: limits first, ties said, nothing flattered, independent of the rows' positions."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.ranking.columns import row_as_json
from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import pairs_to_tell_rows_apart, rank
from eval.ranking.scores import score
from eval.statistics.intervals import differences_to, normal_changes, resampling
from synthetic_evidence import FLOOR, copying, faces_at, make_evidence, reordered, without_faces


def flags_of(row: RankedCell) -> str:
    return "; ".join(row.flags)


def renamed(evidence: Evidence, at: int, checkpoint: str) -> Evidence:
    cells = list(evidence.cells)
    cells[at] = replace(cells[at], checkpoint=checkpoint)
    return replace(evidence, cells=cells)


def bleeding(evidence: Evidence, cell: int, cosine: float) -> Evidence:
    at = evidence.where("bleed")
    faces = evidence.faces.copy()
    faces[cell, at] = faces_at(np.full(len(at), cosine), np.eye(faces.shape[-1])[0], np.random.default_rng(3))
    return replace(evidence, faces=faces)


def faceless(evidence: Evidence, cell: int, count: int) -> Evidence:
    mask = np.zeros(evidence.failed.shape, dtype=bool)
    mask[cell, :count] = True
    return without_faces(evidence, mask)


@given(st.permutations(range(6)), st.integers(0, 100))
@settings(max_examples=25)
def test_order_does_not_depend_on_the_rows(order: list[int], seed: int) -> None:
    evidence = make_evidence([0.2, 0.4, 0.42, 0.6, 0.61, 0.5], seed=seed)
    shuffled = rank(reordered(evidence, order))
    assert [row_as_json(row) for row in shuffled] == [row_as_json(row) for row in rank(evidence)]


@given(st.integers(0, 5), st.integers(0, 100))
@settings(max_examples=25)
def test_one_file_under_two_names_is_always_tied(twin: int, seed: int) -> None:
    evidence = reordered(make_evidence([0.2, 0.4, 0.42, 0.6, 0.61, 0.5], seed=seed), [*range(6), twin])
    rows = rank(renamed(evidence, 6, "copy-of-it"))
    one, two = (row for row in rows if row.cell == f"cell{twin:03d}")
    assert one.identity == two.identity
    assert one.tied_with_best == two.tied_with_best
    assert rows.index(two) == rows.index(one) + 1
    for row, other in ((one, two), (two, one)):
        told = f"the same tensors as {other.checkpoint} at {other.weights}: it scores the same"
        assert told in row_as_json(row)["flags"]
    assert not any("same tensors" in flags_of(row) for row in rows if row.cell != one.cell)
    if rows[0].cell == one.cell:
        assert two.tied_with_best


def test_cells_that_do_nothing_are_all_tied() -> None:
    evidence = make_evidence([0.3] * 4)
    frozen = replace(evidence, faces=np.repeat(evidence.faces[:1], 4, axis=0))
    assert all(row.tied_with_best for row in rank(frozen))


def test_the_best_is_tied_with_itself_and_a_far_one_is_not() -> None:
    rows = rank(make_evidence([0.6, 0.2]))
    assert [row.tied_with_best for row in rows] == [True, False]
    best = rows[0]
    assert best.identity_low is not None
    assert best.identity_high is not None
    assert best.identity_low < best.identity < best.identity_high


@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.floats(-0.3, 0.6), st.floats(0.0, 0.5), st.integers(0, 12))
@settings(max_examples=150)
def test_losing_faces_never_lifts_a_cell(seed: int, share: float, middle: float, bled: float, copied: int) -> None:
    """Not by one place, nor over a limit, nor onto the front; whatever it bleeds or copies, up to all its faces."""
    evidence = make_evidence([middle + 0.05, middle, middle - 0.05], seed=seed, noise=0.15, seeds=3, bleed_prompts=2)
    rng = np.random.default_rng(seed)
    faces, others = evidence.faces.copy(), rng.choice(evidence.where("bleed"), 4, replace=False)
    faces[1, others] = faces_at(np.full(4, FLOOR + bled), np.eye(faces.shape[-1])[0], rng)
    control = np.where((rng.random(len(evidence.units)) < 0.1)[:, None], np.nan, evidence.faces_control)
    whole = copying(replace(evidence, faces=faces, faces_control=control), [1], copied)
    lost = np.zeros(evidence.failed.shape, dtype=bool)
    lost[1, rng.random(lost.shape[1]) < share] = True
    lost[1, others] |= bool(rng.random() < 0.5)  # those that show the harm, as a worn-out LoRA loses them
    before, after = (rank(one) for one in (whole, without_faces(whole, lost)))
    at, then = ([row.cell for row in rows].index("cell001") for rows in (before, after))
    row, worse = before[at], after[then]
    assert then >= at
    assert len(worse.broken) >= len(row.broken)
    assert worse.pareto_front <= row.pareto_front


def test_a_cell_that_bleeds_is_not_saved_by_the_faces_it_loses() -> None:
    """Three of four faces lost brought its bleed under the limit, and made it first."""
    evidence = bleeding(make_evidence([0.7, 0.5], noise=0.02, training=0), 0, 0.6)
    lost = np.zeros(evidence.failed.shape, dtype=bool)
    lost[0, evidence.where("bleed")[:3]] = True
    rows = rank(without_faces(evidence, lost))
    assert [row.cell for row in rows] == ["cell001", "cell000"]
    assert "no face in 3 pictures of others" in flags_of(rows[1])
    sound = make_evidence([0.7, 0.5], noise=0.02, training=0)
    said = flags_of(next(row for row in rank(without_faces(sound, lost)) if row.cell == "cell000"))
    assert re.search(
        r"bleed \S+ may be above the limit \S+: faceless pictures of other people \(3 of 4\) count as", said
    )


def test_one_lost_face_of_many_breaks_no_limit() -> None:
    evidence = make_evidence([0.6, 0.3], seeds=8)
    lost = np.zeros(evidence.failed.shape, dtype=bool)
    lost[0, [0, evidence.where("bleed")[0]]] = True
    assert not any(row.broken for row in rank(without_faces(evidence, lost)))


def test_a_winner_that_hangs_on_faces_below_the_floor_is_flagged() -> None:
    evidence = make_evidence([0.5, 0.52], noise=0.0, training=0)
    faces = evidence.faces.copy()
    faces[1, :2] = faces_at(np.full(2, -0.9), np.eye(faces.shape[-1])[0], np.random.default_rng(0))
    faces[1, 2:16] = faces_at(np.full(14, 0.56), np.eye(faces.shape[-1])[0], np.random.default_rng(1))
    rows = rank(replace(evidence, faces=faces))
    assert rows[0].cell == "cell001"
    assert "less like the subject than the base model in 2 pictures" in flags_of(rows[0])
    assert "if they counted as they are, hina-000001 at unet=0.8,te=0.6 would be first" in flags_of(rows[0])


@given(st.integers(0, 1000), st.integers(1, 7))
@settings(max_examples=25)
def test_chances_of_coming_first_again_add_up_and_twins_have_the_same(seed: int, cells: int) -> None:
    evidence = make_evidence(list(np.linspace(0.5, 0.56, cells)), seed=seed, training=0)
    alone = rank(evidence)
    assert sum(row.first_again or 0 for row in alone) == pytest.approx(1.0, abs=2e-3)
    twin = int(seed % cells)
    rows = rank(renamed(reordered(evidence, [*range(cells), twin]), cells, "copy-of-it"))
    own = next(row for row in alone if row.cell == f"cell{twin:03d}")
    one, two = (row for row in rows if row.cell == own.cell)
    assert one.first_again == two.first_again == own.first_again
    assert (one.expected, one.identity_low, one.gain) == (two.expected, two.identity_low, two.gain)
    assert {one.standing, two.standing} <= {"first", "as good"} or one.standing == two.standing


def test_a_row_that_breaks_a_limit_cannot_be_best_and_a_clear_winner_surely_is() -> None:
    rows = rank(faceless(make_evidence([0.9, 0.6, 0.2], noise=0.02, training=0), 0, 6))
    assert [row.cell for row in rows] == ["cell001", "cell002", "cell000"]
    assert [row.first_again for row in rows] == [1.0, 0.0, 0.0]
    assert [row.standing for row in rows] == ["first", "worse", "limit"]
    alone = rank(make_evidence([0.6, 0.5], prompts=1, seeds=1, training=0))
    assert [row.first_again for row in alone] == [None, None]
    assert [row.standing for row in alone] == ["first", "cannot tell"]


@pytest.mark.parametrize("seeds", [1, 2, 3, 8])
def test_normal_draws_are_as_wide_as_the_intervals(seeds: int) -> None:
    rng = np.random.default_rng(2)
    prompts = [f"p{at // seeds}" for at in range(24)]
    values = rng.normal(size=(5, 24))
    changes = values @ normal_changes(prompts, draws=20_000).T
    low, high = differences_to(0, values, resampling(prompts, resamples=20_000))[1:].T
    assert 1.96 * (changes - changes[0])[1:].std(1) == pytest.approx((high - low) / 2, rel=0.03)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_front_is_what_no_row_beats(seed: int) -> None:
    evidence = make_evidence(list(np.random.default_rng(seed).uniform(0.1, 0.7, 8)), seed=seed)
    scores, rows = score(evidence), rank(evidence)
    figures = [scores.identity, scores.prompt, -np.maximum(scores.bleed, 0), -np.maximum(scores.copy, 0)]
    goods = {cell.id: row for cell, row in zip(evidence.cells, np.stack(figures, axis=1).round(4), strict=True)}
    for row in rows:
        own = goods[row.cell]
        beaten = any((one >= own).all() and (one > own).any() for one in goods.values())
        assert row.pareto_front is not beaten
    assert max(rows, key=lambda row: goods[row.cell][0]).pareto_front


@pytest.mark.parametrize("name", ["face_rate", "prompt", "bleed", "copy"])
def test_a_limit_broken_goes_below_and_its_switch_lifts_it(name: str) -> None:
    evidence = make_evidence([0.7, 0.3], noise=0.02, training=10)
    faces, pictures = evidence.faces.copy(), evidence.pictures.copy()
    if name == "face_rate":
        faces[0, :6] = np.nan
    if name == "prompt":
        pictures[0] = np.roll(pictures[0], 5, axis=-1)
    broken = replace(evidence, faces=faces, pictures=pictures)
    broken = copying(broken, [0]) if name == "copy" else broken
    broken = bleeding(broken, 0, 0.6) if name == "bleed" else broken
    one = Limits(**{other: None for other in ("face_rate", "prompt", "bleed", "copy") if other != name})
    rows = rank(broken, one)
    assert [row.cell for row in rows] == ["cell001", "cell000"]
    assert len(rows[1].broken) == 1
    assert not rows[1].tied_with_best
    assert "limit" in flags_of(rows[1])
    assert not rows[0].broken
    off = rank(broken, Limits(None, None, None, None))
    assert [row.cell for row in off] == ["cell000", "cell001"]
    assert not off[0].broken


@pytest.mark.parametrize("seed", range(5))
def test_a_sane_grid_breaks_no_limit(seed: int) -> None:
    assert not any(row.broken for row in rank(make_evidence(list(np.linspace(0.2, 0.65, 12)), seed=seed)))


def test_a_winner_that_hangs_on_faceless_pictures_is_flagged() -> None:
    evidence = make_evidence([0.5, 0.65], noise=0.01)
    rows = rank(faceless(evidence, 1, 5), Limits(face_rate=None, copy=None))
    assert rows[0].cell == "cell000"
    assert "if they were left out, hina-000002 at unet=0.8,te=0.6 would be first" in flags_of(rows[0])
    assert "hangs on" not in flags_of(rows[1])


def test_what_was_not_measured_is_null_with_its_reason() -> None:
    evidence = make_evidence([0.6, 0.3], seeds=1, references=1, training=0)
    subject = evidence.where("subject")
    bare = replace(
        evidence,
        units=[evidence.units[at] for at in subject],
        pictures=np.full_like(evidence.pictures[:, subject], np.nan),
        pictures_control=np.full_like(evidence.pictures_control[subject], np.nan),
        **{name: getattr(evidence, name)[:, subject] for name in ("faces", "face_counts", "failed")},
        **{name: getattr(evidence, name)[subject] for name in ("faces_control", "face_counts_control", "prompts")},
    )
    row = rank(bare)[0]
    for name in ("identity_normalised", "prompt", "bleed", "copy", "spread"):
        assert row_as_json(row)[name] is None
        assert f"{name} not measured" in flags_of(row)


def test_oddities_are_said() -> None:
    evidence = make_evidence([0.6, 0.3], references=5)
    failed = evidence.failed.copy()
    failed[0, 0] = True
    several = evidence.face_counts.copy()
    several[0, 1:3] = 2
    text = flags_of(rank(replace(evidence, failed=failed, face_counts=several))[0])
    assert "the ceiling is weak: 5 held-out references" in text
    assert "several faces in 2 pictures" in text
    assert "1 failed picture (" in text


def test_claims_name_the_pairs_that_a_difference_needs() -> None:
    evidence = make_evidence([0.6, 0.5, 0.4], prompts=40, noise=0.1)
    scores, rows = score(evidence), rank(evidence)
    untold = replace(rows[1], standing="cannot tell", difference_low=-0.1, difference_high=-0.1)
    # The difference of two cells has sqrt(2) times the SD of one.
    found = pairs_to_tell_rows_apart(scores, evidence, [rows[0], untold])
    assert found == pytest.approx(((1.960 + 1.282) * 0.141 / 0.1) ** 2, rel=0.25)
    assert pairs_to_tell_rows_apart(scores, evidence, rows) is None, "all is told"
