"""The last grid of a store, as it was asked for: enough to rank, show and export without the specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from base_models.prompts.prompt_weights import plain_text
from eval.judging.grid_record import (
    CellRecord,
    GridRecord,
    SettingRecord,
    UnitRecord,
    UseRecord,
    cell_of,
    cell_record,
)
from eval.judging.judge_facts import appearance_key, texts_key
from eval.judging.judges import Judges
from eval.judging.reading_arrays import GridReadings, readings_in_place, seen_in, vectors_found, vectors_of
from eval.ranking.evidence import Appearances, CellFacts, Evidence
from eval.ranking.missing_pictures import LeftOut, without_missing
from eval.ranking.scores import SUBJECT
from eval.request.cells import CONTROL, Called, Cell, Sampling
from eval.request.plan import Plan
from eval.request.prompts import prompt_of
from eval.request.references import References
from eval.request.settings import UNVARIED, Setting, settings_of
from eval.request.spec import GridSpec
from eval.request.units import Unit
from eval.store.connection import StoreError
from eval.store.store import KeptPicture, Store
from eval.store.tables import Reading

__all__ = ["CellRecord", "Grid", "GridRecord", "UnitRecord", "UseRecord"]

KEY = "grid"


@dataclass(frozen=True)
class Grid:
    """A stored grid, read back: rows of `cells` and `units` are those of the evidence's arrays.

    `left_out`: what it has no more, because pictures are gone. `way`: which of the ways to draw is the control's;
    `control_word`: the class word that it is shown, where a guest's is not the grid's own ("").
    """

    store: Store
    snapshot: GridRecord
    cells: list[Cell]
    left_out: LeftOut | None = None
    way: int = 0
    control_word: str = ""

    @cached_property
    def drawn(self) -> list[tuple[str, Sampling]]:
        """Every way to draw: the base model's name, and the sampling."""
        return self.snapshot.drawn

    @property
    def sampling(self) -> Sampling:
        """How the base model's own pictures are drawn, and all others where the grid has one way to draw."""
        return self.drawn[self.way][1]

    @property
    def base_name(self) -> str:
        """The name of the base model by itself."""
        return self.drawn[self.way][0]

    @property
    def by_setting(self) -> list[Grid]:
        """The grid once for each control: the cells drawn so, of that class word, beside the base model drawn so."""
        words = list(dict.fromkeys(map(control_word_of, self.cells)))
        if not self.snapshot.settings and words == [self.control_word]:
            return [self]
        parts = [
            replace(self, way=way, control_word=word, cells=self._of_control(way, word))
            for way in range(len(self.drawn))
            for word in words
        ]
        return [part for part in parts if part.cells]

    def _of_control(self, way: int, word: str) -> list[Cell]:
        several = bool(self.snapshot.settings)
        drawn = [cell for cell in self.cells if not several or cell.on == self.drawn[way][1]]
        return [cell for cell in drawn if control_word_of(cell) == word]

    def beside(self, cell: Cell) -> Grid:
        """The grid with the base model drawn as `cell` is, and shown its class word."""
        ways = [way for way, (_, sampling) in enumerate(self.drawn) if sampling == cell.on]
        return replace(self, way=ways[0] if ways else self.way, control_word=control_word_of(cell))

    @cached_property
    def settings(self) -> dict[Sampling, Setting]:
        """What varies among the ways to draw, by sampling; empty where there is one."""
        if not self.snapshot.settings:
            return {}
        return dict(zip((sampling for _, sampling in self.drawn), settings_of(self.drawn), strict=True))

    def facts_of(self, cell: Cell) -> CellFacts:
        """Who a cell is, for the ranking."""
        also, one = " + ".join(str(use) for use in cell.also), cell.use.checkpoint
        on = UNVARIED if cell.on is None else self.settings[cell.on]
        acts = cell.lora_id != CONTROL
        return CellFacts(cell.id, one.name, one.epoch, cell.use.weights, also, one.step, on, acts, self._guest(cell))

    def _guest(self, cell: Cell) -> Called | None:
        """What a guest is called by, the grid's own words filled in."""
        if cell.called is None:
            return None
        own = self.snapshot
        return Called(cell.called.trigger or own.trigger, cell.called.class_word or own.class_word)

    def asked(self, cell: Cell | None, unit: UnitRecord) -> str:
        """What a cell is asked to draw of a unit, by its own trigger; or the base model, by the class word."""
        if cell is None:
            return self._with(self.control_word, unit) if self.control_word else unit.class_prompt
        return self._with(cell.called.trigger, unit) if cell.called and cell.called.trigger else unit.prompt

    def _with(self, words: str, unit: UnitRecord) -> str:
        return prompt_of(unit.prompt, self.snapshot.trigger, words).class_text

    def picture_id(self, cell: Cell | None, unit: UnitRecord) -> str:
        """A cell's picture of a unit, or the base model's own of the same seed for no cell: its id in the store."""
        if cell is None:
            return self.sampling.picture_id(CONTROL, self.asked(None, unit), unit.seed)
        return (cell.on or self.sampling).picture_id(cell.lora_id, self.asked(cell, unit), unit.seed)

    def all_pictures(self) -> list[list[str]]:
        """Ids of the pictures, a list a row: the base model's own, whichever way it is drawn, then the cells'."""
        parts = self.by_setting
        return [
            *([part.picture_id(None, unit) for unit in self.snapshot.units] for part in parts),
            *([self.picture_id(cell, unit) for unit in self.snapshot.units] for cell in self.cells),
        ]

    def picture_path(self, cell: Cell | None, unit: UnitRecord) -> Path:
        """Its file, whatever it holds; one that lies at a URL is fetched."""
        return self.store.picture_path(self.picture_id(cell, unit))

    def picture(self, cell: Cell | None, unit: UnitRecord) -> KeptPicture:
        """Its file, and whether it is what was rendered."""
        return self.store.kept_picture(self.picture_id(cell, unit))

    def cell(self, cell_id: str, checkpoint: str | None = None) -> Cell:
        """The cell of that id, by its checkpoint's name where one file has several. Raises StoreError."""
        if (found := self._by_name.get((cell_id, checkpoint))) is None:
            raise StoreError(f"{self.store.folder}: has no cell {cell_id}; `python -m eval rank` lists the cells")
        return found

    @cached_property
    def _by_name(self) -> dict[tuple[str, str | None], Cell]:
        """Cells by id, and by id and checkpoint's name; the first of those that are alike."""
        named = [(cell, name) for cell in reversed(self.cells) for name in (None, cell.use.checkpoint.name)]
        return {(cell.id, name): cell for cell, name in named}


