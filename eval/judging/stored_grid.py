"""The last grid of a store, as it was asked for: enough to rank, show and export without the specification."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from base_models.prompts.prompt_weights import plain_text
from eval.judging.judge_facts import appearance_key, texts_key
from eval.judging.judges import Judges
from eval.judging.reading_arrays import counts_of, seen_in, vectors_found, vectors_of
from eval.ranking.evidence import Appearances, CellFacts, Evidence
from eval.ranking.missing_pictures import GONE, NOT_IMPORTED, LeftOut, without_missing
from eval.ranking.scores import SUBJECT
from eval.request.cells import CONTROL, Cell, Checkpoint, Sampling, Use
from eval.request.plan import Plan
from eval.request.references import References
from eval.request.spec import GridSpec, LimitsSection
from eval.request.units import Unit
from eval.store.connection import StoreError
from eval.store.search_record import SearchRecord
from eval.store.store import KeptPicture, Store
from eval.store.tables import Reading
from foundation.toml_config import Section
from loras.weights import Weights

KEY = "grid"


class UnitRecord(Section):
    """A unit, with what the control cell is shown in its place."""

    prompt: str
    class_prompt: str
    seed: int
    role: str


class UseRecord(Section):
    """A LoRA file at its weights on UNet and text encoders, as it was when the grid was made. `same_as` is a hash."""

    path: str
    name: str
    sha256: str
    epoch: int | None
    unet: float
    te1: float
    te2: float
    same_as: str = ""
    step: int | None = None


class CellRecord(Section):
    """The files of a cell, the one that is judged first; `dtype` is the type that their sum is rendered in."""

    uses: list[UseRecord]
    dtype: str


class GridRecord(Section):
    """Everything of a grid but pictures and readings. `licences`: what each scoring model may be used for.

    `subject`: "face", or "image" where likeness is CLIP's or DINOv2's; then `face_model` is that one's name. `places`:
    where each reference and training picture lay when it was read; `remarks`: what was odd about them. `second_model`
    is "" where none was asked. `gone`: pictures whose files were gone or damaged before these models had read them, or
    that were not among those that were `imported`: from where, where the grid's pictures were not rendered here.
    `notes`: what is to be said of such a grid.
    """

    base_name: str
    sampling: dict[str, str | int | float]
    trigger: str
    class_word: str
    units: list[UnitRecord]
    cells: list[CellRecord]
    references: list[str]
    training: list[str]
    face_model: str
    face_sha256: str
    clip_model: str
    clip_sha256: str
    licences: dict[str, str]
    subject: str = "face"
    second_model: str = ""
    second_sha256: str = ""
    places: dict[str, str] = Field(default_factory=dict)
    limits: LimitsSection = LimitsSection()
    search: SearchRecord | None = None
    gone: list[str] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)
    imported: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    @property
    def why_gone(self) -> str:
        """What became of pictures that are gone."""
        return NOT_IMPORTED if self.imported else GONE

    @property
    def again(self) -> str:
        """What makes pictures again that are gone."""
        if self.imported:
            return "draw them, and run `python -m eval import` with all of them"
        return f"run `python -m eval {'search' if self.search else 'grid'} SPEC`, which makes them again"


@dataclass(frozen=True)
class Grid:
    """A stored grid, read back: rows of `cells` and `units` are those of the evidence's arrays.

    `left_out`: what it has no more, because pictures are gone.
    """

    store: Store
    snapshot: GridRecord
    cells: list[Cell]
    left_out: LeftOut | None = None

    @property
    def sampling(self) -> Sampling:
        """How every picture of the grid was drawn."""
        kept: dict[str, Any] = self.snapshot.sampling
        return Sampling(**kept)

    def picture_id(self, cell: Cell | None, unit: UnitRecord) -> str:
        """A cell's picture of a unit, or the base model's own of the same seed for no cell: its id in the store."""
        text = unit.prompt if cell else unit.class_prompt
        return self.sampling.picture_id(cell.id if cell else CONTROL, text, unit.seed)

    def picture_path(self, cell: Cell | None, unit: UnitRecord) -> Path:
        """Its file, whatever it holds; one that lies at a URL is fetched."""
        return self.store.picture_path(self.picture_id(cell, unit))

    def picture(self, cell: Cell | None, unit: UnitRecord) -> KeptPicture:
        """Its file, and whether it is what was rendered."""
        return self.store.kept_picture(self.picture_id(cell, unit))

    def cell(self, cell_id: str, checkpoint: str | None = None) -> Cell:
        """The cell of that id, by its checkpoint's name where one file has several. Raises StoreError."""
        for cell in self.cells:
            if cell.id == cell_id and checkpoint in (None, cell.use.checkpoint.name):
                return cell
        raise StoreError(f"{self.store.folder}: has no cell {cell_id}; `python -m eval rank` lists the cells")


