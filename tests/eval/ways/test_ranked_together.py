"""One ranking of cells drawn several ways: each beside its own base model, all beside the first row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.columns import row_as_json, table_columns
from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import rank
from eval.ranking.scores import control_identities, score
from eval.ranking.verdict import verdict
from eval.request.settings import Setting
from eval.ways.ranked_together import rank_together
from synthetic_evidence import make_evidence, of_a_teapot, without_faces

RAW, TURBO, SLOW = Setting(base="raw"), Setting(base="turbo"), Setting(base="raw", steps=50)
LIMITS = Limits(bleed=None, copy=None)


def drawn(on: Setting, *identities: float, seed: int, like: Evidence | None = None, **changed: float) -> Evidence:
    """A way to draw cells of these likenesses; the subject's pictures are those of `like`."""
    made = make_evidence(identities, seed=seed, **changed)
    like = like or made
    cells = [replace(cell, id=f"{cell.id} on {on}", on=on) for cell in made.cells]
    return replace(made, cells=cells, on=on, references=like.references, training=like.training)


RAW_PART = drawn(RAW, 0.7, 0.4, seed=1)
TURBO_PART = drawn(TURBO, 0.5, 0.35, seed=2, like=RAW_PART)


def named(rows: list[RankedCell]) -> list[tuple[str, str]]:
    return [(str(row.on), row.checkpoint) for row in rows]


def test_rows_of_all_ways_stand_in_one_order_and_say_which_they_are_of() -> None:
    shown, rows = rank_together([RAW_PART, TURBO_PART], LIMITS)
    first, second = "hina-000001", "hina-000002"
    assert named(rows) == [("raw", first), ("turbo", first), ("raw", second), ("turbo", second)]
    assert [row.place for row in rows] == [1, 2, 3, 4]
    assert rows[0].name == f"{first} at unet=0.8,te=0.6 on raw"
    assert [row.standing for row in rows] == ["first", "worse", "worse", "worse"]
    assert np.allclose(control_identities(shown), control_identities(RAW_PART)), "the first row's own base is shown"
    turned, again = rank_together([TURBO_PART, RAW_PART], LIMITS)
    assert named(again) == named(rows)
    assert np.allclose(control_identities(turned), control_identities(shown))


def test_what_hangs_on_the_base_model_is_told_beside_its_own() -> None:
    _, rows = rank_together([RAW_PART, TURBO_PART], LIMITS)
    alone = {row.name: row for part in (RAW_PART, TURBO_PART) for row in rank(part, LIMITS)}
    for row in rows:
        own = alone[row.name]
        kept = ("identity", "identity_normalised", "prompt", "bleed", "copy", "spread", "broken", "flags", "face_rate")
        assert [getattr(row, name) for name in kept] == [getattr(own, name) for name in kept]


def test_what_another_way_costs_is_the_paired_difference_of_the_same_cell() -> None:
    _, rows = rank_together([RAW_PART, TURBO_PART], LIMITS)
    wanted = (score(TURBO_PART).counted[0] - score(RAW_PART).counted[0]).mean()
    (there,), (back,) = rows[0].elsewhere, rows[1].elsewhere
    assert (there.on, back.on) == (TURBO, RAW)
    assert there.difference == pytest.approx(wanted) == pytest.approx(-back.difference)
    assert there.low is not None
    assert there.high is not None
    assert there.low < there.difference < there.high < 0
    told = row_as_json(rows[0])
    assert told["base"] == "raw"
    assert told["elsewhere"] == [
        {
            "base": "turbo",
            "difference": round(there.difference, 4),
            "difference_low": round(there.low, 4),
            "difference_high": round(there.high, 4),
        }
    ]


def test_the_verdict_says_what_the_other_base_costs() -> None:
    shown, rows = rank_together([RAW_PART, TURBO_PART], LIMITS)
    said = verdict(rows, shown, score(shown))
    assert said.headline == "Take hina-000001 at unet=0.8,te=0.6 on raw."
    (other,) = rows[0].elsewhere
    assert other.low is not None
    assert other.high is not None
    ends = f"{-other.high:.3f} to {-other.low:.3f}"
    assert said.sentences[-1] == f"On turbo the same cell is lower by {-other.difference:.3f} ({ends})."
    assert len(said.all) <= 4


