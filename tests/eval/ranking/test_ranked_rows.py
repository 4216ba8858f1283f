"""A row of the ranking says what was scored of its own cell; what it is ordered by, and what is said beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.columns import row_as_json
from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import pairs_to_tell_rows_apart, rank
from eval.ranking.scores import score
from eval.request.cells import CONTROL
from eval.statistics.intervals import contains_zero, differences_to, resampling, within_sd
from eval.statistics.shrinkage import expected_means
from eval.statistics.standing import surely_behind
from loras.weights import Weights
from synthetic_evidence import make_evidence, of_a_teapot, reordered, without_faces

LIMITS = Limits(face_rate=None, prompt=None, bleed=None, copy=None)


def _evidence() -> Evidence:
    """Three cells that differ in everything, the best of them in the middle; in the last a picture failed."""
    made = make_evidence([0.3, 0.6, 0.45], noise=0.03)
    weights = Weights(0.8, 0.6, 0.6), Weights(1.0, 0.5, 0.25), Weights(0.4, 0.0, 0.0)
    cells = [
        replace(cell, weights=own, also=also, epoch=epoch)
        for cell, own, also, epoch in zip(made.cells, weights, ("", "x at unet=1,te=1", ""), (3, None, 9), strict=True)
    ]
    failed = made.failed.copy()
    failed[2, 1] = True
    lost = np.zeros(failed.shape, dtype=bool)
    lost[0, 2] = True
    return replace(without_faces(made, lost), cells=cells, failed=failed, licences={"clip": "MIT"})


def test_rows_are_in_the_order_of_identity_and_each_says_its_own_cells_figures() -> None:
    evidence = _evidence()
    scores, rows = score(evidence), rank(evidence, LIMITS)
    assert [row.cell for row in rows] == ["cell001", "cell002", "cell000"]
    expected, gained = (expected_means(values, scores.prompts) for values in (scores.counted, scores.gains))
    tied = contains_zero(differences_to(1, scores.counted, resampling(scores.prompts)))
    again = expected.first_again(np.ones(3, dtype=bool))
    behind = surely_behind(1, scores.counted, scores.prompts)
    for row, at in zip(rows, (1, 2, 0), strict=True):
        cell = evidence.cells[at]
        low, high = scores.face_rate_interval(at)
        assert (row.checkpoint, row.epoch, row.also) == (cell.checkpoint, cell.epoch, cell.also)
        assert (row.unet, row.te1, row.te2) == (cell.weights.unet, cell.weights.te1, cell.weights.te2)
        assert row.identity == scores.identity[at]
        assert (row.expected, row.gain) == pytest.approx((expected.means[at], gained.means[at]))
        assert (row.identity_low, row.identity_high) == pytest.approx(tuple(expected.intervals[at]))
        assert (row.difference_low, row.difference_high) == pytest.approx(tuple(expected.differences_to(1)[at]))
        assert (row.gain_low, row.gain_high) == pytest.approx(tuple(gained.intervals[at]))
        assert row.worth_taking == (gained.intervals[at, 0] > max(0.02, 0.1 * scores.span))
        assert row.standing == ("first" if at == 1 else "worse" if behind[at] else "cannot tell")
        assert row.difference_that_matters == 0.02
        assert row.identity_normalised == scores.identity_normalised[at]
        assert (row.prompt, row.bleed, row.copy) == (scores.prompt[at], scores.bleed[at], scores.copy[at])
        assert (row.face_rate, row.face_rate_low, row.face_rate_high) == (scores.face_rate[at], low, high)
        assert [row.bleed_low, row.bleed_high] == pytest.approx(scores.bleed_interval[at])
        assert [row.copy_low, row.copy_high] == pytest.approx(scores.copying.interval[at])
        assert row.spread == scores.spread[at]
        assert (row.pictures, row.failed) == (len(evidence.units), 1 if at == 2 else 0)
        assert (row.tied_with_best, row.first_again) == (tied[at], again[at])
        assert row.scored_by == {"likeness": evidence.face_model, "clip": evidence.clip_model}
        assert row.licences == {"clip": "MIT"}
        assert (row.broken, row.second) == ((), None)


def test_a_row_reads_as_json_with_four_digits_and_no_minus_zero() -> None:
    row = rank(_evidence(), LIMITS)[0]
    exact = replace(row, identity=0.123456, prompt=-0.00001, bleed=None, copy=0.98765, first_again=0.33333)
    told = row_as_json(exact)
    assert (told["identity"], told["bleed"], told["copy"]) == (0.1235, None, 0.9877)
    assert str(told["prompt"]) == "0.0"
    assert told["probability_best"] == 0.3333
    assert (told["te"], told["te1"], told["te2"]) == (None, 0.5, 0.25)
    same = replace(row, te1=0.5, te2=0.5)
    assert row_as_json(same)["te"] == 0.5
    assert "te1" not in row_as_json(same)


def test_weights_are_written_with_one_te_where_there_is_one() -> None:
    first, second, _ = rank(_evidence(), LIMITS)
    assert (first.te, first.weights) == (None, "unet=1,te1=0.5,te2=0.25")
    assert (second.te, second.weights) == (0.0, "unet=0.4,te=0")


def test_likeness_is_clips_where_there_is_no_face() -> None:
    face, thing = rank(_evidence(), LIMITS)[0], rank(of_a_teapot(_evidence()), LIMITS)[0]
    assert face.image_likeness == ""
    assert thing.image_likeness == f"CLIP {_evidence().clip_model}"
    assert thing.scored_by["clip"] == _evidence().clip_model
    assert (thing.face_rate, thing.face_rate_low, thing.face_rate_high) == (None, None, None)


def _alike(cells: Sequence[CellFacts], at: Sequence[float]) -> Evidence:
    """Cells that are seen alike, but for identities `at`."""
    made = make_evidence(list(at), noise=0.0, training=0)
    return replace(made, cells=list(cells), pictures=made.pictures[[0] * len(cells)], looks=None)


def _cell(id_: str, checkpoint: str) -> CellFacts:
    return CellFacts(id_, checkpoint, None, Weights(1, 1, 1), "")


def test_what_differs_beyond_six_digits_is_ordered_by_id_and_name() -> None:
    cells = [_cell("b", "x"), _cell("a", "z"), _cell("a", "y"), _cell("c", "w")]
    rows = rank(_alike(cells, [0.5, 0.5, 0.5, 0.5 + 1e-9]), LIMITS)
    assert [(row.cell, row.checkpoint) for row in rows] == [("a", "y"), ("a", "z"), ("b", "x"), ("c", "w")]
    rows = rank(_alike(cells, [0.5, 0.5, 0.5, 0.50001]), LIMITS)
    assert rows[0].cell == "c"


def _twin_flags(rows: list[RankedCell]) -> list[str]:
    return [flag for row in rows for flag in row.flags if "it scores the same" in flag]


def test_rows_that_are_one_cell_name_each_other_and_at_most_three() -> None:
    cells = [_cell("a", name) for name in "pqrst"]
    flags = _twin_flags(rank(_alike(cells, [0.5] * 5), LIMITS))
    names = [f"{name} at unet=1,te=1" for name in "pqrst"]
    assert flags[0] == f"the same tensors as {', '.join(names[1:4])} and 1 more: it scores the same"
    assert flags[4] == f"the same tensors as {', '.join(names[:3])} and 1 more: it scores the same"
    four = _twin_flags(rank(_alike(cells[:4], [0.5] * 4), LIMITS))
    assert four[1] == f"the same tensors as {names[0]}, {names[2]}, {names[3]}: it scores the same"
    beside = [replace(cell, also="x:unet=1,te=1") for cell in cells[:2]]
    assert _twin_flags(rank(_alike(beside, [0.5] * 2), LIMITS))[0] == (
        "the same tensors as q at unet=1,te=1 with x:unet=1,te=1: it scores the same"
    )
    nothing = [_cell(CONTROL, "p"), _cell(CONTROL, "q"), _cell("a", "r")]
    assert _twin_flags(rank(_alike(nothing, [0.1, 0.1, 0.5]), LIMITS)) == [
        f"nothing acts, as in {names[1]}: it scores the same",
        f"nothing acts, as in {names[0]}: it scores the same",
    ]


def test_a_cell_that_breaks_more_limits_than_the_first_is_not_tied_with_it() -> None:
    evidence = make_evidence([0.5, 0.5], noise=0.0, training=0)
    pictures = evidence.pictures.copy()
    pictures[0] = np.roll(pictures[0], 5, axis=-1)
    rows = rank(replace(evidence, pictures=pictures))
    assert [row.cell for row in rows] == ["cell001", "cell000"]
    assert [row.tied_with_best for row in rows] == [True, False]
    assert [len(row.broken) for row in rows] == [0, 1]
    assert rows[1].flags[0] == rows[1].broken[0]
    assert [row.first_again for row in rows] == [1.0, 0.0]
    assert [row.standing for row in rows] == ["first", "limit"]


def test_trends_and_the_front_are_told_of_the_rows_that_they_concern() -> None:
    made = make_evidence([0.2, 0.6, 0.4], noise=0.0, training=0, prompts=3)
    rows = {row.cell: row for row in rank(made, LIMITS)}
    assert [len(rows[f"cell00{at}"].trends) for at in range(3)] == [0, 0, 1]
    assert "past its best" in rows["cell002"].trends[0]
    assert rows["cell001"].pareto_front


def test_a_winner_that_hangs_on_what_lost_faces_count_is_told_of_the_first_row_alone() -> None:
    """The second is as alike in every picture that has a face, but has lost a quarter of them."""
    made = make_evidence([0.5, 0.6], noise=0.0, training=0)
    lost = np.zeros(made.failed.shape, dtype=bool)
    lost[1, : len(made.where("subject")) // 2] = True
    rows = rank(without_faces(made, lost), LIMITS)
    named = "hina-000002 at unet=0.8,te=0.6"
    assert [row.cell for row in rows] == ["cell000", "cell001"]
    hangs = [flag for flag in rows[0].flags if "the winner hangs on" in flag]
    assert hangs == [f"the winner hangs on faceless pictures: if they were left out, {named} would be first"]
    assert not [flag for flag in rows[1].flags if "the winner hangs on" in flag]


def test_claims_are_made_of_the_median_spread_of_what_cannot_be_told_yet() -> None:
    evidence = make_evidence([0.3, 0.65, 0.58, 0.57], noise=0.1)
    scores, rows = score(evidence), rank(evidence, LIMITS)
    assert {row.cell: row.standing for row in rows} == {
        "cell001": "first",
        "cell002": "cannot tell",
        "cell003": "cannot tell",
        "cell000": "worse",
    }
    spreads = within_sd(scores.counted[[2, 3]] - scores.counted[1], scores.prompts)
    found = pairs_to_tell_rows_apart(evidence, rows, (0.02, 0.05))
    assert [one.difference for one in found] == [0.02, 0.05]
    assert [one.sd for one in found] == [pytest.approx(np.median(spreads))] * 2
    twins = reordered(evidence, [0, 1, 1, 2, 3])
    again = pairs_to_tell_rows_apart(twins, rank(twins, LIMITS), [0.02])
    assert again[0].sd == pytest.approx(np.median(spreads)), "the first is no other"
    clear = make_evidence([0.6, 0.2], noise=0.02)
    told = score(clear)
    spread = within_sd(told.counted[[1]] - told.counted[0], told.prompts)
    assert pairs_to_tell_rows_apart(clear, rank(clear, LIMITS), [0.02])[0].sd == pytest.approx(spread[0])
    one = make_evidence([0.5, 0.6], prompts=1, seeds=1)
    assert pairs_to_tell_rows_apart(one, rank(one), [0.02]) == []
