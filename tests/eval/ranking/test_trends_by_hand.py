"""Every sentence about epochs and weights, word for word, of cells whose figures are set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.copying import Copying
from eval.ranking.evidence import CellFacts
from eval.ranking.limits import Limits
from eval.ranking.scores import Scores, score
from eval.ranking.trends import trends
from eval.statistics.contrasts import PictureScores
from eval.wording.subject_words import WORDS
from loras.weights import Weights
from synthetic_evidence import make_evidence

# Four pictures of the subject a cell, of which a noise is drawn where intervals are to have a width.
NOISE = np.array([0.01, -0.01, 0.03, -0.03])
SURE = "{0:+.3f} (95 % {0:+.3f} to {0:+.3f})"


def _cells(*settings: tuple[int | None, float, float], te2: Sequence[float] | None = None) -> list[CellFacts]:
    """Cells of (epoch, UNet, TEnc); a file is called by its epoch."""
    return [
        CellFacts(f"cell{at}", f"hina-{epoch}", epoch, Weights(unet, te, te2[at] if te2 else te), "")
        for at, (epoch, unet, te) in enumerate(settings)
    ]


def _copied(shares: np.ndarray, judged: bool = True) -> Copying:
    """Of one prompt over four seeds."""
    return Copying(["photo of ohwx"] * 4, shares, np.full(4, judged), 0.0)


def _scores(cells: int, wavering: Sequence[float] = (), **figures: Sequence[float]) -> Scores:
    """Figures by name, one a cell, the same in every picture but for identity's noise times `wavering`.

    Limits are 0.125 for bleed (a quarter of the span), -0.2 for the prompt (half of the contrast) and 0.15 for copy.
    """
    made = score(make_evidence([0.5] * cells, prompts=2, seeds=2))
    of = {name: np.array(figures.get(name, [0.0] * cells), dtype=float) for name in ("prompt", "bleed", "copy")}
    faces = np.array(figures.get("faces", [4] * cells))
    noise = np.array(wavering or [0.0] * cells)[:, None] * NOISE
    return replace(
        made,
        raw=np.where(np.arange(4) < faces[:, None], 0.5, np.nan),
        counted=np.array(figures.get("identity", [0.5] * cells))[:, None] + noise,
        prompt_changes=np.tile(of["prompt"][:, None], (1, 4)),
        bleed_changes=np.tile(of["bleed"][:, None], (1, 2)),
        copying=_copied(np.tile(of["copy"][:, None], (1, 4))),
        floor=0.25,
        ceiling=0.75,
        prompt_contrast=0.4,
    )


def _said(
    cells: list[CellFacts], scores: Scores, limits: Limits | None = None, subject: str = "face"
) -> list[tuple[str, list[int]]]:
    evidence = replace(make_evidence([0.5] * len(cells), prompts=2, seeds=2), cells=cells, subject=subject)
    found = trends(evidence, replace(scores, words=WORDS[subject]), limits or Limits())
    return [(one.text, sorted(one.cells)) for one in found]


def _over_unet(limits: Limits | None = None, **figures: Sequence[float]) -> list[tuple[str, list[int]]]:
    """Three UNet weights of one file whose epoch nobody knows."""
    return _said(_cells((None, 0.6, 0.5), (None, 0.8, 0.5), (None, 1.0, 0.5)), _scores(3, **figures), limits)


def _over_epochs(limits: Limits | None = None, **figures: Sequence[float]) -> list[tuple[str, list[int]]]:
    return _said(_cells((4, 1.0, 0.5), (8, 1.0, 0.5), (12, 1.0, 0.5)), _scores(3, **figures), limits)


def test_a_grid_in_which_nothing_differs_says_nothing() -> None:
    assert _over_unet() == []
    assert _over_epochs() == []


@pytest.mark.parametrize(
    ("figure", "values", "words"),
    [
        ("identity", [0.3, 0.45, 0.5], "likeness rises with the UNet weight, from 0.6 to 1: " + SURE.format(0.2)),
        ("identity", [0.5, 0.35, 0.3], "likeness falls with the UNet weight, from 0.6 to 1: " + SURE.format(-0.2)),
        ("bleed", [0.0, 0.05, 0.1], "bleeding into other people grows with the UNet weight, from 0.6 to 1: "
         + SURE.format(0.1)),
        ("copy", [0.1, 0.05, 0.0], "copying of training pictures shrinks with the UNet weight, from 0.6 to 1: "
         + SURE.format(-0.1)),
        ("prompt", [0.0, -0.05, -0.1], "obedience to the prompt falls with the UNet weight, from 0.6 to 1: "
         + SURE.format(-0.1)),
        ("faces", [4, 3, 2], "pictures with a face become fewer with the UNet weight, from 0.6 to 1: "),
    ],
)  # fmt: skip
def test_the_way_of_a_figure_is_said_with_its_size(figure: str, values: list[float], words: str) -> None:
    ((text, cells),) = _over_unet(**{figure: values})
    assert text.startswith(words)
    assert cells == [0, 1, 2]


def test_what_nobody_would_notice_is_not_said() -> None:
    assert _over_unet(identity=[0.3, 0.3, 0.3098]) == []
    assert len(_over_unet(identity=[0.3, 0.305, 0.3102])) == 1


@pytest.mark.parametrize(
    ("figure", "values", "words", "cells"),
    [
        ("bleed", [0.0, 0.05, 0.3], "UNet above 0.8 bleeds into other people: bleed +0.300 there and +0.025 up to it; "
         f"with all else the same {SURE.format(0.275)} more", [2]),
        ("bleed", [0.0, 0.2, 0.3], "UNet above 0.6 bleeds into other people: bleed +0.250 there and +0.000 up to it; "
         f"with all else the same {SURE.format(0.25)} more", [1, 2]),
        ("copy", [0.1, 0.1, 0.3], "UNet above 0.8 copies its training pictures: copy +0.300 there and +0.100 up to it; "
         f"with all else the same {SURE.format(0.2)} more", [2]),
        ("prompt", [0.0, -0.1, -0.3], "UNet above 0.8 no longer does what is asked: prompt -0.300 there and -0.050 "
         f"up to it; with all else the same {SURE.format(-0.25)} more", [2]),
    ],
)  # fmt: skip
def test_the_level_above_which_a_limit_is_passed_is_named(
    figure: str, values: list[float], words: str, cells: list[int]
) -> None:
    found = _over_unet(**{figure: values})
    assert found[0] == (words, cells)
    assert not any("with the UNet weight" in text for text, _ in found), "its way is not said again"


def test_a_limit_that_is_off_or_passed_here_and_there_names_no_level() -> None:
    off = replace(Limits(), bleed=None)
    assert [text[:14] for text, _ in _over_unet(off, bleed=[0.0, 0.05, 0.3])] == ["bleeding into "]
    assert _over_unet(bleed=[0.0, 0.2, 0.0]) == []
    assert not any("above" in text for text, _ in _over_unet(bleed=[0.3, 0.0, 0.3]))
    assert not any("above" in text for text, _ in _over_unet(bleed=[0.3, 0.3, 0.4])), "no level is below it"


def test_cells_that_lack_a_figure_are_no_part_of_its_mean() -> None:
    """Of four cells at the higher weight one lacks it; so does one of two below."""
    cells = _cells((None, 0.6, 0.0), (None, 0.6, 1.0), (None, 1.0, 0.0), (None, 1.0, 1.0))
    found = _said(cells, _scores(4, prompt=[0.0, np.nan, -0.3, -0.3]))
    assert found[0] == (
        "UNet above 0.6 no longer does what is asked: prompt -0.300 there and +0.000 up to it; "
        f"with all else the same {SURE.format(-0.3)} more",
        [2, 3],
    )


def test_two_text_encoders_with_weights_of_their_own_are_two_axes() -> None:
    cells = _cells((None, 1, 0.0), (None, 1, 0.5), (None, 1, 0.0), (None, 1, 0.5), te2=[0.0, 0.0, 0.5, 0.5])
    assert _said(cells, _scores(4, identity=[0.4, 0.6, 0.3, 0.5])) == [
        (f"likeness rises with the TEnc 1 weight, from 0 to 0.5: {SURE.format(0.2)}", [0, 1, 2, 3]),
        (f"likeness falls with the TEnc 2 weight, from 0 to 0.5: {SURE.format(-0.1)}", [0, 1, 2, 3]),
    ]


SQUARE = ((None, 0.6, 0.0), (None, 0.6, 1.0), (None, 1.0, 0.0), (None, 1.0, 1.0))


def test_weights_that_pull_apart_are_one_sentence() -> None:
    assert _said(_cells(*SQUARE), _scores(4, identity=[0.4, 0.3, 0.6, 0.5])) == [
        (
            f"UNet and TEnc pull apart: likeness rises with the UNet weight, from 0.6 to 1: {SURE.format(0.2)}, "
            f"and falls with the TEnc weight, from 0 to 1: {SURE.format(-0.1)}",
            [0, 1, 2, 3],
        )
    ]
    ((text, _),) = _said(_cells(*SQUARE), _scores(4, identity=[0.5, 0.6, 0.3, 0.4]))
    assert "likeness falls with the UNet weight" in text
    assert "and rises with the TEnc weight" in text


def test_a_text_encoder_whose_way_hangs_on_the_unet_is_one_sentence() -> None:
    assert _said(_cells(*SQUARE), _scores(4, identity=[0.4, 0.6, 0.5, 0.3])) == [
        (
            f"UNet and TEnc pull apart: more TEnc, from 0 to 1, changes likeness by {SURE.format(0.2)} at UNet 0.6 "
            f"and by {SURE.format(-0.2)} at UNet 1",
            [0, 1, 2, 3],
        )
    ]
    for alike in ([0.4, 0.6, 0.5, 0.8], [0.4, 0.6, 0.5, 0.5]):
        assert not any("apart" in text for text, _ in _said(_cells(*SQUARE), _scores(4, identity=alike)))


def test_the_best_epoch_is_past_or_not_yet_there() -> None:
    assert _over_epochs(identity=[0.3, 0.5, 0.4]) == [
        (
            f"likeness is past its best: epoch 12 differs from epoch 8 by {SURE.format(-0.1)}; "
            "the training went on for too long, or too strongly",
            [2],
        )
    ]
    assert _over_epochs(identity=[0.5, 0.4, 0.3]) == [
        (
            f"likeness is past its best: epoch 12 differs from epoch 4 by {SURE.format(-0.2)}; "
            "the training went on for too long, or too strongly",
            [1, 2],
        )
    ]
    assert _over_epochs(identity=[0.1, 0.4, 0.45]) == [
        (
            f"likeness still rises at the end: epoch 12 differs from epoch 8 by {SURE.format(0.05)}; "
            "more epochs may bring more",
            [2],
        )
    ]
    assert _over_epochs(identity=[0.3, 0.5, 0.495]) == []
    assert _over_epochs(identity=[0.3, 0.5, 0.505]) == []


def test_a_peak_that_only_other_weights_made_is_none() -> None:
    """Epoch 8 has the highest mean by a weight that no other epoch has; where both are, epoch 12 is better."""
    cells = _cells((4, 0.6, 0.5), (8, 0.6, 0.5), (8, 1.0, 0.5), (12, 0.6, 0.5))
    texts = [text for text, _ in _said(cells, _scores(4, identity=[0.3, 0.5, 0.9, 0.6]))]
    assert not any("best" in text or "at the end" in text for text in texts)


def test_other_figures_have_a_way_over_the_epochs() -> None:
    found = _over_epochs(bleed=[0.0, 0.02, 0.1], copy=[0.1, 0.1, 0.05], prompt=[0.0, 0.02, 0.05], faces=[4, 3, 2])
    assert [text.split(",")[0] for text, _ in found] == [
        "bleeding into other people grows over the epochs",
        "copying of training pictures shrinks over the epochs",
        "obedience to the prompt rises over the epochs",
        "pictures with a face become fewer over the epochs",
    ]
    assert found[0] == (
        f"bleeding into other people grows over the epochs, from 4 to 12: {SURE.format(0.1)}",
        [0, 1, 2],
    )


@pytest.mark.parametrize("epochs", [(4, 8, None), (4, 8, 8), (4,)])
def test_epochs_that_are_not_known_of_all_or_belong_to_several_runs_say_nothing(epochs: tuple[int | None, ...]) -> None:
    cells = _cells(*((epoch, 1.0, 0.5) for epoch in epochs))
    cells = [replace(cell, checkpoint=f"hina-{at}") for at, cell in enumerate(cells)]
    assert _said(cells, _scores(len(cells), identity=[0.3, 0.5, 0.4][: len(cells)])) == []


def test_checkpoints_that_overdo_it_are_named() -> None:
    assert _over_epochs(copy=[0.0, 0.0, 0.3]) == [
        (f"epoch 12 copies its training pictures: copy {SURE.format(0.3)}", [2])
    ]
    assert _over_epochs(bleed=[0.0, 0.2, 0.3]) == [
        (
            "epoch 8 and epoch 12 bleed into other people: "
            f"bleed epoch 8 {SURE.format(0.2)}; epoch 12 {SURE.format(0.3)}",
            [1, 2],
        )
    ]
    assert _over_epochs(copy=[0.4, 0.3, 0.35]) == [
        (
            "every checkpoint copies its training pictures: "
            f"copy epoch 4 {SURE.format(0.4)}; epoch 8 {SURE.format(0.3)}; epoch 12 {SURE.format(0.35)}",
            [0, 1, 2],
        )
    ]
    cells = _cells((1, 1.0, 0.5), (2, 1.0, 0.5), (3, 1.0, 0.5), (4, 1.0, 0.5))
    ((text, _),) = _said(cells, _scores(4, copy=[0.3, 0.0, 0.3, 0.3]))
    assert text.startswith("epoch 1, epoch 3 and epoch 4 copy their training pictures: copy epoch 1 +0.300")


def test_a_lone_checkpoint_that_overdoes_it_is_called_by_its_epoch_or_its_file() -> None:
    said = f"copies its training pictures: copy {SURE.format(0.3)}"
    assert _said(_cells((7, 1.0, 0.5)), _scores(1, copy=[0.3])) == [(f"epoch 7 {said}", [0])]
    assert _said(_cells((None, 1.0, 0.5)), _scores(1, copy=[0.3])) == [(f"hina-None {said}", [0])]
    cells = [replace(cell, checkpoint=name) for cell, name in zip(_cells((7, 1, 1), (7, 1, 1)), "ab", strict=True)]
    assert _said(cells, _scores(2, copy=[0.3, 0.0])) == [(f"a {said}", [0])]


def test_a_checkpoint_is_judged_by_the_mean_of_its_cells() -> None:
    """0.2 and 0.4 are together past the limit, and what is not judged is never said."""
    cells = _cells((7, 0.6, 0.5), (7, 0.8, 0.5))
    scores = _scores(2, copy=[0.2, 0.4])
    assert dict(_said(cells, scores))[f"epoch 7 copies its training pictures: copy {SURE.format(0.3)}"] == [0, 1]
    unjudged = replace(scores, copying=_copied(scores.copying.shares, judged=False))
    assert not [text for text, _ in _said(cells, unjudged) if "cop" in text]


@pytest.mark.parametrize("figure", ["bleed", "copy"])
def test_no_way_below_zero_is_a_trend(figure: str) -> None:
    cells = _cells((None, 0.6, 0.5), (None, 0.8, 0.5), (None, 1.0, 0.5))
    assert _said(cells, _scores(3, **{figure: [-0.09, -0.06, -0.03]})) == []
    assert _said(cells, _scores(3, **{figure: [-0.09, -0.06, 0.01]})) != []


def test_a_file_under_two_names_is_counted_once_by_the_name_with_an_epoch_and_concerned_twice() -> None:
    cells = _cells((None, 1.0, 0.5), (4, 1.0, 0.5), (12, 1.0, 0.5), (12, 1.0, 0.5))
    cells[0] = replace(cells[0], id=cells[2].id)
    cells[3] = replace(cells[3], id=cells[2].id, checkpoint="copy-of-it")
    found = _said(cells, _scores(4, copy=[0.3, 0.0, 0.3, 0.3]))
    assert found == [(f"epoch 12 copies its training pictures: copy {SURE.format(0.3)}", [0, 2, 3])]


def test_what_has_no_face_has_no_pictures_with_a_face_and_words_of_its_own() -> None:
    cells = _cells((None, 0.6, 0.5), (None, 0.8, 0.5), (None, 1.0, 0.5))
    scores = _scores(3, faces=[4, 3, 2], bleed=[0.0, 0.05, 0.1])
    ((text, _),) = _said(cells, scores, subject="image")
    assert text.startswith(WORDS["image"].filled_in("bleeding into {others} grows"))


def _figure(scores: Scores) -> PictureScores:
    return PictureScores("identity", scores.counted, scores.prompts)


def test_all_intervals_of_a_grid_hold_at_once() -> None:
    """Five figures, four without faces, are looked at along two weights and the epochs; ends of a square four times."""
    two = _cells((None, 0.6, 0.5), (None, 1.0, 0.5))
    scores = _scores(2, identity=[0.2, 0.9], wavering=[0, 1])
    up = np.array([-1.0, 1.0])
    assert _said(two, scores)[0][0].endswith(f"from 0.6 to 1: {_figure(scores).estimate(up, 15)}")
    assert _said(two, scores, subject="image")[0][0].endswith(f"from 0.6 to 1: {_figure(scores).estimate(up, 12)}")
    ((peak, _),) = _said(_cells((1, 1.0, 0.5), (2, 1.0, 0.5)), scores)
    assert f"epoch 2 differs from epoch 1 by {_figure(scores).estimate(up, 15)};" in peak
    square = _scores(4, identity=[0.4, 0.8, 0.8, 0.3], wavering=[0, 1, 0, 2])
    ((crossing, _),) = _said(_cells(*SQUARE), square)
    assert str(_figure(square).estimate(np.array([-1.0, 1.0, 0.0, 0.0]), 4)) in crossing
    assert str(_figure(square).estimate(np.array([0.0, 0.0, -1.0, 1.0]), 4)) in crossing


def test_levels_and_checkpoints_are_held_against_each_other_as_often_as_there_are_of_them() -> None:
    scores = _scores(3, copy=[0.0, 0.0, 0.3])
    scores = replace(scores, copying=_copied(scores.copying.shares + np.array([[0], [0], [1]]) * NOISE))
    figure = PictureScores("copy", scores.copying.pictures, ["copy"] * 3)
    ((level, _), *_) = _said(_cells((None, 0.6, 0.5), (None, 0.8, 0.5), (None, 1.0, 0.5)), scores)
    assert level.endswith(f"with all else the same {figure.estimate(np.array([-0.5, -0.5, 1.0]), 2)} more")
    ((named, _),) = _said(_cells((4, 1.0, 0.5), (8, 1.0, 0.5), (12, 1.0, 0.5)), scores)
    assert named == f"epoch 12 copies its training pictures: copy {figure.estimate(np.array([0.0, 0.0, 1.0]), 3)}"
