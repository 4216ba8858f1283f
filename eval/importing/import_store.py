"""Writes imported pictures into an ordinary store, once each, and has them judged, so that the store can be ranked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np

from base_models.drawing.png import failure_of
from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from eval.importing.collected import ReadPicture
from eval.importing.containers.chunk_reading import DamagedPictureError
from eval.importing.containers.png_texts import PNG
from eval.importing.import_spec import ImportSpec
from eval.importing.imported_grid import ImportedGrid
from eval.importing.written_import import Written, control_remarks
from eval.judging.grid_record import GridRecord, UnitRecord, cell_record
from eval.judging.readings import Reader
from eval.judging.stored_grid import KEY, judgement_of
from eval.request.cells import CONTROL
from eval.request.references import find_references
from eval.store.store import Store, create_store
from eval.store.tables import PictureRow
from foundation.chunks import chunks
from foundation.progress import Reporter

IMPORTED = "imported"  # the fact: by a picture's id, the hash of the file that it was taken from
AT_ONCE = 64


def write_import(
    folder: Path, grid: ImportedGrid, spec: ImportSpec, sources: Sequence[Path], reporter: Reporter
) -> Written:
    """Make the store, or go on with it: what is there by the same content is neither copied nor read again.

    Raises UserErrors, before a picture is copied where they lie with the references.
    """
    references = find_references(spec.references)
    store = create_store(folder)
    try:
        reader = Reader(spec.score, store, reporter)
        side = min(grid.sampling.width, grid.sampling.height)
        references = reader.with_remarks(references, side, allow_others=spec.references.allow_others)
        written = _copy(grid, store, reporter)
        gone = [*grid.missing, *(one for one in grid.places if str(grid.places[one].source) in written.damaged)]
        reader.read_ids(one for one in grid.places if one not in gone)
        reader.read_prompts(grid.prompts.values())
        record = _record(grid, spec, sources, gone, judgement_of(references, reader.judges))
        store.set_fact(KEY, record.model_dump(mode="json"))
    finally:
        store.close()
    return written


def _copy(grid: ImportedGrid, store: Store, reporter: Reporter) -> Written:
    """Copy what is not there yet, so many at a time: a kill loses no more than those."""
    fact = store.fact(IMPORTED) or {}
    known = {key: str(value) for key, value in fact.items()}
    cells = _cells_by_id(grid)
    new = failed = 0
    damaged: dict[str, str] = {}
    advance = reporter.task("copying pictures", len(grid.places))
    for chunk in chunks(grid.places.items(), AT_ONCE):
        there = store.failures(one for one, _ in chunk)
        failed += sum(failure is not None for failure in there.values())
        rows: list[PictureRow] = []
        for one, picture in chunk:
            try:
                data = picture.source.data()
                content = hashlib.sha256(data).hexdigest()
                if one not in there or known.get(one) != content:
                    rows.append(row_of(store, one, cells[one], picture, data))
                    known[one] = content
            except (DamagedPictureError, UnreadablePictureError, OSError) as error:
                damaged[str(picture.source)] = getattr(error, "fault", str(error))
        store.forget(row.id for row in rows if row.id in there)
        store.add_pictures(rows)
        if rows:
            store.set_fact(IMPORTED, dict(known))
        new += len(rows)
        failed += sum(row.failure is not None for row in rows)
        advance(len(chunk))
    return Written(new, failed, damaged)


def _cells_by_id(grid: ImportedGrid) -> dict[str, str]:
    """The row of each picture, by its id."""
    ids = {
        grid.sampling.picture_id(cell.id, unit.prompt, unit.seed): cell.id for cell in grid.cells for unit in grid.units
    }
    return {one: ids.get(one, CONTROL) for one in grid.places}


def row_of(store: Store, one: str, cell: str, picture: ReadPicture, data: bytes) -> PictureRow:
    """Put a picture into the store, a PNG to the byte. Raises UnreadablePictureError for what cannot be decoded."""
    store.pictures.write(one, data)
    path = store.picture_path(one)
    try:
        decoded = load_picture(path)
    except UnreadablePictureError:
        path.unlink()
        raise
    if not data.startswith(PNG):
        whole = BytesIO()
        decoded.save(whole, format="PNG")
        data = whole.getvalue()
        store.pictures.write(one, data)
    failure = failure_of(np.asarray(decoded, dtype=np.float32) / 255)
    stamp = store.pictures.stamp(one)
    return PictureRow(
        id=one,
        cell=cell,
        prompt=picture.told.prompt,
        seed=_stored(picture.told.seed),
        failure=failure,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        changed=stamp and stamp.changed,
    )


def _stored(seed: int) -> int:
    """SQLite's numbers end at 2^63: seeds beyond, which ComfyUI has, are kept as what has the same bits."""
    return seed if seed < 2**63 else seed - 2**64


def _record(
    grid: ImportedGrid, spec: ImportSpec, sources: Sequence[Path], gone: list[str], judged: dict[str, object]
) -> GridRecord:
    return GridRecord.model_validate(
        {
            **judged,
            "notes": list(control_remarks(grid, spec.prompts.trigger, spec.prompts.class_word)),
            "base_name": grid.base_name or "an untold base model",
            "sampling": asdict(grid.sampling),
            "trigger": spec.prompts.trigger,
            "class_word": spec.prompts.class_word,
            "units": [_unit(grid, at) for at in range(len(grid.units))],
            "cells": [cell_record(cell) for cell in grid.cells],
            "limits": spec.limits,
            "gone": gone,
            "imported": [str(source.absolute()) for source in sources],
        }
    )


def _unit(grid: ImportedGrid, at: int) -> UnitRecord:
    unit = grid.units[at]
    return UnitRecord(
        prompt=unit.prompt, class_prompt=grid.prompts[unit.prompt].class_text, seed=unit.seed, role=unit.role
    )
