"""The grid on the miniature: rendered once, never twice, whole after a kill, and exported as it was scored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from base_models.drawing.png import read_picture
from eval.exporting.export import choose_cell, export_cell
from eval.exporting.exported import ExportError
from eval.grid.forecast import forecast
from eval.grid.run_grid import run_grid
from eval.ranking.columns import row_as_json
from eval.ranking.ranked_cell import RankedCell
from eval.reporting.contact_sheet import write_sheet
from eval.reporting.ranked_grid import RankedGrid, open_ranked, report_data
from eval.reporting.report import write_report
from eval.request.plan import make_plan
from eval.request.spec import read_spec
from eval.store.picture_files import PicturePlaceError
from eval.store.store import open_store
from foundation.errors import InputOverwrittenError
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from grid_folders import STEPS, GridFolder, write_grid
from loras.lora_file import read_lora
from miniature.paths import FOLDERS
from typed_commands import start_command


def facts_of(store: Path) -> list[dict[str, object]]:
    return [row_as_json(row) for row in open_ranked(store).rows]


def pictures_of(store: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (store / "pictures").rglob("[!.]*.png")}


def test_every_cell_is_rendered_scored_and_ranked(rendered_grid: GridFolder) -> None:
    ranked = open_ranked(rendered_grid.store)
    assert len(ranked.rows) == 2 * 2 + 2
    assert {row.checkpoint for row in ranked.rows} == {"hina-000001", "hina"}
    assert sum(bool(row.also) for row in ranked.rows) == 2
    assert all(row.pictures for row in ranked.rows)
    assert ranked.rows[0].tied_with_best


def test_a_second_run_renders_nothing(rendered_grid: GridFolder) -> None:
    before = pictures_of(rendered_grid.store)
    outcome = run_grid(read_spec(rendered_grid.spec), Silent())
    assert outcome.rendered == 0
    assert outcome.existing == len(before) == make_plan(read_spec(rendered_grid.spec)).picture_count
    assert pictures_of(rendered_grid.store) == before


def deleted(places: list[Path]) -> list[str]:
    """Delete two of the pictures, of different shelves, and what else lies on the first one's shelf."""
    gone = {*places[0].parent.glob("*.png"), places[len(places) // 2]}
    for path in gone:
        path.unlink()
    return sorted(path.stem for path in gone)


def damaged(places: list[Path]) -> list[str]:
    """Cut one of the pictures short, and change five bytes of another."""
    cut, edited = places[0], places[len(places) // 2]
    cut.write_bytes(cut.read_bytes()[:-100])
    data = edited.read_bytes()
    at = len(data) // 2
    edited.write_bytes(data[:at] + bytes(255 - byte for byte in data[at : at + 5]) + data[at + 5 :])
    return sorted((cut.stem, edited.stem))


@pytest.mark.parametrize(("harm", "remote"), [(deleted, True), (damaged, False)])
def test_pictures_whose_files_were_deleted_or_damaged_are_made_again_to_the_same_bits(
    tmp_path: Path, harm: Callable[[list[Path]], list[str]], remote: bool
) -> None:
    made = write_grid(tmp_path, steps=2)
    place = tmp_path / "far away" if remote else made.store / "pictures"
    text = made.spec.read_text(encoding="utf-8").replace("seeds = 2", "seeds = 3")
    text = text.replace("steps = 2", "steps = 2\nbatch = 2")
    if remote:
        text = text.replace('path = "läufe/eval"', f'path = "läufe/eval"\npictures = "file://{place}"')
    made.spec.write_text(text, encoding="utf-8")
    whole = run_grid(read_spec(made.spec), Silent())
    before = {path.stem: path.read_bytes() for path in sorted(place.rglob("*.png"))}
    ranked = facts_of(made.store)
    gone = harm(sorted(place.rglob("*.png")))
    store = open_store(made.store)
    assert sorted(store.lost()) == gone
    store.close()
    expected = forecast(read_spec(made.spec))
    again = run_grid(read_spec(made.spec), Silent())
    # A batch is made whole or not at all.
    assert len(gone) <= again.rendered == expected.amount.pictures <= 2 * len(gone)
    assert again.rendered + again.existing == whole.rendered
    assert {path.stem: path.read_bytes() for path in sorted(place.rglob("*.png"))} == before
    assert facts_of(made.store) == ranked
    assert run_grid(read_spec(made.spec), Silent()).rendered == 0


def test_a_place_for_pictures_that_is_not_there_is_no_reason_to_render_anew(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=1)
    share = tmp_path / "share" / "pictures"
    text = made.spec.read_text(encoding="utf-8")
    text = text.replace('path = "läufe/eval"', f'path = "läufe/eval"\npictures = "{share}"')
    made.spec.write_text(text, encoding="utf-8")
    run_grid(read_spec(made.spec), Silent())
    share.rename(tmp_path / "not mounted")
    with pytest.raises(PicturePlaceError, match="is not there, and the store's pictures lie in it; mount it"):
        run_grid(read_spec(made.spec), Silent())


def test_pictures_carry_a1111s_parameters(rendered_grid: GridFolder) -> None:
    ranked = open_ranked(rendered_grid.store)
    cell = ranked.grid.cell(next(row.cell for row in ranked.rows if row.also))
    text = Image.open(ranked.grid.picture_path(cell, ranked.grid.snapshot.units[0])).info["parameters"]
    assert text.startswith("photo of a ohwx person, smiling, red hoodie, blue background <lora:hina:0.7:")
    assert "<lora:erste ähnliche:0.3:0.4>" in text
    assert f"Steps: {STEPS}, Sampler: Euler a, CFG scale: 9, Seed: 1, Size: 64x64" in text


def exported(ranked: RankedGrid, row: RankedCell, folder: Path) -> Path:
    return export_cell(ranked.grid, row, folder / f"{row.cell}.safetensors").path


@pytest.mark.parametrize("blended", [False, True])
def test_the_export_renders_the_cell_in_plain_diffusers(
    rendered_grid: GridFolder, tmp_path: Path, blended: bool
) -> None:
    ranked = open_ranked(rendered_grid.store)
    row = next(row for row in ranked.rows if bool(row.also) == blended)
    path = exported(ranked, row, tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(FOLDERS["base"], safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(path)
    for unit in ranked.grid.snapshot.units[:2]:
        generator = torch.Generator().manual_seed(unit.seed)
        drawn = pipeline(
            unit.prompt, num_inference_steps=STEPS, guidance_scale=9.0, generator=generator, output_type="np"
        ).images[0]
        scored = read_picture(ranked.grid.picture_path(ranked.grid.cell(row.cell), unit))
        assert np.abs((drawn * 255).round() - scored).max() <= 2


def test_the_export_carries_its_recipe(rendered_grid: GridFolder, tmp_path: Path) -> None:
    ranked = open_ranked(rendered_grid.store)
    row = next(row for row in ranked.rows if row.also)
    path = exported(ranked, row, tmp_path)
    metadata = read_metadata(path)
    assert metadata["ss_output_name"] == path.stem
    assert metadata["ss_network_module"] == "networks.lora"
    assert '"method": "sum"' in metadata["lora_studio.recipe"]
    assert "erste ähnliche" in metadata["lora_studio.recipe"]
    assert path.with_suffix(".png").is_file()
    assert max(module.rank for module in read_lora(path).modules.values()) == 4 + 2


def test_an_export_of_a_changed_parent_is_refused(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=1)
    run_grid(read_spec(made.spec), Silent())
    ranked = open_ranked(made.store)
    parent = ranked.grid.cell(ranked.rows[0].cell).use.checkpoint.path
    with pytest.raises(InputOverwrittenError, match="is one of the inputs"):
        export_cell(ranked.grid, choose_cell(ranked.grid, ranked.rows, "best"), parent)
    parent.write_bytes(parent.read_bytes() + b" ")
    with pytest.raises(ExportError, match="has changed since it was scored"):
        export_cell(ranked.grid, choose_cell(ranked.grid, ranked.rows, "best"), tmp_path / "best.safetensors")
    assert not (tmp_path / "best.safetensors").exists()


def test_two_names_of_one_file_are_one_cell_and_tied(tmp_path: Path) -> None:
    made = write_grid(tmp_path, steps=1)
    copy = made.folder / "runs of hina ö" / "copy.safetensors"
    copy.write_bytes((made.folder / "runs of hina ö" / "hina.safetensors").read_bytes())
    run_grid(read_spec(made.spec), Silent())
    rows = [row for row in open_ranked(made.store).rows if row.checkpoint in ("copy", "hina") and not row.also]
    by_weights = {row.weights: {other.cell for other in rows if other.weights == row.weights} for row in rows}
    assert all(len(cells) == 1 for cells in by_weights.values())
    assert len(rows) == 4


def test_a_kill_half_way_changes_nothing(tmp_path: Path) -> None:
    whole = write_grid(tmp_path / "a", steps=3)
    # Copied, not written again: safetensors puts metadata in a random order, and other bytes are other cells.
    shutil.copytree(whole.folder, tmp_path / "b")
    killed = GridFolder(tmp_path / "b", tmp_path / "b" / whole.spec.name, tmp_path / "b" / "läufe" / "eval")
    run_grid(read_spec(whole.spec), Silent())
    process = start_command("eval", "grid", str(killed.spec))
    deadline = time.monotonic() + 120
    while len(pictures_of(killed.store)) < 5 and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.join()
    outcome = run_grid(read_spec(killed.spec), Silent())
    assert outcome.rendered > 0
    assert {name: bits for name, (bits, _) in pictures_of(killed.store).items()} == {
        name: bits for name, (bits, _) in pictures_of(whole.store).items()
    }
    assert facts_of(killed.store) == facts_of(whole.store)


def test_the_report_is_one_file_that_needs_no_network(rendered_grid: GridFolder, tmp_path: Path) -> None:
    ranked = open_ranked(rendered_grid.store)
    write_report(report_data(ranked), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "hina-000001" in html
    assert "data:image/" in html
    assert 'src="http' not in html
    assert 'href="http' not in html


def test_the_sheet_shows_every_checkpoint_beside_the_base(rendered_grid: GridFolder, tmp_path: Path) -> None:
    write_sheet(open_ranked(rendered_grid.store), tmp_path / "report.png")
    width, height = Image.open(tmp_path / "report.png").size
    assert width >= 3 * 192
    assert height >= 192
