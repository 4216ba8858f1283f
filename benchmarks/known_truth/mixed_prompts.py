"""Grids as users make them, of prompts that say much and one that says nothing: are copies told from what copies not?

Built from the recorded readings of twenty people, and from `mixed.parquet`: copies on prompts that say more than the
trigger, and what the base model draws of the trigger's own words, which is what an all-zero LoRA shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits, limits_broken
from eval.ranking.scores import score
from known_truth.cases import BARE_PROMPTS, BLEED, CLEAN, COPY, SUBJECT_PROMPTS, SUBJECTS, Sheet
from known_truth.figures import auc, evidence_of
from known_truth.rows import CONTROL, REFERENCE, TRAINING, unpacked
from miniature.recipe.world import TRIGGER

HERE = Path(__file__).resolve().parent
READINGS, MIXED = HERE / "readings.parquet", HERE / "mixed.parquet"
EMPTY = "empty"
BARE, *DRESSED = SUBJECT_PROMPTS
TRIOS = (DRESSED[:3], DRESSED[2:])
SEEDS = 2
# Of four prompts one leaves the picture to the LoRA, as docs/scoring.md advises; the others say all that a face does.
TOLD_PROMPTS = [
    BARE,
    f"photo of a {TRIGGER}, smiling, looking at viewer, red hoodie, blue background",
    f"photo of a {TRIGGER}, serious, wearing glasses, green t-shirt, white background",
    f"photo of a {TRIGGER}, sad, looking sideways, white v-neck shirt, dark background",
]
RECORDED_SUBJECTS = (*SUBJECTS[:2], *SUBJECTS[2:16:2])
ONLY_COPY = Limits(face_rate=None, prompt=None, bleed=None)


def mixed_sheets() -> list[Sheet]:
    """What `benchmarks/honesty.py --record` makes: empty LoRAs (weights of 0), and copies told what to show."""
    first, at_nothing = SUBJECTS[0], ((0.0,), (0.0,))
    found = [
        Sheet("empty-mixed", first, (COPY,), *at_nothing, TOLD_PROMPTS, SEEDS),
        Sheet("empty-cases", first, (COPY,), *at_nothing, SUBJECT_PROMPTS, 3),
        Sheet("empty-copies", first, (COPY,), *at_nothing, BARE_PROMPTS, 8),
    ]
    for at in RECORDED_SUBJECTS:
        found.append(Sheet(f"dressed-{at:02}", at, (COPY,), (1.0,), (1.0,), SUBJECT_PROMPTS, 3))
        found.append(Sheet(f"mixed-{at:02}", at, (COPY,), (1.0,), (1.0,), TOLD_PROMPTS, SEEDS))
    return found


@dataclass(frozen=True)
class Person:
    """All readings of one person: pictures of every case on every prompt, and the drawn ones.

    `pictures` has one row a (case, unet, te, prompt, seed). Of a copy that was not recorded on a prompt, the clean
    LoRA's picture stands there: it copies nothing, so it can only hide a copy.
    """

    pictures: pd.DataFrame
    drawn: pd.DataFrame

    def evidence(self, cases: Sequence[str], prompts: Sequence[str], seeds: Sequence[int], alone: bool) -> Evidence:
        """A grid of `cases`, with the control; `alone`: its training set is the one picture that copies repeat."""
        order = {prompt: at for at, prompt in enumerate(prompts)}
        own = self.pictures[
            self.pictures["kind"].isin([CONTROL, *cases])
            & self.pictures["prompt"].isin(prompts)
            & self.pictures["seed"].isin(seeds)
        ]
        own = own.assign(at=own["prompt"].map(order)).sort_values(["at", "seed"], kind="stable")
        evidence = evidence_of(pd.concat([own, self.drawn], ignore_index=True))
        if not alone:
            return evidence
        one = self.drawn[(self.drawn["role"] == TRAINING) & (self.drawn["case"] == COPY)]
        assert evidence.looks is not None
        looks = replace(evidence.looks, training=unpacked(one["look"]))
        return replace(evidence, training=unpacked(one["face"]), looks=looks)


def people(readings: pd.DataFrame, mixed: pd.DataFrame) -> Iterator[Person]:
    """Every person of the recording."""
    unit = ["case", "unet", "te", "prompt", "seed"]
    nothing = mixed[mixed["sheet"].str.startswith(EMPTY) & (mixed["case"] != CONTROL)]
    for subject, own in readings.groupby("subject"):
        drawn = own[own["role"].isin([REFERENCE, TRAINING]) & own["sheet"].str.startswith("cases")]
        shown = own[own["role"] == "subject"]
        told = mixed[(mixed["subject"] == subject) & ~mixed["sheet"].str.startswith(EMPTY)]
        empty = nothing.assign(case=f"{EMPTY}-{subject:02}", subject=subject)
        pictures = pd.concat([shown, told, empty], ignore_index=True).drop_duplicates(unit)
        pictures = pd.concat([pictures, _stand_ins(pictures, f"{COPY}-{subject:02}")], ignore_index=True)
        yield Person(pictures.assign(kind=pictures["case"].str.split("-").str[0]), drawn)


def _stand_ins(pictures: pd.DataFrame, copy: str) -> pd.DataFrame:
    """The clean LoRA's pictures at weights of 1 where the copy has none."""
    unit = ["prompt", "seed"]
    own = pictures.loc[pictures["case"] == copy, unit]
    clean = pictures[pictures["case"].str.startswith(CLEAN) & (pictures["unet"] == 1) & (pictures["te"] == 1)]
    absent = clean.merge(own, on=unit, how="left", indicator=True)["_merge"].to_numpy() == "left_only"
    return clean[absent].assign(case=copy)