def write_grid_record(spec: GridSpec, plan: Plan, references: References, judges: Judges, store: Store) -> None:
    """Record the grid, once everything it needs is in the store."""
    store.set_fact(KEY, grid_record_of(spec, plan, references, judges).model_dump(mode="json"))


def grid_record_of(spec: GridSpec, plan: Plan, references: References, judges: Judges) -> GridRecord:
    """The grid of the plan's cells and units, as a store keeps it."""
    units = [
        UnitRecord(
            prompt=unit.prompt, class_prompt=plan.prompts[unit.prompt].class_text, seed=unit.seed, role=unit.role
        )
        for unit in plan.units
    ]
    return GridRecord(
        base_name=Path(spec.model.base).name,
        sampling=asdict(plan.sampling),
        trigger=spec.prompts.trigger,
        class_word=spec.prompts.class_word,
        units=units,
        cells=[CellRecord(uses=[use_record(use) for use in cell.uses], dtype=cell.dtype) for cell in plan.cells],
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
    ids = [[grid.picture_id(cell, unit) for unit in snapshot.units] for cell in (None, *grid.cells)]
    rows, units = without_missing(np.array([[one in gone for one in row] for row in ids]))
    shown = [unit for unit, stays in zip(snapshot.units, units, strict=True) if stays]
    records = [record for record, stays in zip(snapshot.cells, rows, strict=True) if stays]
    if not records or SUBJECT not in {unit.role for unit in shown}:
        why = snapshot.why_gone.partition(" before")[0]
        raise StoreError(
            f"{grid.store.folder}: {len(gone)} of its pictures are {why}, nothing is left to compare; {snapshot.again}"
        )
    lost = tuple(_facts_of(cell).name for cell, stays in zip(grid.cells, rows, strict=True) if not stays)
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
    return Grid(store, snapshot, [_cell_of(record) for record in snapshot.cells])


def load_evidence(grid: Grid) -> Evidence:
    """The grid's readings as arrays (see Evidence)."""
    snapshot, store = grid.snapshot, grid.store
    clip = store.readings(snapshot.clip_sha256)
    texts = clip | store.readings(texts_key(snapshot.clip_sha256))
    ids = np.array([[grid.picture_id(cell, unit) for unit in snapshot.units] for cell in grid.cells])
    control = np.array([grid.picture_id(None, unit) for unit in snapshot.units])
    failures = store.failures([*ids.ravel().tolist(), *control.tolist()])
    evidence = Evidence(
        cells=[_facts_of(cell) for cell in grid.cells],
        units=[Unit(unit.prompt, unit.seed, unit.role) for unit in snapshot.units],
        pictures=vectors_of(clip, ids),
        failed=_failed(failures, ids),
        pictures_control=vectors_of(clip, control),
        prompts=vectors_of(texts, np.array([plain_text(unit.class_prompt) for unit in snapshot.units])),
        parts={unit.prompt: _parts(texts, unit) for unit in snapshot.units},
        clip_model=f"{snapshot.clip_model} ({snapshot.clip_sha256[:12]})",
        subject=snapshot.subject,
        licences=snapshot.licences,
        left_out=grid.left_out,
        imported=bool(snapshot.imported),
        remarks=[*snapshot.remarks, *snapshot.notes],
        trigger=snapshot.trigger,
        class_word=snapshot.class_word,
        looks=_looks(grid, ids, control, _failed(failures, control)),
        **_seen_by(grid, snapshot.face_model, snapshot.face_sha256, ids, control, _failed(failures, control)),
    )
    if not snapshot.second_model:
        return evidence
    seen = _seen_by(grid, snapshot.second_model, snapshot.second_sha256, ids, control, _failed(failures, control))
    return replace(evidence, second=replace(evidence, **seen))


def _looks(grid: Grid, ids: np.ndarray, control: np.ndarray, failed_control: np.ndarray) -> Appearances | None:
    """None where some look was never read (by an earlier version, or its file is gone): it is no lost face."""
    readings = grid.store.readings(appearance_key(grid.snapshot.face_sha256))
    found = grid.store.readings(grid.snapshot.face_sha256)
    known = (*grid.snapshot.references, *grid.snapshot.training)
    if any(one in found and one not in readings for one in (*ids.ravel().tolist(), *control.tolist(), *known)):
        return None
    return Appearances(
        pictures=vectors_of(readings, ids),
        control=np.where(failed_control[:, None], np.nan, vectors_of(readings, control)),
        references=vectors_found(readings, grid.snapshot.references),
        training=vectors_found(readings, grid.snapshot.training),
        training_names=_names(readings, grid.snapshot),
    )


def _names(readings: dict[str, Reading], snapshot: GridRecord) -> list[str]:
    """The names of the training pictures with a look, by their hashes where their places were not kept."""
    return [Path(snapshot.places.get(one, one[:12])).name for one in seen_in(readings, snapshot.training)]


def _seen_by(
    grid: Grid, name: str, sha256: str, ids: np.ndarray, control: np.ndarray, failed_control: np.ndarray
) -> dict[str, Any]:
    """What one model of likeness read from pictures, references and training pictures, as fields of Evidence."""
    readings = grid.store.readings(sha256)
    return {
        "faces": vectors_of(readings, ids),
        "face_counts": counts_of(readings, ids),
        "faces_control": np.where(failed_control[:, None], np.nan, vectors_of(readings, control)),
        "face_counts_control": counts_of(readings, control),
        "references": vectors_found(readings, grid.snapshot.references),
        "training": vectors_found(readings, grid.snapshot.training),
        "face_model": f"{name} ({sha256[:12]})",
    }


def _failed(failures: dict[str, str | None], ids: np.ndarray) -> np.ndarray:
    def failed(one: str) -> bool:
        return failures.get(one, "missing") is not None

    return np.vectorize(failed)(ids)


def _facts_of(cell: Cell) -> CellFacts:
    also, one = " + ".join(str(use) for use in cell.also), cell.use.checkpoint
    return CellFacts(cell.id, one.name, one.epoch, cell.use.weights, also, one.step)


def use_record(use: Use) -> UseRecord:
    """A LoRA at its weights, as a store keeps it."""
    one, weights = use.checkpoint, use.weights
    file = asdict(one) | {"path": str(one.path)}
    return UseRecord.model_validate(file | asdict(weights))


def _cell_of(record: CellRecord) -> Cell:
    uses = [
        Use(
            Checkpoint(Path(use.path), use.name, use.sha256, use.epoch, use.same_as, use.step),
            Weights(use.unet, use.te1, use.te2),
        )
        for use in record.uses
    ]
    return Cell(uses[0], tuple(uses[1:]), record.dtype)


def _parts(texts: dict[str, Reading], unit: UnitRecord) -> int:
    found = texts.get(plain_text(unit.class_prompt))
    return found.count if found else 1
