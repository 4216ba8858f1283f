"""What is said where the base model's own pictures show no face, and of prompts that were judged in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.ranking.verdict import verdict
from synthetic_evidence import make_evidence, without_faces


def bare(*roles: str) -> Evidence:
    """The base model shows no face in pictures of these roles, nor the cell in its first of the subject."""
    evidence = make_evidence([0.6])
    control, lost = evidence.faces_control.copy(), np.zeros(evidence.failed.shape, dtype=bool)
    for role in roles:
        control[evidence.where(role)] = np.nan
    lost[0, evidence.where("subject")[0]] = True
    return replace(without_faces(evidence, lost), faces_control=control)


def said(evidence: Evidence, about: str) -> list[str]:
    return [flag for flag in rank(evidence)[0].flags if about in flag]


def test_whose_floor_it_is_is_said() -> None:
    assert said(bare(), "the floor is") == said(bare("bleed"), "floor not measured") == []
    assert said(bare("subject"), "the floor is") == [
        "the floor is that of other people: none of the base model's own pictures of the subject's prompts shows a face"
    ]
    assert said(bare("subject"), "no face in 1 picture of the subject") == [
        "no face in 1 picture of the subject: counted at the floor"
    ]


def test_an_unknown_floor_is_said_and_no_figure_hangs_on_it() -> None:
    evidence = bare("subject", "bleed")
    assert said(evidence, "floor not measured") == [
        "floor not measured: none of the base model's own pictures shows a face; faceless pictures count -1, which "
        "nothing falls below, and no gain is known"
    ]
    assert said(evidence, "no face in 1 picture of the subject") == ["no face in 1 picture of the subject: counted -1"]
    assert said(evidence, "as alike as the references") == said(evidence, "the floor is") == []
    row = rank(evidence)[0]
    assert row.identity_normalised is row.expected_normalised is row.worth_taking is None
    assert row.gain is row.gain_low is row.gain_high is row.gain_that_matters is None
    assert "nan" not in " ".join(verdict([row], evidence, score(evidence)).all)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ((), []),
        ((1, 2), ["1 prompt is longer than CLIP reads at once: judged in up to 2 parts, each counting by its length"]),
        (
            (3, 2),
            ["2 prompts are longer than CLIP reads at once: judged in up to 3 parts, each counting by its length"],
        ),
    ],
)
def test_long_prompts_are_counted(parts: tuple[int, ...], says: list[str]) -> None:
    evidence = make_evidence([0.6])
    prompts = list(dict.fromkeys(evidence.prompts_of("subject")))
    counted = replace(evidence, parts=dict(zip(prompts, parts, strict=False)) | {"a prompt of others": 9})
    assert said(counted, "longer than CLIP") == says