def grid_rows(person: Person, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, object]]:
    """A row a cell of one mixed grid: its kind, its `copy`, and whether the limit accuses it.

    Clean LoRAs are judged by the pictures they were trained on, copies and empty LoRAs by the one picture.
    """
    for cases, alone in (((CLEAN, BLEED), False), ((COPY, EMPTY), True), ((EMPTY,), False)):
        evidence = person.evidence(cases, prompts, seeds, alone)
        scores = score(evidence)
        for at, broken in enumerate(limits_broken(scores, ONLY_COPY)):
            kind = evidence.cells[at].checkpoint.split("-")[0]
            yield {"kind": kind, "alone": alone, "copy": scores.copy[at], "accused": bool(broken)}


def mixed_table(readings: pd.DataFrame, mixed: pd.DataFrame, prompts: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The rows of every grid: every person, every list of prompts, every pair of the three seeds."""
    rows: list[dict[str, object]] = []
    for number, person in enumerate(people(readings, mixed)):
        known = sorted(person.pictures.loc[person.pictures["prompt"] == DRESSED[0], "seed"].unique())
        for texts in prompts:
            for seeds in combinations(known, SEEDS):
                rows += [{"person": number, **row} for row in grid_rows(person, texts, seeds)]
    return pd.DataFrame(rows)


def figures(readings: pd.DataFrame | None = None, mixed: pd.DataFrame | None = None) -> dict[str, float | int]:
    """How well `copy` tells planted copies in mixed grids, and how many cells that copy nothing it accuses.

    `copy_auc_mixed`: copies against clean and empty LoRAs, one bare prompt of four. `false_copy`: the share of clean
    and empty ones that break the limit; `false_copy_clean`, `false_copy_empty` theirs alone. `copies_found`: the share
    of copies that do, `far_too_long_accused` that of LoRAs trained far too long. `copy_auc_without_bare`: the same
    where no prompt is bare, of the people whose copies were recorded on such prompts.
    """
    readings = pd.read_parquet(READINGS) if readings is None else readings
    mixed = pd.read_parquet(MIXED) if mixed is None else mixed
    table = mixed_table(readings, mixed, [[BARE, *trio] for trio in TRIOS])
    recorded = readings[readings["subject"].isin(RECORDED_SUBJECTS)]
    without = mixed_table(recorded, mixed, [DRESSED[:4], DRESSED[1:]])
    return {
        "copy_auc_mixed": auc_of(table),
        "false_copy": accused(table, CLEAN, EMPTY),
        "false_copy_clean": accused(table, CLEAN),
        "false_copy_empty": accused(table, EMPTY),
        "copies_found": accused(table, COPY),
        "far_too_long_accused": accused(table, BLEED),
        "copy_auc_without_bare": auc_of(without),
        "false_copy_without_bare": accused(without, CLEAN, EMPTY),
        "copies_found_without_bare": accused(without, COPY),
        "people": int(table["person"].nunique()),
        "grids": len(table[table["kind"] == COPY]),
        "cells_that_copy_nothing": len(table[table["kind"].isin([CLEAN, EMPTY])]),
    }


def auc_of(table: pd.DataFrame) -> float:
    """Copies against clean LoRAs, and empty ones beside the one picture that the copies had."""
    other = (table["kind"] == CLEAN) | ((table["kind"] == EMPTY) & table["alone"])
    return auc(table.loc[table["kind"] == COPY, "copy"].to_numpy(), table.loc[other, "copy"].to_numpy())


def accused(table: pd.DataFrame, *kinds: str) -> float:
    """The share of the cells of these kinds that break the limit."""
    return float(np.mean(table.loc[table["kind"].isin(kinds), "accused"]))
