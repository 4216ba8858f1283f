"""A second face model is a second opinion: it is flagged where it disagrees, and never moves the order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import rank
from synthetic_evidence import FACE_SIZE, make_evidence


def of_two_minds(first: list[float], second: list[float]) -> Evidence:
    """One grid as two models see it."""
    evidence = make_evidence(first, noise=0.03)
    other = make_evidence(second, noise=0.03, seed=1)
    return replace(evidence, second=replace(other, face_model="other faces (00ff)"))


def test_models_that_agree_are_not_flagged() -> None:
    rows = rank(of_two_minds([0.6, 0.3], [0.6, 0.3]))
    assert not any("second face model" in flag for row in rows for flag in row.flags)


def test_another_winner_by_the_second_model_is_flagged() -> None:
    rows = rank(of_two_minds([0.6, 0.5, 0.2], [0.4, 0.6, 0.2]))
    text = "; ".join(rows[0].flags)
    assert "the second face model other faces (00ff) finds hina-000002 at unet=0.8,te=0.6 more alike, by +0." in text
    assert "the second face model disagrees" in text
    assert not any("finds" in flag for row in rows[1:] for flag in row.flags)
    assert [row.second.identity for row in rows if row.second] == pytest.approx([0.4, 0.6, 0.2], abs=0.05)


def test_the_second_model_never_moves_the_order() -> None:
    alone = rank(replace(of_two_minds([0.6, 0.5, 0.4], [0.1, 0.5, 0.9]), second=None))
    asked = rank(of_two_minds([0.6, 0.5, 0.4], [0.1, 0.5, 0.9]))
    assert [row.cell for row in asked] == [row.cell for row in alone]
    assert [row.identity for row in asked] == [row.identity for row in alone]


def test_a_second_model_that_finds_nobody_in_the_references_is_named_and_stops_nothing() -> None:
    evidence = of_two_minds([0.6, 0.3], [0.6, 0.3])
    assert evidence.second is not None
    blind = replace(evidence, second=replace(evidence.second, references=np.empty((0, FACE_SIZE))))
    rows = rank(blind)
    said = "the second face model other faces (00ff) is not heard: it finds no face in the held-out references"
    assert [row.second for row in rows] == [None, None]
    assert all(said in row.flags for row in rows)
    assert [row.cell for row in rows] == [row.cell for row in rank(replace(evidence, second=None))]
