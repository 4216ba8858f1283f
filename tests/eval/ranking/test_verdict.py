"""The verdict of planted grids, as a person reads it who knows no statistics: what to take, how sure, what to do."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from eval.exporting.export import choose_cell
from eval.ranking.columns import OF_CEILING, STANDING, row_as_json
from eval.ranking.evidence import Evidence
from eval.ranking.missing_pictures import LeftOut
from eval.ranking.none_to_take import Verdict, picture_change
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.ranking.verdict import verdict
from synthetic_evidence import FACE_SIZE, FLOOR, faces_at, make_evidence, of_a_teapot, reordered, without_faces


def of(evidence: Evidence) -> Verdict:
    said = verdict(rank(evidence), evidence, score(evidence))
    sentences = re.findall(r"[.!](?:\s|$)", " ".join(said.all))
    assert len(sentences) <= 4, said.all
    return said


def test_a_clear_winner_is_named_and_nothing_more_is_asked_for() -> None:
    said = of(make_evidence([0.3, 0.7, 0.4], noise=0.03, training=0))
    assert said.headline == "Take hina-000002 at unet=0.8,te=0.6."
    assert "On new pictures expect an identity (likeness to the subject) of 0.69" in said.sentences[0]
    assert "of the way from the base model" in said.sentences[0]
    assert said.sentences[1] == (
        "Every other row within the limits is shown to be worse: nothing more has to be rendered."
    )
    assert said.sentences[2].startswith("What is given up for it (0 is nothing): obedience to the prompt")


def test_many_as_good_are_all_offered_and_left_to_the_eye() -> None:
    said = of(make_evidence([0.6] * 12, noise=0.03, prompts=6, seeds=8, training=0))
    assert re.match(r"Take hina-0000\d\d at unet=0.8,te=0.6, or any of the \d+ rows as good\.", said.headline)
    assert "are as good (less than 0.02 apart): choose by eye (the studio's Vote page" in said.sentences[1]


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


def test_a_row_past_a_limit_by_chance_is_taken_with_a_warning_and_who_keeps_it_is_named() -> None:
    evidence = make_evidence([0.6] * 3, noise=0.01, prompts=6, seeds=8, training=0)
    ranked, scores = rank(evidence), score(evidence)
    past = "bleed +0.310 (95 % -0.020 to 0.640) is above its limit, but so few pictures may be so by chance"
    first = replace(ranked[0], doubtful=(past,))
    alike = [replace(row, standing="as good") for row in ranked[1:]]
    said = verdict([first, *alike], evidence, scores)
    assert said.taken is first
    assert said.sentences[1] == (
        f"Look at its pictures first: {past}; {alike[0].name} and {alike[1].name} keep every limit."
    )
    assert len(said.sentences) == 3
    alone = verdict([first, replace(alike[0], doubtful=(past,)), replace(alike[1], standing="worse")], evidence, scores)
    assert alone.sentences[1] == f"Look at its pictures first: {past}."
    assert not any("Look at its pictures first" in sentence for sentence in verdict(ranked, evidence, scores).sentences)


def test_what_cannot_be_told_yet_says_how_many_seeds_would_tell() -> None:
    evidence = make_evidence([0.6, 0.58, 0.3], noise=0.03, training=0)
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
    assert said.headline == "Take none of these yet: no picture of any row shows a face."
    assert said.sentences[1].startswith("Look at the pictures, and give prompts, a size and steps")
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
    assert "only cell" in of(make_evidence([0.6], training=0)).sentences[1]
    assert "only cell" in of(reordered(make_evidence([0.6], training=0), [0, 0])).sentences[1]
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


def scattering(shares: list[list[float]], seed: int = 3) -> Evidence:
    """Rows of six prompts and four seeds: half of a row's pictures at one cosine and half at another, base at 0.1."""
    rng = np.random.default_rng(seed)
    made = make_evidence([0.5] * len(shares), prompts=6, seeds=4, training=0, noise=0.03)
    at, faces = made.where("subject"), made.faces.copy()
    for row, (one, other) in enumerate(shares):
        cosines = np.where(rng.permutation(len(at)) % 2 == 0, one, other) + rng.normal(scale=0.02, size=len(at))
        faces[row, at] = faces_at(cosines, np.eye(FACE_SIZE)[0], rng)
    return replace(made, faces=faces)