def control_word_of(cell: Cell) -> str:
    """The class word that a cell's control is shown; "" where it is the grid's own."""
    return cell.called.class_word if cell.called else ""


def write_grid_record(
    spec: GridSpec, plans: Sequence[Plan], references: References, judges: Judges, store: Store
) -> None:
    """Record the grid, once everything it needs is in the store. `plans`: one for each of `spec.settings`."""
    record = grid_record_of(spec, plans[0], references, judges)
    if len(plans) > 1:
        ways = [
            SettingRecord(base_name=one.base_name, sampling=asdict(plan.sampling))
            for one, plan in zip(spec.settings, plans, strict=True)
        ]
        cells = [cell_record(cell, way) for way, plan in enumerate(plans) for cell in plan.cells]
        record = record.model_copy(update={"settings": ways, "cells": cells})
    store.set_fact(KEY, record.model_dump(mode="json"))


def grid_record_of(spec: GridSpec, plan: Plan, references: References, judges: Judges) -> GridRecord:
    """The grid of the plan's cells and units, as a store keeps it."""
    units = [
        UnitRecord(
            prompt=unit.prompt, class_prompt=plan.prompts[unit.prompt].class_text, seed=unit.seed, role=unit.role
        )
        for unit in plan.units
    ]
    return GridRecord(
        base_name=spec.base_name,
        sampling=asdict(plan.sampling),
        trigger=spec.prompts.trigger,
        class_word=spec.prompts.class_word,
        units=units,
        cells=[cell_record(cell) for cell in plan.cells],
        limits=spec.limits,
        **judgement_of(references, judges),
    )


