"""The proof that the scores mean something: its own arithmetic, its judge, and what was recorded."""

from dataclasses import astuple, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.ranking.evidence import Evidence
from eval.ranking.scores import score
from known_truth.attributes import ATTRIBUTES, NOBODY, places_of, shares_right
from known_truth.cases import BLEED, CLEAN, COPY, SUBJECTS, case_of, looks_unsaid, sheets, subjects
from known_truth.figures import auc, evidence_of, figures_of, rank_correlation
from known_truth.mixed_prompts import (
    BARE,
    EMPTY,
    MIXED,
    READINGS,
    RECORDED_SUBJECTS,
    TRIOS,
    accused,
    auc_of,
    mixed_table,
    people,
)
from known_truth.rows import packed, unpacked
from miniature.recipe.world import is_held_out
from synthetic_evidence import make_evidence

FIGURES = arrays(float, st.integers(1, 12), elements=st.floats(-1, 1, width=16))


@given(planted=FIGURES, clean=FIGURES)
def test_auc_is_the_share_of_pairs_won(planted: np.ndarray, clean: np.ndarray) -> None:
    won = np.sign(planted[:, None] - clean[None]).mean() / 2 + 0.5
    assert auc(planted, clean) == pytest.approx(won)
    assert auc(clean, planted) == pytest.approx(1 - won)


def test_what_could_not_be_measured_counts_against_us() -> None:
    assert auc([1.0, np.nan], [0.0, 0.5]) == 0.5
    assert auc([1.0, 2.0], [0.0, np.nan]) == 0.5


@given(st.lists(st.floats(-1, 1, width=16), min_size=3, unique=True))
def test_rank_correlation_sees_order_alone(values: list[float]) -> None:
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, np.negative(values)) == pytest.approx(-1)


def test_reg_captions_say_nothing_of_looks() -> None:
    said = "photo of a person, black short dreadlocks, tan skin, long beard, smiling, red hoodie, blue background"
    assert looks_unsaid(said) == "photo of a person, smiling, red hoodie, blue background"


def test_shares_count_attributes() -> None:
    person = subjects()[0]
    places = np.array(places_of(person))
    assert [list(known)[at - 1] for known, at in zip(ATTRIBUTES.values(), places, strict=True)] == list(astuple(person))
    bald = replace(person, hair_style="sides")
    read = np.stack([places, places_of(bald), np.full(5, NOBODY)])
    assert shares_right(read, person) == pytest.approx([1, 0.8, 0])


def test_the_plan_holds_what_is_claimed() -> None:
    people = subjects()
    assert len(set(people)) == len(people) >= 20
    assert all(is_held_out(person) for person in people)
    assert len({one.subject for one in sheets()}) >= 3
    assert len({weights for one in sheets() for weights in product(one.unet, one.te)}) >= 4
    assert sum(len(one.kinds) * len(one.unet) * len(one.te) for one in sheets()) >= 60
    planted = [one for one in sheets() if one.name.startswith("copies")]
    for kind in (CLEAN, BLEED, COPY):
        trained = [case_of(kind, one.subject) for one in planted if kind in one.kinds]
        assert len({repr(one) for one in trained}) >= 20
        assert all((one.reg is not None) == (kind == CLEAN) for one in trained)


def rows_of(evidence: Evidence) -> pd.DataFrame:
    """Rows as a recording would have them; in the first cell's pictures the judge sees the subject, else nobody."""
    right = dict(zip(ATTRIBUTES, places_of(subjects()[0]), strict=True))
    nothing = dict.fromkeys(ATTRIBUTES, NOBODY)
    looks = evidence.looks
    cells = [("control", 0.0, evidence.faces_control, looks.control)]
    cells += [
        (f"clean-{at:02}", 1.0, *both) for at, both in enumerate(zip(evidence.faces, looks.pictures, strict=True))
    ]
    rows = [
        {
            "case": name, "unet": weight, "te": weight, "prompt": unit.prompt, "seed": unit.seed, "role": unit.role,
            "failed": False, "faces": 1, "face": packed(face), "look": packed(look),
            **(right if name == "clean-00" else nothing),
        }
        for name, weight, faces, seen in cells
        for unit, face, look in zip(evidence.units, faces, seen, strict=True)
    ]  # fmt: skip
    of_role = {"reference": (evidence.references, looks.references), "training": (evidence.training, looks.training)}
    for role, known in of_role.items():
        shared = {"prompt": "", "role": role, "failed": False, "faces": 1}
        rows += [
            {**shared, "case": "copy" if at == 0 else "", "face": packed(face), "look": packed(look)}
            for at, (face, look) in enumerate(zip(*known, strict=True))
        ]
    return pd.DataFrame(rows).assign(sheet="cases-00", subject=0)