def test_the_first_row_is_not_taken_where_it_gains_nothing_and_others_surely_do() -> None:
    """No picture counts below the floor, so rows that scatter come first by identity, and gain nothing."""
    evidence = scattering([[0.85, -0.65]] * 6 + [[0.35, 0.35]] * 6)
    rows, said = rank(evidence), of(evidence)
    assert not rows[0].worth_taking
    assert said.taken is not None
    assert said.taken.name == next(row.name for row in rows if row.worth_taking)
    assert said.taken.identity < rows[0].identity
    assert said.headline.startswith(f"Take {said.taken.name}: it is the first row that is shown to be more like")
    assert f"expect an identity (likeness to the subject) of {said.taken.expected:.3f}" in said.sentences[0]
    assert rows[0].name in said.sentences[1]
    assert "are not shown to be worth taking: the first gains" in said.sentences[1]
    assert "worth taking, too: choose by eye" in said.sentences[2]
    assert choose_cell(None, rows, "best").name == said.taken.name  # pyright: ignore[reportArgumentType]


def test_rows_that_work_and_break_a_limit_are_said_to() -> None:
    evidence = make_evidence([0.75, FLOOR], noise=0.03, bleed_prompts=2)
    faces, others = evidence.faces.copy(), evidence.where("bleed")
    faces[0, others] = faces_at(np.full(len(others), 0.6), np.eye(FACE_SIZE)[0], np.random.default_rng(1))
    said = of(replace(evidence, faces=faces))
    assert said.headline.startswith("Take none of these as they are: only rows that break a limit are shown to be more")
    assert re.search(r"hina-000001 at \S+ gains \+0.6\d\d \(.*\) of likeness, but: bleed \+0", said.sentences[0])
    assert "earlier epochs or lower weights" in said.sentences[1]
    assert said.taken is None


def test_without_a_floor_nothing_is_gained_and_nothing_is_to_be_taken() -> None:
    evidence = make_evidence([FLOOR, FLOOR], noise=0.05, training=0)
    unseen = replace(evidence, faces_control=np.full_like(evidence.faces_control, np.nan))
    said = of(unseen)
    assert said.headline == (
        "Take none of these yet: none of the base model's own pictures shows a face, so there is nothing to compare "
        "with."
    )
    assert "how alike any stranger would be is not known" in said.sentences[0]
    assert "Put a prompt into [prompts] on which the base model shows a face" in said.sentences[1]
    for row in rank(unseen):
        assert row.gain is row.gain_low is row.gain_high is row.gain_that_matters is row.worth_taking is None
    teapot = of(of_a_teapot(unseen))
    assert "none of the base model's own pictures shows anything, so there is nothing" in teapot.headline
    one = of(replace(make_evidence([0.3], prompts=1, seeds=1), faces_control=unseen.faces_control[:2]))
    assert "nan" not in " ".join(one.all)


def test_failed_pictures_are_said_to_have_failed() -> None:
    made = make_evidence([0.6, 0.5])
    black = replace(without_faces(made, np.ones(made.failed.shape, dtype=bool)), failed=np.ones_like(made.failed))
    said = of(black)
    assert said.headline == "Take none of these yet: no picture of any row shows a face."
    assert said.sentences[0].startswith("32 of 32 failed: black, flat, not finite or not made")
    trends = [text for row in rank(black) for text in row.trends if "cop" in text or "bleed" in text]
    assert trends
    assert all("every checkpoint may " in text and "faceless pictures count as" in text for text in trends)
    assert all(" may be " in text or text.startswith("face rate") for row in rank(black) for text in row.broken)


def test_a_row_of_lost_pictures_alone_is_told_to_bring_them() -> None:
    mask = np.zeros((1, 20), dtype=bool)
    mask[:, :8] = True
    assert "Look at the pictures that are lost first" in of(without_faces(make_evidence([0.6]), mask)).sentences[1]


def test_the_gain_that_would_do_is_named() -> None:
    said = of(make_evidence([0.16, 0.15], noise=0.03, training=0))
    row = rank(make_evidence([0.16, 0.15], noise=0.03, training=0))[0]
    assert row.gain_that_matters is not None
    assert row.gain_low is not None
    assert 0 < row.gain_low < row.gain_that_matters
    assert said.headline.endswith("than the base model without a LoRA, by enough to be of use.")
    assert f"would have to gain {row.gain_that_matters:.3f} surely" in said.sentences[0]


