"""From rows to what the issue asks: does our identity follow the truth, and are planted faults told from clean runs?

Pure: rows in, figures out. Our figures come from `eval.ranking.scores`, as the ranking has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from eval.ranking.copying import expected_nearest
from eval.ranking.evidence import Appearances, CellFacts, Evidence
from eval.ranking.scores import rows_mean, score
from eval.request.units import Unit
from known_truth.attributes import ATTRIBUTES, shares_right
from known_truth.cases import BLEED, CLEAN, COPY, subjects
from known_truth.rows import CONTROL, REFERENCE, TRAINING, unpacked
from loras.weights import Weights
from miniature.recipe.world import CLASS_WORD, TRIGGER

RENDERED = ("subject", "bleed")


def evidence_of(rows: pd.DataFrame) -> Evidence:
    """One sheet's rows as the evidence that the ranking reads; CLIP was not recorded."""
    rendered = rows[rows["role"].isin(RENDERED)]
    by_cell = {key: cell for key, cell in rendered.groupby(["case", "unet", "te"], sort=False)}
    control = next(cell for (case, _, _), cell in by_cell.items() if case == CONTROL)
    cells = {key: cell for key, cell in by_cell.items() if key[0] != CONTROL}
    units = [Unit(one.prompt, int(one.seed), one.role) for one in control.itertuples()]
    faces, looks = unpacked(rows["face"]), unpacked(rows["look"])
    at = {index: place for place, index in enumerate(rows.index)}

    def vectors(found: pd.DataFrame, of: np.ndarray = faces) -> np.ndarray:
        return of[[at[index] for index in found.index]]

    def known(role: str, of: np.ndarray = faces) -> np.ndarray:
        found = vectors(rows[rows["role"] == role], of)
        return found[np.isfinite(found).all(1)]

    no_clip = np.full((len(units), 1), np.nan)
    return Evidence(
        cells=[CellFacts(f"{case} {unet:g} {te:g}", case, None, Weights.of(unet, te), "") for case, unet, te in cells],
        units=units,
        faces=np.stack([vectors(cell) for cell in cells.values()]),
        face_counts=np.stack([cell["faces"].to_numpy(dtype=int) for cell in cells.values()]),
        pictures=np.stack([no_clip] * len(cells)),
        failed=np.stack([cell["failed"].to_numpy(dtype=bool) for cell in cells.values()]),
        faces_control=vectors(control),
        face_counts_control=control["faces"].to_numpy(dtype=int),
        pictures_control=no_clip,
        prompts=no_clip,
        references=known(REFERENCE),
        training=known(TRAINING),
        face_model="miniature",
        clip_model="none",
        trigger=TRIGGER,
        class_word=CLASS_WORD,
        looks=Appearances(
            pictures=np.stack([vectors(cell, looks) for cell in cells.values()]),
            control=vectors(control, looks),
            references=known(REFERENCE, looks),
            training=known(TRAINING, looks),
        ),
    )


def figures_of(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a cell of one sheet: our identity, bleed and copy, and the judge's share of attributes right."""
    evidence = evidence_of(rows)
    scores = score(evidence)
    repeated = rows[(rows["role"] == TRAINING) & (rows["case"] == COPY)]
    assert evidence.looks is not None
    one_picture = replace(evidence, looks=replace(evidence.looks, training=unpacked(repeated["look"])))
    of_copies = np.array([cell.checkpoint.startswith(COPY) for cell in evidence.cells])
    table = pd.DataFrame(
        {
            "sheet": rows["sheet"].iloc[0],
            "subject": rows["subject"].iloc[0],
            "case": [cell.checkpoint for cell in evidence.cells],
            "unet": [cell.weights.unet for cell in evidence.cells],
            "te": [cell.weights.te1 for cell in evidence.cells],
            "identity": scores.identity,
            "identity_normalised": scores.identity_normalised,
            "bleed": scores.bleed,
            "copy": np.where(of_copies, score(one_picture).copy, scores.copy),
            "copy_of_faces": np.where(of_copies, nearer_faces(evidence, repeated["face"]), nearer_faces(evidence)),
            "face_rate": scores.face_rate,
        }
    )
    return table.merge(true_shares(rows), on=["case", "unet", "te"])


def nearer_faces(evidence: Evidence, trained_on: pd.Series | None = None) -> np.ndarray:
    """Cosine (C,) of a face model with the nearest training face less that with the nearest held-out one.

    Not what the ranking shows, which goes by looks: a face model is made to see past what a copy repeats.
    """
    training = evidence.training if trained_on is None else unpacked(trained_on)
    count = min(len(training), len(evidence.references))
    faces = evidence.faces[:, evidence.where("subject")]
    trained, held_out = (expected_nearest(faces @ one.T, count) for one in (training, evidence.references))
    return rows_mean(trained - held_out)


def true_shares(rows: pd.DataFrame) -> pd.DataFrame:
    """The judge's share of attributes right, mean over each cell's pictures of the subject."""
    shown = rows[rows["role"] == "subject"]
    identity = subjects()[int(shown["subject"].iloc[0])]
    right = shares_right(shown[list(ATTRIBUTES)].to_numpy(dtype=int), identity)
    return shown.assign(truth=right).groupby(["case", "unet", "te"], as_index=False)["truth"].mean()


def auc(planted: Sequence[float], clean: Sequence[float]) -> float:
    """Chance that a planted case's figure is above a clean one's, ties half: Mann-Whitney's U over all pairs.

    A figure that could not be measured counts against us: lowest if planted, highest if clean.
    """
    high = np.nan_to_num(np.asarray(planted, dtype=float), nan=-np.inf)
    low = np.nan_to_num(np.asarray(clean, dtype=float), nan=np.inf)
    return float(stats.mannwhitneyu(high, low).statistic / (high.size * low.size))


def rank_correlation(ours: Sequence[float], truth: Sequence[float]) -> float:
    """Spearman's."""
    return float(stats.spearmanr(ours, truth).statistic)


def planted_and_clean(cases: pd.DataFrame, kind: str, figure: str) -> tuple[np.ndarray, np.ndarray]:
    """A figure of the cases with that fault, and of the clean ones."""
    of_kind = cases["case"].str.split("-").str[0]
    return cases.loc[of_kind == kind, figure].to_numpy(), cases.loc[of_kind == CLEAN, figure].to_numpy()


def summary(table: pd.DataFrame) -> dict[str, object]:
    """The figures, from a row a cell of every sheet."""
    cases, copies = (table[table["sheet"].str.startswith(name)] for name in ("cases", "copies"))
    within = [rank_correlation(one["identity"], one["truth"]) for _, one in table.groupby("subject") if len(one) > 4]
    bleeding, not_bleeding = planted_and_clean(cases, BLEED, "bleed")
    copying, not_copying = planted_and_clean(copies, COPY, "copy")
    return {
        "cells": len(table),
        "rank_correlation": rank_correlation(table["identity"], table["truth"]),
        "bleed_auc": auc(bleeding, not_bleeding),
        "copy_auc": auc(copying, not_copying),
        "copy_auc_against_bleed": auc(copying, copies.loc[copies["case"].str.startswith(BLEED), "copy"].to_numpy()),
        "copy_auc_of_faces": auc(*planted_and_clean(copies, COPY, "copy_of_faces")),
        "subjects": table["subject"].nunique(),
        "rank_correlation_normalised": rank_correlation(table["identity_normalised"], table["truth"]),
        "rank_correlation_within_a_subject": within,
        "planted": {"bleed": len(bleeding), "copy": len(copying)},
        "clean": len(not_bleeding),
    }
