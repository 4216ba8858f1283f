"""A grid with guests, rendered and judged: rows beside one's own, each on its own control; exported, scored anew."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.__main__ import app
from eval.grid.run_grid import GridOutcome, run_grid
from eval.judging import readings
from eval.judging.stored_grid import load_evidence
from eval.ranking.scores import own_prompt_control, prompt_changes
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from eval.request.cells import CONTROL, Called
from eval.request.spec import read_spec
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from grid_folders import GridFolder
from loras.blending.blend_metadata import RECIPE
from loras.tensors_sha256 import tensors_sha256

TWIN = '[[lora.guest]]\nfile = "runs of hina ö/hina.safetensors"\ntrigger = "ohwx person"\n'
OTHER = '[[lora.guest]]\nfile = "theirs.safetensors"\ntrigger = "sks woman"\nclass = "woman"\n'
OWN = "hina"


@dataclass(frozen=True)
class Guested:
    """A copy of the rendered grid's store, and a specification of that grid with guests."""

    spec: Path
    store: Path
    references: Path


@pytest.fixture(scope="module")
def made(rendered_grid: GridFolder) -> Guested:
    folder, store = rendered_grid.folder, rendered_grid.folder / "guests"
    shutil.copytree(rendered_grid.store, store)
    shutil.copy(folder / "runs of hina ö" / "hina.safetensors", folder / "theirs.safetensors")
    told = rendered_grid.spec.read_text(encoding="utf-8").replace('"läufe/eval"', '"guests"')
    spec = folder / "guests.toml"
    spec.write_text(told.replace("[sampler]", f"{TWIN}{OTHER}[sampler]"), encoding="utf-8")
    return Guested(spec, store, folder / "references")


@pytest.fixture(scope="module")
def drawn(made: Guested) -> tuple[RankedGrid, list[dict[str, object]], GridOutcome]:
    """The grid with guests: its ranking, that without them as JSON, and what was drawn for them."""
    before = open_ranked(made.store).as_json()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readings, "same_pictures", lambda first, second: [])
        outcome = run_grid(read_spec(made.spec), Silent())
    return open_ranked(made.store), before, outcome


Drawn = tuple[RankedGrid, list[dict[str, object]], GridOutcome]


def test_only_what_guests_change_is_drawn(drawn: Drawn) -> None:
    """The twin draws nothing. The other shares its file's bleed picture: 2 subject pictures x 2 weights, 2 controls."""
    assert drawn[2].rendered == 2 * 2 + 2


def test_a_twin_gets_the_same_bits_and_scores(drawn: Drawn) -> None:
    ranked = drawn[0]
    rows = {(row.checkpoint, row.unet, row.also): row for row in ranked.rows}
    for weight in (0.5, 1.0):
        own, twin = rows[OWN, weight, ""], rows["hina as a guest", weight, ""]
        assert own.cell == twin.cell
        figures = ("identity", "expected", "prompt", "bleed", "spread", "copy", "gain", "identity_normalised")
        assert [getattr(own, name) for name in figures] == [getattr(twin, name) for name in figures]
        assert twin.guest == Called("ohwx person", "person")
        assert own.guest is None


def test_own_rows_are_as_without_guests(drawn: Drawn) -> None:
    ranked, before, _ = drawn
    told = {row["cell"]: row for row in ranked.as_json() if "guest" not in row}
    assert told.keys() == {row["cell"] for row in before}
    for row in before:
        for key in ("identity", "identity_normalised", "prompt", "bleed", "copy", "spread", "face_rate"):
            assert told[row["cell"]][key] == row[key], key


def test_a_guest_is_judged_beside_the_base_model_that_was_shown_its_class(drawn: Drawn, made: Guested) -> None:
    ranked = drawn[0]
    own, guests = ranked.grid.by_setting
    assert guests.control_word == "woman"
    unit = ranked.grid.snapshot.units[0]
    asked = [part.asked(None, unit) for part in (own, guests)]
    assert asked == [unit.prompt.replace("ohwx person", word) for word in ("person", "woman")]
    assert guests.picture_id(None, unit) == ranked.grid.sampling.picture_id(CONTROL, asked[1], unit.seed)
    parts = [load_evidence(part) for part in (own, guests)]
    changes = [prompt_changes(part) for part in parts]
    assert not np.array_equal(own_prompt_control(parts[0]), own_prompt_control(parts[1]))
    assert not np.array_equal(parts[0].prompts[0], parts[1].prompts[0])
    rows = {row.cell: row for row in ranked.rows if row.checkpoint == "theirs"}
    for cell, change in zip(parts[1].cells, changes[1], strict=True):
        assert rows[cell.id].prompt == pytest.approx(float(change.mean()))
        assert "the base model beside it is shown `woman`" in rows[cell.id].flags[-1] + " ".join(rows[cell.id].flags)
    # Others are asked for alike, so bleed has one control.
    bleed = next(unit for unit in ranked.grid.snapshot.units if unit.role == "bleed")
    assert own.picture_id(None, bleed) == guests.picture_id(None, bleed)


def test_all_rows_stand_in_one_order(drawn: Drawn) -> None:
    ranked = drawn[0]
    assert [row.place for row in ranked.rows] == list(range(1, len(ranked.rows) + 1))
    assert len(ranked.rows) == 6 + 4
    assert all("guest" not in trend for row in ranked.rows for trend in row.trends)


def typed(*words: str) -> Any:
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == 0, done.output
    return done


def test_a_guest_is_exported_reported_and_scored_anew(drawn: Drawn, made: Guested, tmp_path: Path) -> None:
    row = next(one for one in drawn[0].rows if one.checkpoint == "theirs" and one.unet == 1.0)
    exported = tmp_path / "best.safetensors"
    told = typed("export", str(made.store), "--cell", row.cell, "-o", str(exported))
    assert "its trigger is `sks woman`" in told.output
    own = next(one for one in drawn[0].rows if one.checkpoint == OWN and one.unet == 1.0 and not one.also)
    typed("export", str(made.store), "--cell", own.cell, "-o", str(tmp_path / "own.safetensors"))
    assert tensors_sha256(exported) == tensors_sha256(tmp_path / "own.safetensors")
    recipe = json.loads(read_metadata(exported)[RECIPE])
    assert recipe["guest"] == {"trigger": "sks woman", "class_word": "woman"}
    typed("report", str(made.store), "-o", str(tmp_path / "report.html"))
    assert "sks woman" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "sks woman" in typed("rank", str(made.store)).output
    before = open_ranked(made.store).as_json()
    typed("score", str(made.store), "--force", "--held-out", str(made.references))
    assert open_ranked(made.store).as_json() == before


def test_a_search_refuses_guests_in_a_sentence(made: Guested) -> None:
    done = CliRunner().invoke(app, ["search", str(made.spec)])
    assert isinstance(done.exception, ConfigurationError)
    assert "leave [[lora.guest]] out" in str(done.exception)