def test_rows_that_are_left_out_are_named_before_anything_is_settled() -> None:
    evidence = make_evidence([0.6, 0.7, 0.3], noise=0.03, training=0)
    gone = LeftOut(8, 0, 20, 1, 3, "run `python -m eval grid SPEC`, which makes them again", ("hina-2",))
    said = of(replace(reordered(evidence, [0, 2]), left_out=gone))
    ending = (
        "hina-2 is left out because pictures are gone: run `python -m eval grid SPEC`, which makes them again, before "
        "you settle on one."
    )
    assert said.sentences[1] == f"Every other row within the limits is shown to be worse, but {ending}"
    assert of(replace(reordered(evidence, [0]), left_out=gone)).sentences[1] == f"It stands alone: {ending}"
    assert "(hina-2)" in str(gone)
    for rows, named in ((1, "1 row is left out"), (7, "7 rows are left out")):
        said = of(replace(reordered(evidence, [0, 2]), left_out=replace(gone, rows=rows, names=())))
        assert named in said.sentences[1]


def test_of_the_rows_that_are_as_good_the_one_that_costs_least_is_offered() -> None:
    evidence = make_evidence([0.6] * 4, noise=0.01, prompts=6, seeds=8, training=0)
    ranked = [replace(row, standing="as good", worth_taking=True) for row in rank(evidence)]
    ranked = [replace(row, bleed=bleed) for row, bleed in zip(ranked, (0.3, 0.2, 0.05, 0.1), strict=True)]
    said = " ".join(verdict([replace(ranked[0], standing="first"), *ranked[1:]], evidence, score(evidence)).all)
    assert f"Among the rows that are as good, {ranked[2].name} " in said
    assert "(0.050, the first 0.300)" in said


def test_the_way_is_the_same_in_the_table_and_the_verdict() -> None:
    evidence = make_evidence([0.55] * 11 + [0.65], noise=0.1, seeds=2, training=0, seed=2)
    shown = re.search(r"(\d+ %) of the way", of(evidence).sentences[0])
    assert shown
    row = rank(evidence)[0]
    assert shown[1] == OF_CEILING.text(row)
    assert row.expected_normalised != pytest.approx(row.identity_normalised, abs=0.01)


def test_a_way_that_is_too_short_to_be_a_scale_is_no_share() -> None:
    evidence = make_evidence([0.7, 0.5], noise=0.03, training=0)
    wide = faces_at(np.full(5, 0.42), np.eye(FACE_SIZE)[0], np.random.default_rng(1))
    mirrored = np.concatenate([wide, 2 * (wide @ np.eye(FACE_SIZE)[0])[:, None] * np.eye(FACE_SIZE)[0] - wide])
    said = of(replace(evidence, references=mirrored))
    assert "% of the way" not in " ".join(said.all)
    assert "see that they show one subject" in said.sentences[0]
    assert any(flag.startswith("the way is short") for flag in rank(replace(evidence, references=mirrored))[0].flags)


def test_worse_is_not_said_of_rows_that_are_not_there() -> None:
    units = make_evidence([0.5, 0.5, 0.5], noise=0.0, training=0)
    said = of(replace(units, faces=np.repeat(units.faces[:1], 3, axis=0)))
    assert "as good" in said.sentences[1]
    assert "worse" not in said.sentences[1]


def test_all_that_break_a_limit_are_said_to_in_json_as_in_the_table() -> None:
    mask = np.zeros((2, 20), dtype=bool)
    mask[:, :8] = True
    rows = rank(without_faces(make_evidence([0.6, 0.5]), mask))
    said = [(row.standing, row_as_json(row)["standing"], STANDING.text(row)) for row in rows]
    assert said == [("limit", "limit", "limit: faces, copy")] * 2


def test_no_interval_of_a_cosine_goes_beyond_one() -> None:
    rows = rank(make_evidence([0.9, 0.3], prompts=1, seeds=2, noise=0.2, training=0, seed=3))
    ends = [(row.identity_low, row.identity_high) for row in rows]
    assert all(low is not None and high is not None and -1 <= low <= high <= 1 for low, high in ends)
    assert any(1.0 in end or -1.0 in end for end in ends), "one is cut off"


def test_a_row_of_failed_pictures_has_no_mean_and_no_warning() -> None:
    made = make_evidence([0.6, 0.5])
    pictures = made.pictures.copy()
    pictures[0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture_change(replace(made, pictures=pictures)) > 0.5
