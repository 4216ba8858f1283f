"""Sentences about epochs and weights: said where the pictures show it, and not where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np

from eval.ranking.columns import row_as_json
from eval.ranking.evidence import CellFacts, Evidence
from eval.ranking.limits import Limits
from eval.ranking.ranking import rank
from eval.ranking.scores import Scores, score
from eval.ranking.trends import trends
from loras.weights import Weights
from synthetic_evidence import FACE_SIZE, FLOOR, copying, faces_at, make_evidence, reordered, without_faces

EPOCHS, UNET, TE = (4, 8, 12), (0.6, 0.8, 1.0), (0.0, 0.8, 1.0)
AXIS = np.eye(FACE_SIZE)[0]
Likeness = Callable[[int, float, float], float]


def grid(likeness: Likeness, seed: int = 0, noise: float = 0.05) -> Evidence:
    """Epoch x UNet x TEnc, each cell as alike as `likeness(epoch, unet, te)`."""
    settings = list(product(EPOCHS, UNET, TE))
    evidence = make_evidence([likeness(*one) for one in settings], prompts=6, seeds=4, seed=seed, noise=noise)
    cells = [
        replace(cell, checkpoint=f"hina-{epoch:06d}", epoch=epoch, weights=Weights.of(unet, te))
        for cell, (epoch, unet, te) in zip(evidence.cells, settings, strict=True)
    ]
    return replace(evidence, cells=cells)


def with_bleed(evidence: Evidence, of: Callable[[CellFacts], float], seed: int = 1) -> Evidence:
    """The same with other people's likeness moved by `of` a cell."""
    at, rng = evidence.where("bleed"), np.random.default_rng(seed)
    faces = evidence.faces.copy()
    for row, cell in enumerate(evidence.cells):
        cosines = FLOOR + of(cell) + rng.normal(scale=0.03, size=len(at))
        faces[row, at] = faces_at(cosines, AXIS, rng)
    return replace(evidence, faces=faces)


def with_copies(evidence: Evidence, epoch: int) -> Evidence:
    """The same with that epoch's pictures looking as training pictures do."""
    return copying(evidence, [row for row, cell in enumerate(evidence.cells) if cell.epoch == epoch])


def said(evidence: Evidence) -> str:
    return "\n".join(one.text for one in trends(evidence, score(evidence), Limits()))


def test_a_grid_of_chance_says_nothing() -> None:
    """No epoch or weight matters here. All intervals of a grid hold at once in 95 %, so 2 of 40 may err."""
    assert sum(bool(said(grid(lambda *_: 0.5, seed=seed))) for seed in range(40)) <= 4


def test_an_epoch_that_copies_is_named() -> None:
    evidence = with_copies(grid(lambda *_: 0.5), 12)
    assert "epoch 12 copies its training pictures: copy +" in said(evidence)
    rows = rank(evidence)
    for row in rows:
        assert any("epoch 12 copies" in text for text in row.trends) is (row.epoch == 12)
        assert row_as_json(row)["trends"] == list(row.trends)


def test_a_text_encoder_weight_that_bleeds_is_named() -> None:
    evidence = with_bleed(grid(lambda *_: 0.5), lambda cell: 0.3 if cell.weights.te1 > 0.8 else 0.0)
    assert "TEnc above 0.8 bleeds into other people: bleed +0.3" in said(evidence)
    assert "UNet above" not in said(evidence)
    concerned = {row.te for row in rank(evidence) if any("TEnc above 0.8" in text for text in row.trends)}
    assert concerned == {1.0}


def test_a_unet_weight_that_bleeds_is_named_as_such() -> None:
    evidence = with_bleed(grid(lambda *_: 0.5), lambda cell: 0.3 if cell.weights.unet > 0.6 else 0.0)
    assert "UNet above 0.6 bleeds into other people" in said(evidence)
    assert "TEnc above" not in said(evidence)


def test_unet_and_tenc_that_pull_apart() -> None:
    opposite = said(grid(lambda _, unet, te: 0.4 + 0.4 * (unet - 0.6) - 0.2 * te))
    assert "UNet and TEnc pull apart: likeness rises with the UNet weight, from 0.6 to 1: +0.1" in opposite
    assert "and falls with the TEnc weight, from 0 to 1: -0.2" in opposite
    crossing = said(grid(lambda _, unet, te: 0.5 + (0.2 if unet < 0.7 else -0.2 if unet > 0.9 else 0.0) * te))
    assert "UNet and TEnc pull apart: more TEnc" in crossing
    together = said(grid(lambda _, unet, te: 0.2 + 0.3 * unet + 0.2 * te))
    assert "pull apart" not in together
    assert "likeness rises with the UNet weight" in together
    assert "likeness rises with the TEnc weight" in together