def judgement_of(references: References, judges: Judges) -> dict[str, Any]:
    """The part of a snapshot that says by whom and against what pictures are judged."""
    likeness, clip, second = judges.likeness.facts, judges.clip.facts, judges.second and judges.second.facts
    known = references.held_out | references.training
    return {
        "subject": judges.subject,
        "references": list(references.held_out),
        "training": list(references.training),
        "remarks": list(references.remarks),
        "places": {sha256: str(path) for sha256, path in known.items()},
        "face_model": likeness.name,
        "face_sha256": likeness.sha256,
        "clip_model": clip.name,
        "clip_sha256": clip.sha256,
        "second_model": second.name if second else "",
        "second_sha256": second.sha256 if second else "",
        "licences": {one.facts.name: one.facts.licence for one in judges.of_likeness if one.facts.licence},
    }


def load_grid(store: Store) -> Grid:
    """Read the last grid back, as far as it can be compared. Raises StoreError where none was finished, or none of it
    is left."""
    return readable(load_whole_grid(store))


def readable(grid: Grid) -> Grid:
    """The grid without pictures that were gone before they were read. Raises StoreError where nothing is left."""
    snapshot, gone = grid.snapshot, set(grid.snapshot.gone)
    if not gone:
        return grid
    controls = len(grid.by_setting)
    lost_of = np.array([[one in gone for one in row] for row in grid.all_pictures()])
    rows, units = without_missing(np.vstack([lost_of[:controls].any(0), lost_of[controls:]]))
    shown = [unit for unit, stays in zip(snapshot.units, units, strict=True) if stays]
    records = [record for record, stays in zip(snapshot.cells, rows, strict=True) if stays]
    if not records or SUBJECT not in {unit.role for unit in shown}:
        why = snapshot.why_gone.partition(" before")[0]
        raise StoreError(
            f"{grid.store.folder}: {len(gone)} of its pictures are {why}, nothing is left to compare; {snapshot.again}"
        )
    lost = tuple(grid.facts_of(cell).name for cell, stays in zip(grid.cells, rows, strict=True) if not stays)
    counts = len(gone), int((~units).sum()), len(units), int((~rows).sum()), len(rows)
    left_out = LeftOut(*counts, snapshot.again, lost, snapshot.why_gone)
    cells = [cell for cell, stays in zip(grid.cells, rows, strict=True) if stays]
    return Grid(grid.store, snapshot.model_copy(update={"units": shown, "cells": records}), cells, left_out)


def load_whole_grid(store: Store) -> Grid:
    """Read the last grid back, with pictures that are gone. Raises StoreError where none was finished."""
    fact = store.fact(KEY)
    if fact is None:
        raise StoreError(f"{store.folder}: its grid is not finished; run `python -m eval grid SPEC` again, it goes on")
    try:
        snapshot = GridRecord.model_validate(fact)
    except ValidationError as error:
        raise StoreError(
            f"{store.folder}: was written by another version; run `python -m eval grid SPEC` again"
        ) from error
    return Grid(store, snapshot, [cell_of(record, snapshot.drawn) for record in snapshot.cells])