def test_the_best_there_is_named_where_it_is_another_cell() -> None:
    turbo = drawn(TURBO, 0.2, 0.5, seed=2, like=RAW_PART)
    shown, rows = rank_together([RAW_PART, turbo], LIMITS)
    last = verdict(rows, shown, score(shown)).sentences[-1]
    best = next(row for row in rows if row.on == TURBO)
    assert last.endswith(f"and the first there is hina-000002 at unet=0.8,te=0.6 on turbo ({best.identity:.3f}).")


def test_bases_that_draw_alike_are_not_told_apart() -> None:
    twin = replace(RAW_PART, cells=[replace(one, id=f"{one.id}!", on=TURBO) for one in RAW_PART.cells], on=TURBO)
    shown, rows = rank_together([RAW_PART, twin], LIMITS)
    assert {row.checkpoint for row in rows[:2]} == {"hina-000001"}
    assert rows[1].standing != "worse"
    assert "is not shown to differ" in verdict(rows, shown, score(shown)).sentences[-1]
    assert not any("all else the same" in text for row in rows for text in row.trends)


def test_a_base_that_costs_in_all_cells_is_said_of_the_grid() -> None:
    _, rows = rank_together([RAW_PART, TURBO_PART], LIMITS)
    wanted = (score(TURBO_PART).counted - score(RAW_PART).counted).mean()
    text = rows[0].trends[0]
    assert text.startswith(f"likeness is lower on turbo than on raw, all else the same: {wanted:+.3f} (95 %")


def test_three_ways_by_base_and_steps_are_held_beside_each_other() -> None:
    parts = [
        drawn(Setting("raw", steps=20), 0.6, seed=1),
        drawn(SLOW, 0.7, seed=2, like=RAW_PART),
        drawn(Setting("turbo", steps=20), 0.3, seed=3, like=RAW_PART),
    ]
    parts[0] = replace(parts[0], references=RAW_PART.references, training=RAW_PART.training)
    _, rows = rank_together(parts, LIMITS)
    assert [str(row.on) for row in rows] == ["raw, 50 steps", "raw, 20 steps", "turbo, 20 steps"]
    assert [len(row.elsewhere) for row in rows] == [2, 2, 2]
    headings = [column.heading for column in table_columns(rows)]
    assert {"base", "steps"} <= set(headings)
    assert "CFG" not in headings


def test_one_way_is_ranked_as_it_always_was_and_shows_no_axis() -> None:
    evidence = make_evidence([0.6, 0.3])
    shown, rows = rank_together([evidence], LIMITS)
    assert shown is evidence
    assert rows == rank(evidence, LIMITS)
    assert not {"base", "sampler", "steps", "cfg", "elsewhere"} & row_as_json(rows[0]).keys()
    assert not {"base", "sampler", "steps", "CFG"} & {column.heading for column in table_columns(rows)}


def test_a_base_that_shows_no_face_has_no_gain_and_does_not_take_the_others() -> None:
    blind = without_faces(TURBO_PART, np.zeros(TURBO_PART.failed.shape, dtype=bool))
    blind = replace(blind, faces_control=np.full_like(blind.faces_control, np.nan))
    _, rows = rank_together([RAW_PART, blind], LIMITS)
    gains = {str(row.on): row.gain for row in rows}
    assert gains["turbo"] is None
    assert gains["raw"] is not None
    assert rows[0].on == RAW
    assert rows[0].worth_taking


def test_whole_pictures_are_ranked_together_too() -> None:
    parts = [of_a_teapot(RAW_PART), of_a_teapot(TURBO_PART)]
    shown, rows = rank_together(parts, Limits(face_rate=None, bleed=None, copy=None))
    assert shown.subject == "image"
    assert named(rows)[0] == ("raw", "hina-000001")