def test_epochs_that_went_too_far_or_not_far_enough() -> None:
    past = said(grid(lambda epoch, *_: {4: 0.4, 8: 0.6, 12: 0.5}[epoch]))
    assert "likeness is past its best: epoch 12 differs from epoch 8 by -0." in past
    rising = said(grid(lambda epoch, *_: epoch / 20))
    assert "likeness still rises at the end: epoch 12 differs from epoch 8 by +0." in rising


def test_bleeding_that_stays_below_the_limit_is_a_direction() -> None:
    evidence = with_bleed(grid(lambda *_: 0.5), lambda cell: 0.08 * cell.weights.te1)
    text = said(evidence)
    assert "bleeding into other people grows with the TEnc weight, from 0 to 1: +0.0" in text
    assert "above" not in text


def test_a_file_under_two_names_says_nothing_twice() -> None:
    evidence = with_copies(grid(lambda *_: 0.5), 12)
    twins = [at for at, cell in enumerate(evidence.cells) if cell.epoch == 12]
    doubled = reordered(evidence, [*range(len(evidence.cells)), *twins])
    again = [replace(cell, checkpoint="same") for cell in doubled.cells[len(evidence.cells) :]]
    doubled = replace(doubled, cells=[*evidence.cells, *again])
    assert said(doubled) == said(evidence)
    same = [row for row in rank(doubled) if row.checkpoint == "same"]
    assert all(any("epoch 12 copies" in text for text in row.trends) for row in same)


def test_a_grid_of_one_cell_and_one_unit_has_no_trends() -> None:
    assert said(make_evidence([0.5])) == ""
    assert said(make_evidence([0.5, 0.6], prompts=1, seeds=1, references=1, training=0)) == ""


def test_several_runs_with_the_same_epochs_are_called_by_their_files() -> None:
    evidence = with_copies(grid(lambda *_: 0.5), 12)
    cells = [replace(cell, epoch=8) if cell.epoch == 12 else cell for cell in evidence.cells]
    text = said(replace(evidence, cells=cells))
    assert "hina-000012 copies its training pictures" in text
    assert "over the epochs" not in text


def test_pictures_that_are_lost_may_have_bled_or_copied_and_nobody_is_said_to_have() -> None:
    evidence = grid(lambda *_: 0.5)
    late = np.array([cell.epoch == 12 for cell in evidence.cells])
    text = said(without_faces(evidence, np.repeat(late[:, None], len(evidence.units), axis=1)))
    assert "epoch 12 may bleed into other people: bleed +0." in text
    assert "epoch 12 may copy training pictures: copy +1.000, but faceless pictures count as copies; look" in text
    assert "bleeds" not in text
    assert "copies its" not in text
    assert "grows" not in text
    strong = np.array([cell.weights.unet > 0.9 for cell in evidence.cells])
    text = said(without_faces(evidence, np.repeat(strong[:, None], len(evidence.units), axis=1)))
    assert "UNet above 0.8 may copy training pictures: copy +1.000 there and " in text
    assert "UNet above 0.8 copies" not in text


def test_faces_that_copy_are_said_to_though_one_of_them_is_lost() -> None:
    evidence = with_copies(grid(lambda *_: 0.5), 12)
    lost = np.zeros(evidence.failed.shape, dtype=bool)
    lost[[at for at, cell in enumerate(evidence.cells) if cell.epoch == 12], 0] = True
    assert "epoch 12 copies its training pictures: copy +" in said(without_faces(evidence, lost))


def test_prompts_that_are_hardly_told_apart_or_pictures_that_failed_show_no_disobedience() -> None:
    evidence = grid(lambda *_: 0.5)
    strong = np.array([cell.weights.unet > 0.9 for cell in evidence.cells])
    made = replace(score(evidence), prompt_changes=np.where(strong[:, None], -0.9, 0.0) * np.ones((1, 24)))

    def told(scores: Scores) -> str:
        return "\n".join(one.text for one in trends(evidence, scores, Limits()))

    assert "UNet above 0.8 no longer does what is asked" in told(made)
    assert "what is asked" not in told(replace(made, prompt_contrast=0.005))
    failed = np.repeat(strong[:, None], 24, axis=1)
    assert "UNet above 0.8 may no longer do what is asked: prompt -0.900" in told(replace(made, failed=failed))
