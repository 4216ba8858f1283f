"""The verdict of planted grids, as a person reads it who knows no statistics: what to take, how sure, what to do."""

import re
from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.ranking.verdict import Verdict, picture_change, verdict
from synthetic_evidence import FLOOR, make_evidence, reordered, without_faces


def of(evidence: Evidence) -> Verdict:
    said = verdict(rank(evidence), evidence, score(evidence))
    sentences = re.findall(r"[.!](?:\s|$)", " ".join(said.all))
    assert len(sentences) <= 4, said.all
    return said


def test_a_clear_winner_is_named_and_nothing_more_is_asked_for() -> None:
    said = of(make_evidence([0.3, 0.7, 0.4], noise=0.03))
    assert said.headline == "Take hina-000002 at unet=0.8,te=0.6."
    assert "On new pictures expect a likeness of 0.69" in said.sentences[0]
    assert "of the way from the base model" in said.sentences[0]
    assert said.sentences[1] == (
        "Every other row within the limits is shown to be worse: nothing more has to be rendered."
    )
    assert said.sentences[2].startswith("What is given up for it (0 is nothing): obedience to the prompt")


def test_many_as_good_are_all_offered_and_left_to_the_eye() -> None:
    said = of(make_evidence([0.6] * 12, noise=0.03, prompts=6, seeds=8, training=0))
    assert re.match(r"Take hina-0000\d\d at unet=0.8,te=0.6, or any of the \d+ rows as good\.", said.headline)
    assert "are as good (less than 0.02 apart): choose by eye" in said.sentences[1]


def test_two_or_three_as_good_are_called_by_their_names() -> None:
    evidence = make_evidence([0.6] * 4, noise=0.01, prompts=6, seeds=8, training=0)
    ranked, scores = rank(evidence), score(evidence)
    standing = {1: ["as good", "worse", "worse"], 2: ["as good", "as good", "worse"], 3: ["as good"] * 3}
    named = [row.name for row in ranked[1:]]
    joined = {1: f"{named[0]} is", 2: f"{named[0]} and {named[1]} are", 3: f"{named[0]}, {named[1]} and {named[2]} are"}
    for count, own in standing.items():
        rows = [ranked[0], *(replace(row, standing=one) for row, one in zip(ranked[1:], own, strict=True))]
        said = verdict(rows, evidence, scores)
        also = named[0] if count == 1 else f"any of the {count} rows as good"
        assert said.headline == f"Take {ranked[0].name}, or {also}."
        assert said.sentences[1].startswith(f"{joined[count]} as good (less than 0.02 apart)")


def test_what_cannot_be_told_yet_says_how_many_seeds_would_tell() -> None:
    evidence = make_evidence([0.6, 0.58, 0.3], noise=0.08, training=0)
    said = of(evidence)
    assert said.headline.endswith("at unet=0.8,te=0.6.")
    assert "or any" not in said.headline
    seeds = re.search(
        r"is not shown to be worse, nor as good: put `seeds = (\d+)` into \[prompts\] and run `python -m eval grid`",
        said.sentences[1],
    )
    assert seeds
    assert int(seeds[1]) > 4


def test_seeds_beyond_reason_are_not_asked_for() -> None:
    said = of(make_evidence([0.6, 0.6], noise=0.25, prompts=2, seeds=12, training=0, seed=1))
    assert said.headline.startswith("Take hina")
    assert "telling them apart would take very many pictures, so choose by eye" in said.sentences[1]
    assert "seeds = " not in said.sentences[1]


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_beats_the_base_model_there_is_nothing_to_take(seed: int) -> None:
    said = of(make_evidence([FLOOR] * 8, seed=seed, training=0))
    assert said.headline.startswith("Take none of these yet: no row is shown to be more like the subject")
    assert "The pictures change, but not towards the subject" in said.sentences[1] or "seeds" in said.sentences[1]