def load_evidence(grid: Grid) -> Evidence:
    """The readings of a grid of one way to draw, or of its cells of one (`Grid.by_setting`), as arrays."""
    snapshot, store = grid.snapshot, grid.store
    ids = np.array(
        [[grid.picture_id(cell, unit) for unit in snapshot.units] for cell in (None, *grid.cells)]
    )  # the base model's own row first
    words = [plain_text(grid.asked(None, unit)) for unit in snapshot.units]
    clip = readings_in_place(store.each_reading(snapshot.clip_sha256), ids, words)
    texts = clip.others | store.readings(texts_key(snapshot.clip_sha256))
    failed = _failed(store.failures(ids.ravel().tolist()), ids)
    likeness = _read_by(grid, snapshot.face_sha256, ids)
    evidence = Evidence(
        cells=[grid.facts_of(cell) for cell in grid.cells],
        units=[Unit(unit.prompt, unit.seed, unit.role) for unit in snapshot.units],
        pictures=clip.vectors[1:],
        failed=failed[1:],
        pictures_control=clip.vectors[0],
        prompts=vectors_of(texts, words),
        parts={unit.prompt: _parts(texts, grid.asked(None, unit)) for unit in snapshot.units},
        clip_model=f"{snapshot.clip_model} ({snapshot.clip_sha256[:12]})",
        subject=snapshot.subject,
        licences=snapshot.licences,
        left_out=grid.left_out,
        imported=bool(snapshot.imported),
        remarks=[*snapshot.remarks, *snapshot.notes],
        trigger=snapshot.trigger,
        class_word=snapshot.class_word,
        on=grid.settings.get(grid.sampling, UNVARIED),
        looks=_looks(grid, likeness, ids, failed[0]),
        **_seen_by(grid, snapshot.face_model, snapshot.face_sha256, likeness, failed[0]),
    )
    if not snapshot.second_model:
        return evidence
    second = _read_by(grid, snapshot.second_sha256, ids)
    seen = _seen_by(grid, snapshot.second_model, snapshot.second_sha256, second, failed[0])
    return replace(evidence, second=replace(evidence, **seen))


def _read_by(grid: Grid, model: str, ids: np.ndarray) -> GridReadings:
    known = (*grid.snapshot.references, *grid.snapshot.training)
    return readings_in_place(grid.store.each_reading(model), ids, known)


def _looks(grid: Grid, likeness: GridReadings, ids: np.ndarray, failed_control: np.ndarray) -> Appearances | None:
    """None where some look was never read (by an earlier version, or its file is gone): it is no lost face."""
    looks = _read_by(grid, appearance_key(grid.snapshot.face_sha256), ids)
    if (likeness.is_read & ~looks.is_read).any() or likeness.others.keys() - looks.others.keys():
        return None
    return Appearances(
        pictures=looks.vectors[1:],
        control=np.where(failed_control[:, None], np.nan, looks.vectors[0]),
        references=vectors_found(looks.others, grid.snapshot.references),
        training=vectors_found(looks.others, grid.snapshot.training),
        training_names=_names(looks.others, grid.snapshot),
    )


def _names(readings: dict[str, Reading], snapshot: GridRecord) -> list[str]:
    """The names of the training pictures with a look, by their hashes where their places were not kept."""
    return [Path(snapshot.places.get(one, one[:12])).name for one in seen_in(readings, snapshot.training)]


def _seen_by(grid: Grid, name: str, sha256: str, found: GridReadings, failed_control: np.ndarray) -> dict[str, Any]:
    """What one model of likeness read from pictures, references and training pictures, as fields of Evidence."""
    return {
        "faces": found.vectors[1:],
        "face_counts": found.counts[1:],
        "faces_control": np.where(failed_control[:, None], np.nan, found.vectors[0]),
        "face_counts_control": found.counts[0],
        "references": vectors_found(found.others, grid.snapshot.references),
        "training": vectors_found(found.others, grid.snapshot.training),
        "face_model": f"{name} ({sha256[:12]})",
    }


def _failed(failures: dict[str, str | None], ids: np.ndarray) -> np.ndarray:
    def failed(one: str) -> bool:
        return failures.get(one, "missing") is not None

    return np.vectorize(failed)(ids)


def _parts(texts: dict[str, Reading], class_prompt: str) -> int:
    found = texts.get(plain_text(class_prompt))
    return found.count if found else 1