def test_rows_give_the_evidence_back() -> None:
    evidence = make_evidence([0.2, 0.6])
    scores, again = score(evidence), score(evidence_of(rows_of(evidence)))
    for figure in ("identity", "bleed", "copy"):
        assert getattr(again, figure) == pytest.approx(getattr(scores, figure), abs=1e-3)


def test_a_copy_is_judged_by_the_one_picture_it_had() -> None:
    evidence = make_evidence([0.5, 0.5])
    evidence.looks.pictures[:] = evidence.looks.training[0]
    evidence.faces[:] = evidence.training[0]
    rows = rows_of(evidence).replace({"case": {"clean-01": "copy-01"}})
    table = figures_of(rows).set_index("case")
    alone = score(replace(evidence, looks=replace(evidence.looks, training=evidence.looks.training[:1]))).copy[1]
    assert table.loc["copy-01", "copy"] == pytest.approx(alone, abs=1e-3)
    assert table.loc["copy-01", "copy"] > table.loc["clean-00", "copy"]
    assert table["truth"].to_list() == [1, 0]


def test_a_missing_face_stays_missing() -> None:
    face = np.ones(8, dtype=np.float32) / np.sqrt(8)
    found = unpacked(pd.Series([packed(face), packed(np.full(8, np.nan))]))
    assert found[0] == pytest.approx(face, abs=1e-3)
    assert np.isnan(found[1]).all()


def test_the_judge_reads_people_that_nothing_was_trained_on() -> None:
    from known_truth.judge import drawn, load_judge, read_attributes

    shown = drawn(60, 10, seed=3, held_out=True)
    read = read_attributes(load_judge(), shown.pixels)
    assert (read == shown.places)[:60].mean() > 0.85
    assert (read[60:] == NOBODY).mean() > 0.9


def test_in_a_mixed_grid_the_copy_is_accused_and_nobody_else() -> None:
    """One bare prompt of four, two seeds: of one whose copy was recorded on that alone, and of one on all four."""
    readings, mixed = (pd.read_parquet(path) for path in (READINGS, MIXED))
    for subject in (SUBJECTS[5], SUBJECTS[6]):
        table = mixed_table(readings[readings["subject"] == subject], mixed, [[BARE, *TRIOS[0]]])
        assert table.groupby("kind").size().to_dict() == {BLEED: 3, CLEAN: 3, COPY: 3, EMPTY: 6}
        assert accused(table, COPY) == 1
        assert accused(table, CLEAN, EMPTY) == 0
        assert auc_of(table) == 1


def test_a_copy_that_was_not_recorded_on_a_prompt_shows_the_clean_loras_picture() -> None:
    readings, mixed = (pd.read_parquet(path) for path in (READINGS, MIXED))
    assert SUBJECTS[3] not in RECORDED_SUBJECTS
    (person,) = people(readings[readings["subject"] == SUBJECTS[3]], mixed)
    at = person.pictures["prompt"] == TRIOS[0][0]
    shown = {kind: person.pictures[at & (person.pictures["kind"] == kind)] for kind in (CLEAN, COPY)}
    alone = shown[CLEAN][(shown[CLEAN]["unet"] == 1) & (shown[CLEAN]["te"] == 1)]
    assert shown[COPY]["look"].tolist() == alone["look"].tolist()
    bare = person.pictures[(person.pictures["prompt"] == BARE) & (person.pictures["kind"] == COPY)]
    assert len(bare) == 8