def test_an_empty_lora_is_told_from_a_wrong_trigger() -> None:
    made = make_evidence([FLOOR, FLOOR], training=0)
    still = replace(
        made,
        faces=np.repeat(made.faces_control[None], 2, axis=0),
        pictures=np.repeat(made.pictures_control[None], 2, axis=0),
    )
    assert picture_change(still) == pytest.approx(0.0, abs=1e-6)
    assert "the LoRA does next to nothing" in of(still).sentences[1]
    assert "python -m eval inspect" in of(still).sentences[1]
    assert picture_change(made) > 0.5
    assert np.isinf(picture_change(replace(made, pictures=np.full_like(made.pictures, np.nan))))


def test_a_grid_without_any_face_asks_for_faces_and_calls_nothing_a_copy() -> None:
    made = make_evidence([0.6, 0.5])
    bare = without_faces(made, np.ones(made.failed.shape, dtype=bool))
    assert bare.looks is not None
    bare = replace(
        bare,
        faces_control=np.full_like(bare.faces_control, np.nan),
        looks=replace(
            bare.looks,
            pictures=np.full_like(bare.looks.pictures, np.nan),
            control=np.full_like(bare.looks.control, np.nan),
        ),
    )
    said = of(bare)
    assert said.headline.startswith("Take none of these yet")
    assert "No picture of any row shows a face: look at the pictures" in said.sentences[1]
    assert [row.copy for row in rank(bare)] == [None, None]


def test_a_likeness_that_still_rises_asks_for_more_epochs() -> None:
    rising = make_evidence([FLOOR, FLOOR + 0.02, FLOOR + 0.05], noise=0.005, training=0)
    said = of(rising)
    assert said.headline.startswith("Take none")
    assert said.sentences[1] == "Likeness still rises at the last epoch: train for longer, and grade the later epochs."


def test_where_every_row_breaks_a_limit_that_comes_first() -> None:
    mask = np.zeros((2, 20), dtype=bool)
    mask[:, :8] = True
    said = of(without_faces(make_evidence([0.6, 0.5]), mask))
    assert said.headline == "Take none of these as they are: every row breaks a limit."
    assert "breaks the fewest: face rate" in said.sentences[0]
    assert "lower weights" in said.sentences[1]


def test_a_row_more_alike_that_breaks_a_limit_is_named() -> None:
    mask = np.zeros((3, 20), dtype=bool)
    mask[2, :6] = True
    said = of(without_faces(make_evidence([0.6, 0.3, 0.9], noise=0.02), mask))
    assert "1 row looks more like the subject but broke a limit" in said.sentences[2]
    assert "hina-000003" in said.sentences[2]


def test_where_no_other_row_keeps_the_limits_none_is_called_worse() -> None:
    mask = np.zeros((2, 20), dtype=bool)
    mask[1, :6] = True
    said = of(without_faces(make_evidence([0.6, 0.3], noise=0.02), mask))
    assert said.sentences[1] == (
        "Every other row breaks a limit: grade lower weights or other epochs beside it before you settle on it."
    )


def test_one_cell_and_one_picture_say_so() -> None:
    assert "only cell" in of(make_evidence([0.6])).sentences[1]
    assert "only cell" in of(reordered(make_evidence([0.6]), [0, 0])).sentences[1]
    one = of(make_evidence([0.6, 0.5], prompts=1, seeds=1, training=0))
    assert one.headline == "Nothing can be told yet: there is one picture of each row."
    assert "seeds = 4" in one.sentences[1]


def test_a_twin_is_called_a_twin() -> None:
    evidence = reordered(make_evidence([0.6, 0.3], noise=0.03, training=0), [0, 1, 0])
    cells = list(evidence.cells)
    cells[2] = replace(cells[2], checkpoint="copy-of-it")
    said = of(replace(evidence, cells=cells))
    assert "or any" not in said.headline
    assert re.search(r"\((copy-of-it|hina-000001) at unet=0.8,te=0.6 holds the same tensors\)", said.sentences[1])
