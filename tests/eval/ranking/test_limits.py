"""What a cell breaks, in words with figures, and the front: cells whose figures are set, not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.copying import Copying
from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits, applicable, limits_broken, limits_of, perhaps_broken, repeated_pictures
from eval.ranking.none_to_take import Verdict
from eval.ranking.ranking import rank
from eval.ranking.scores import Scores, score
from eval.ranking.verdict import verdict
from eval.request.spec import LimitsSection
from eval.statistics.intervals import wilson
from eval.statistics.pareto import pareto_front as front
from synthetic_evidence import FACE_SIZE, FLOOR, faces_at, make_evidence, of_a_teapot, without_faces

NAN = np.nan
OFF = Limits(face_rate=None, prompt=None, bleed=None, copy=None)


def copied(shares: list[list[float]], half: float = 0.0, names: Sequence[str] = ("one.png", "two.png")) -> Copying:
    """Four pictures of a bare prompt; the first two are nearest to the first training picture, the others to both."""
    nearest = np.tile([0, 0, 0, 1], (len(shares), 1))
    return Copying(["photo of ohwx"] * 4, np.array(shares), np.ones(4, dtype=bool), half, nearest, names)


def _scores(
    *,
    faces: list[list[float]] | None = None,
    prompt: list[list[float]] | None = None,
    bleed: list[list[float]] | None = None,
    copy: list[list[float]] | None = None,
    identity: list[float] | None = None,
) -> Scores:
    """Cells of four subject units and two of others; from floor 0.25 to ceiling 0.75; prompt contrast 0.4."""
    given = next(one for one in (faces, prompt, bleed, copy, identity) if one is not None)
    cells = len(given)
    made = score(make_evidence([0.5] * cells, prompts=2, seeds=2))
    counted = np.full((cells, 4), 0.5) if identity is None else np.tile(np.array(identity)[:, None], (1, 4))
    return replace(
        made,
        raw=np.array(faces) if faces else np.full((cells, 4), 0.5),
        counted=counted,
        prompt_changes=np.array(prompt) if prompt else np.zeros((cells, 4)),
        bleed_changes=np.array(bleed) if bleed else np.zeros((cells, 2)),
        bleed_judged=np.ones(2, dtype=bool),
        copying=copied(copy or [[0.0] * 4] * cells),
        floor=0.25,
        ceiling=0.75,
        prompt_contrast=0.4,
        face_rate_control=1.0,
        prompt_half=0.0,
        bleed_half=0.0,
        failed=None,
    )


def pareto_front(scores: Scores) -> np.ndarray:
    return front([scores.identity, scores.prompt], [scores.bleed, scores.copy])


def test_a_cell_that_does_as_the_base_model_does_breaks_nothing() -> None:
    assert limits_broken(_scores(prompt=[[0.0] * 4] * 3), Limits()) == [[], [], []]


def test_the_prompt_may_lose_half_of_the_contrast() -> None:
    scores = _scores(prompt=[[-0.2] * 4, [-0.21] * 4, [-0.1, -0.1, -0.1, -0.6], [0.3] * 4])
    said = "prompt {0} (95 % {0} to {0}) is below the limit -0.200: it no longer does what is asked"
    assert limits_broken(scores, Limits()) == [[], [said.format("-0.210")], [said.format("-0.225")], []]
    assert limits_broken(scores, replace(Limits(), prompt=0.6)) == [[]] * 4
    assert limits_broken(scores, replace(Limits(), prompt=None)) == [[]] * 4


@pytest.mark.parametrize("contrast", [-0.4, 0.0, NAN])
def test_without_a_contrast_no_prompt_is_lost(contrast: float) -> None:
    assert limits_broken(replace(_scores(prompt=[[-0.01] * 4]), prompt_contrast=contrast), Limits()) == [[]]


def test_bleed_may_take_a_quarter_of_the_way_from_floor_to_ceiling() -> None:
    scores = _scores(bleed=[[0.125, 0.125], [0.126, 0.126], [0.2, 0.0]])
    said = "bleed +0.126 (95 % +0.126 to +0.126) is above the limit +0.125: other people take on the face"
    assert limits_broken(scores, Limits()) == [[], [said], []]
    assert limits_broken(scores, replace(Limits(), bleed=0.3)) == [[]] * 3
    assert limits_broken(scores, replace(Limits(), bleed=None)) == [[]] * 3


def test_faces_of_others_that_are_lost_may_have_bled() -> None:
    one_picture = replace(_scores(bleed=[[NAN, 0.0]]), bleed_judged=np.array([True, False]))
    assert limits_broken(one_picture, Limits()) == [
        [
            "bleed +0.500 may be above the limit +0.125: faceless pictures of other people (1 of 1) count as if they "
            "took on the face; look at them"
        ]
    ]
    scores = _scores(bleed=[[0.1, NAN], [NAN, NAN], [0.3, NAN], [0.25, NAN], [-0.3, NAN]])
    may = (
        "bleed {} may be above the limit +0.125: faceless pictures of other people ({} of 2) count as if they took on "
        "the face; look at them"
    )
    assert [text for one in limits_broken(scores, Limits()) for text in one] == [
        may.format("+0.300", 1),
        may.format("+0.500", 2),
        "bleed +0.400 (95 % +0.400 to +0.400) is above the limit +0.125: other people take on the face; faceless "
        "pictures that the base model does not have count as that: 1",
        may.format("+0.375", 1),
    ], "a quarter of the way with a lost face as 0 is the limit, and not above it"


def test_copying_may_reach_its_limit_and_the_picture_that_copies_most_is_left_out() -> None:
    scores = _scores(copy=[[0.15] * 4, [0.9, 0.15, 0.15, 0.15], [0.9, 0.9, 0.6, 0.0], [0.9, 0.9, 0.9, 0.9], [0.0] * 4])
    above = "copy {0} (95 % {0} to {0}) is above the limit +0.150: "
    assert limits_broken(scores, Limits()) == [
        [],
        [],
        [
            above.format("+0.500")
            + "3 of 4 pictures of the prompt `photo of ohwx` repeat the training picture `one.png`"
        ],
        [
            above.format("+0.900")
            + "4 of 4 pictures of the prompt `photo of ohwx` repeat the training pictures `one.png`, `two.png`"
        ],
        [],
    ]
    assert limits_broken(scores, replace(Limits(), copy=0.95)) == [[]] * 5
    assert limits_broken(scores, replace(Limits(), copy=None)) == [[]] * 5


def test_a_copy_must_be_surely_more_than_what_the_base_model_shows() -> None:
    scores = _scores(copy=[[0.5] * 4])
    for half, broken in ((0.0, 1), (0.49, 1), (0.5, 0), (0.8, 0), (NAN, 0)):
        assert len(limits_broken(replace(scores, copying=copied([[0.5] * 4], half)), Limits())[0]) == broken


def test_faces_that_are_lost_may_have_been_copies() -> None:
    scores = _scores(copy=[[0.0, 0.0, NAN, NAN], [0.9, 0.9, 0.9, NAN], [0.4, 0.1, 0.0, NAN], [0.4, 0.0, 0.0, NAN]])
    may = (
        "copy {} may be above the limit +0.150: faceless pictures of the prompt `photo of ohwx` ({} of 4) count as "
        "copies; look at them"
    )
    assert [text for one in limits_broken(scores, Limits()) for text in one] == [
        may.format("+0.333", 2),
        "copy +0.900 (95 % +0.900 to +0.900) is above the limit +0.150: 3 of 4 pictures of the prompt `photo of ohwx` "
        "repeat the training picture `one.png`; faceless pictures that the base model does not have count as copies: 1",
        may.format("+0.167", 1),
    ]


def test_pictures_that_failed_may_have_obeyed() -> None:
    scores = _scores(prompt=[[-0.9, -0.9, 0.0, 0.0], [-0.9, -0.9, -0.9, 0.0]])
    failed = np.array([[True, True, False, False], [True, False, False, False]])
    assert [text for one in limits_broken(replace(scores, failed=failed), Limits()) for text in one] == [
        "prompt -0.450 may be below the limit -0.200: failed pictures (2 of 4) count as showing nothing of it; look at "
        "them",
        "prompt -0.675 (95 % -0.675 to -0.675) is below the limit -0.200: it no longer does what is asked",
    ]


@pytest.mark.parametrize("name", ["prompt", "bleed", "copy"])
def test_no_limit_is_broken_by_what_may_be_chance(name: str) -> None:
    """Past the limit, and the interval of chance reaches 0: a flag asks for more seeds, and nobody is accused."""
    value = -0.3 if name == "prompt" else 0.3
    made = _scores(**{name: [[value] * (2 if name == "bleed" else 4)]})  # pyright: ignore[reportArgumentType]
    for half, broken in ((0.29, True), (0.31, False), (NAN, False)):
        scores = replace(made, prompt_half=half, bleed_half=half, copying=replace(made.copying, half=half))
        assert bool(limits_broken(scores, Limits())[0]) is broken
        flags = perhaps_broken(scores, Limits(), 0)
        assert [flag.split()[0] for flag in flags] == ([] if broken else [name])
        assert all("may be so by chance: give more seeds to tell" in flag for flag in flags)


@pytest.mark.parametrize("name", ["prompt", "bleed", "copy"])
def test_each_row_is_told_of_its_own_limits_and_of_none_that_is_switched_off(name: str) -> None:
    """The first row is past a limit by chance, the second by nothing."""
    value, units = (-0.3 if name == "prompt" else 0.3), (2 if name == "bleed" else 4)
    made = _scores(**{name: [[value] * units, [0.0] * units]})  # pyright: ignore[reportArgumentType]
    scores = replace(made, prompt_half=0.31, bleed_half=0.31, copying=replace(made.copying, half=0.31))
    assert [len(perhaps_broken(scores, Limits(), at)) for at in (0, 1)] == [1, 0]
    assert perhaps_broken(scores, OFF, 0) == []


def test_each_rows_own_interval_stands_beside_its_own_figure() -> None:
    """The second row's failed pictures widen nothing of the first's."""
    made = _scores(prompt=[[-0.3] * 4, [-0.25] * 4], bleed=[[0.3] * 2, [0.2] * 2], copy=[[0.3] * 4, [0.25] * 4])
    scores = replace(made, prompt_half=0.31, bleed_half=0.31, copying=replace(made.copying, half=0.31))
    by_chance = "its limit, but so few pictures may be so by chance: give more seeds to tell"
    assert [perhaps_broken(scores, Limits(), at) for at in (0, 1)] == [
        [
            f"prompt -0.300 (95 % -0.610 to +0.010) is below {by_chance}",
            f"bleed +0.300 (95 % -0.010 to +0.610) is above {by_chance}",
            f"copy +0.300 (95 % -0.010 to +0.610) is above {by_chance}",
        ],
        [
            f"prompt -0.250 (95 % -0.560 to +0.060) is below {by_chance}",
            f"bleed +0.200 (95 % -0.110 to +0.510) is above {by_chance}",
            f"copy +0.250 (95 % -0.060 to +0.560) is above {by_chance}",
        ],
    ]


def test_prompts_that_are_hardly_told_apart_are_no_scale_for_a_limit() -> None:
    scores = replace(_scores(prompt=[[-0.3] * 4]), prompt_contrast=0.009)
    assert limits_broken(scores, Limits()) == [[]]
    assert limits_broken(replace(scores, prompt_contrast=-0.1), Limits()) == [[]]
    assert len(limits_broken(replace(scores, prompt_contrast=0.011), Limits())[0]) == 1


def test_training_pictures_are_named_as_far_as_they_are_known() -> None:
    alone = copied([[0.9] * 4], names=())
    assert repeated_pictures(alone, 0, 0.25).endswith("repeat the training pictures")
    many = replace(copied([[0.9] * 4], names=list("abcde")), nearest=np.array([[4, 1, 2, 3]]))
    assert repeated_pictures(many, 0, 0.25).endswith("repeat the training pictures `e`, `b`, `c` and 1 more")
    three = replace(many, nearest=np.array([[4, 1, 2, 4]]))
    assert repeated_pictures(three, 0, 0.25).endswith("repeat the training pictures `e`, `b`, `c`")
    only = Copying(["p", "q"], np.array([[0.9, 0.1]]), np.ones(2, dtype=bool), 0.0, np.array([[0, 0]]), ["a"])
    assert repeated_pictures(only, 0, 0.25) == "1 picture of the prompt `p` repeats the training picture `a`"


def test_the_face_rate_is_broken_where_its_whole_interval_is_below() -> None:
    faces = [[0.5, 0.5, 0.5, 0.5], [0.5, NAN, NAN, NAN], [NAN] * 4]
    low, high = wilson(1, 4)
    limits = replace(OFF, face_rate=0.9)
    assert limits_broken(_scores(faces=faces), limits) == [
        [],
        [f"face rate 0.25 (95 % {low:.2f} to {high:.2f}) is below the limit 0.90"],
        ["face rate 0.00 (95 % 0.00 to 0.49) is below the limit 0.90"],
    ]
    half = replace(_scores(faces=faces), face_rate_control=0.75)
    assert [len(one) for one in limits_broken(half, limits)] == [0, 0, 1], "a share of the base model's own"
    exactly = replace(_scores(faces=faces), face_rate_control=wilson(1, 4)[1])
    assert limits_broken(exactly, replace(OFF, face_rate=1.0))[1] == []
    assert limits_broken(_scores(faces=faces), OFF) == [[]] * 3


def test_a_specification_sets_some_limits_and_switches_others_off() -> None:
    assert limits_of(LimitsSection()) == Limits() == Limits(face_rate=0.9, prompt=0.5, bleed=0.25, copy=0.15)
    section = LimitsSection.model_validate({"face_rate": "off", "bleed": 0.5})
    assert limits_of(section) == replace(Limits(), face_rate=None, bleed=0.5)


def test_only_a_subject_with_a_face_has_a_face_rate() -> None:
    evidence = make_evidence([0.5])
    assert applicable(Limits(), evidence) == Limits()
    assert applicable(Limits(), of_a_teapot(evidence)) == replace(Limits(), face_rate=None)


def test_on_the_front_is_what_no_other_beats_in_everything() -> None:
    """The second has less identity than the first, and obeys better; the third is beaten by both."""
    scores = _scores(identity=[0.6, 0.5, 0.5], prompt=[[0.0] * 4, [0.1] * 4, [0.0] * 4])
    assert pareto_front(scores).tolist() == [True, True, False]


@pytest.mark.parametrize("worse", ["identity", "prompt", "bleed", "copy"])
def test_a_cell_worse_in_one_figure_and_equal_in_the_others_is_off_the_front(worse: str) -> None:
    prompt, bleed, copy = (
        [[0.1 if worse != name else 0.1 + by] for by in (0.0, step)]
        for name, step in (("prompt", -0.05), ("bleed", 0.05), ("copy", 0.05))
    )
    scores = _scores(
        identity=[0.5, 0.4 if worse == "identity" else 0.5],
        prompt=[one * 4 for one in prompt],
        bleed=[one * 2 for one in bleed],
        copy=[one * 4 for one in copy],
    )
    assert pareto_front(scores).tolist() == [True, False]


def test_bleed_or_copying_below_zero_is_no_merit_on_the_front() -> None:
    scores = _scores(identity=[0.6, 0.5], bleed=[[0.0] * 2, [-0.3] * 2], copy=[[-0.1] * 4, [-0.4] * 4])
    assert pareto_front(scores).tolist() == [True, False]


def test_equal_cells_are_all_on_the_front_and_so_are_those_that_show_the_same_digits() -> None:
    assert pareto_front(_scores(identity=[0.5, 0.5])).tolist() == [True, True]
    assert pareto_front(_scores(identity=[0.50001, 0.49998])).tolist() == [True, True]
    assert pareto_front(_scores(identity=[0.5001, 0.5])).tolist() == [True, False]


def test_a_figure_that_one_cell_lacks_is_its_worst_and_one_that_all_lack_counts_nothing() -> None:
    lacking = [[NAN] * 4, [-0.9] * 4]
    assert pareto_front(_scores(prompt=lacking)).tolist() == [False, True]
    assert pareto_front(_scores(identity=[0.6, 0.5], prompt=[[NAN] * 4] * 2)).tolist() == [True, False]


def verdict_of(evidence: Evidence) -> Verdict:
    return verdict(rank(evidence), evidence, score(evidence))


def bleeding(identities: list[float], strangers: float) -> Evidence:
    """Rows as alike as told, on which strangers come as near to the subject as told."""
    made = make_evidence(identities, noise=0.03, training=0)
    at, faces = made.where("bleed"), made.faces.copy()
    cosines = np.full((len(identities), len(at)), strangers)
    faces[:, at] = faces_at(cosines, np.eye(FACE_SIZE)[0], np.random.default_rng(4))
    return replace(made, faces=faces)


@pytest.mark.parametrize("identities", [[FLOOR + 0.02, FLOOR + 0.07], [FLOOR, FLOOR]])
def test_where_hardly_anything_is_learned_and_all_bleed_less_of_it_is_not_the_advice(identities: list[float]) -> None:
    evidence = bleeding(identities, 0.5)
    said = verdict_of(evidence)
    assert said.headline == "Take none of these as they are: every row breaks a limit."
    furthest = max(row.expected_normalised or 0.0 for row in rank(evidence))
    assert furthest < 0.15
    assert f"comes nearest is {100 * max(0.0, furthest):.0f} % of the way" in said.sentences[1]
    assert "train for longer or at higher rates, with reg pictures of the class" in said.sentences[1]
    assert "Try earlier epochs" not in " ".join(said.all)


def test_where_the_subject_is_learned_and_all_bleed_less_of_it_is_the_advice() -> None:
    said = verdict_of(bleeding([0.5, 0.6], 0.5))
    assert said.headline == "Take none of these as they are: every row breaks a limit."
    assert said.sentences[1].startswith("Try earlier epochs or lower weights")


def test_where_faces_are_lost_less_of_the_lora_is_the_advice_however_unlike_the_rest_is() -> None:
    """A LoRA that is burnt loses likeness with the faces."""
    mask = np.zeros((2, 20), dtype=bool)
    mask[:, :8] = True
    said = verdict_of(without_faces(bleeding([FLOOR, FLOOR], 0.5), mask))
    assert "face rate" in said.sentences[0]
    assert "earlier epochs or lower weights" in said.sentences[1]


def test_where_hardly_anything_is_learned_but_a_picture_by_heart_other_pictures_are_the_advice() -> None:
    evidence = make_evidence([FLOOR + 0.02, FLOOR + 0.05], noise=0.03, training=0)
    copies = "copy +0.300 is above the limit +0.150: 1 picture repeats the training picture"
    said = verdict([replace(row, broken=(copies,)) for row in rank(evidence)], evidence, score(evidence))
    assert said.sentences[1].endswith("then train on more and other pictures.")
    assert "bleed" not in said.sentences[1]
