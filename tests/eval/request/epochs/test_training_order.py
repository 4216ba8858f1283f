"""Checkpoints stand in the order of training wherever they are in a row; a file without a number is a run's last."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eval.judging.stored_grid import KEY, load_grid
from eval.ranking.ranking import rank
from eval.reporting.contact_sheet import write_sheet
from eval.reporting.ranked_grid import open_ranked
from eval.reporting.report import ReportData, write_report
from eval.request.cells import Cell, Checkpoint, Use
from eval.request.checkpoints import find_checkpoints
from eval.request.epochs.saved_when import when_by_header
from eval.request.epochs.training_order import Trained, in_training_order, on_the_way
from eval.search.arm_coordinates import coordinates_of
from eval.store.store import KeptPicture, open_store
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.weights import Weights
from studio.ranking.ranking_rows import checkpoints_in_order
from synthetic_store import Size, write_store

TRAINED = ["run-000002", "run-000010", "run"]


def lora(path: Path, seed: int, epoch: str | None) -> None:
    rng = torch.Generator().manual_seed(seed)
    stem = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {
        f"{stem}.lora_down.weight": torch.randn(2, 8, generator=rng),
        f"{stem}.lora_up.weight": torch.randn(8, 2, generator=rng),
        f"{stem}.alpha": torch.tensor(1.0),
    }
    save_file(tensors, path, {} if epoch is None else {"ss_epoch": epoch})


def names(folder: Path) -> list[str]:
    return [one.name for one in find_checkpoints([str(folder / "*.safetensors")]).checkpoints]


def test_epochs_come_first_then_names_and_epoch_0_is_the_first() -> None:
    made = [("run", None), ("b", 10), ("a", 10), ("z", 0), ("run", 2)]
    assert in_training_order(made, lambda one: Trained(one[1], None, one[0])) == [
        ("z", 0),
        ("run", 2),
        ("a", 10),
        ("b", 10),
        ("run", None),
    ]


def test_a_blend_is_no_epoch_whatever_it_is_called_and_its_parents_were(tmp_path: Path) -> None:
    lora(tmp_path / "run-000002.safetensors", 1, "2")
    lora(tmp_path / "other-000003.safetensors", 2, "3")
    files = [str(tmp_path / f"{name}.safetensors") for name in ("run-000002", "other-000003")]
    write_blend(BlendRequest(tuple(map(WeightedLora.parse, files)), tmp_path / "run-4.safetensors"), Silent())
    said = read_metadata(tmp_path / "run-4.safetensors")
    assert "ss_epoch" not in said
    for header in (said, {**said, "ss_epoch": "2"}):  # as an earlier version wrote it
        assert not when_by_header(header).known
    found = find_checkpoints([*files, str(tmp_path / "run-4.safetensors")]).checkpoints
    assert [(one.name, one.epoch) for one in found] == [("run-000002", 2), ("other-000003", 3), ("run-4", None)]


def test_on_the_way_of_a_training_are_its_numbered_files_and_its_last() -> None:
    made = [("run", None), ("blend", None), ("run-000010", 10), ("run-000002", 2)]

    def way(*listed: tuple[str, int | None]) -> list[str]:
        return [name for name, _ in on_the_way(listed, lambda one: Trained(one[1], None, one[0]))]

    assert way(*made) == ["run-000002", "run-000010", "run"]
    assert way(*made[:2]) == []


def test_files_are_found_as_they_were_trained(tmp_path: Path) -> None:
    lora(tmp_path / "run.safetensors", 3, None)
    lora(tmp_path / "run-000010.safetensors", 2, "10")
    lora(tmp_path / "run-000002.safetensors", 1, "2")
    assert names(tmp_path) == TRAINED


def test_a_copy_that_lost_its_epoch_stands_before_its_original(tmp_path: Path) -> None:
    """So that what is asked for beside the last checkpoint stays with the file that has rendered it."""
    lora(tmp_path / "run-000002.safetensors", 1, "2")
    lora(tmp_path / "run-000010.safetensors", 2, "10")
    lora(tmp_path / "a copy of it.safetensors", 1, None)
    lora(tmp_path / "zz.safetensors", 2, None)
    assert names(tmp_path) == ["a copy of it", "run-000002", "zz", "run-000010"]


def test_to_the_search_the_last_file_lies_behind_all_others_and_epoch_0_before_them() -> None:
    cells = [
        Cell(Use(Checkpoint(Path(name), name, name, epoch), Weights.of(1, 1)), (), "float16")
        for name, epoch in (("run-000000", 0), ("run-000004", 4), ("run", None))
    ]
    assert coordinates_of(cells)[:, 0].tolist() == [0, 4, 5]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store whose grid was made before, with the file without an epoch first."""
    folder = write_store(tmp_path, Size(epochs=(2, 4, 6), unet=(1.0,), te=(1.0,), seeds=2))
    opened = open_store(folder)
    snapshot = load_grid(opened).snapshot.model_dump(mode="json")
    for cell in snapshot["cells"]:
        for use in cell["uses"]:
            use["epoch"] = None if use["name"] == "tessa-000006" else use["epoch"]
    snapshot["cells"] = snapshot["cells"][::-1]
    opened.set_fact(KEY, snapshot)
    opened.close()
    return folder


def test_report_sheet_and_studio_show_the_last_file_last(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = open_ranked(store)
    trained = ["tessa-000002", "tessa-000004", "tessa-000006"]
    assert checkpoints_in_order(ranked.rows) == trained
    write_report(
        ReportData(
            "",
            ranked.evidence,
            rank(ranked.evidence),
            lambda cell, unit: KeptPicture(store / "none.png", "not made"),
            {},
        ),
        tmp_path / "r.html",
    )
    strip = (tmp_path / "r.html").read_text(encoding="utf-8").partition("One prompt through the training")[2]
    assert [part.partition("</b>")[0] for part in strip.split("<b>")[1:]] == ["base model", *trained]
    written: list[str] = []
    monkeypatch.setattr("PIL.ImageDraw.ImageDraw.text", lambda self, at, text, **look: written.append(text))
    write_sheet(ranked, tmp_path / "sheet.png")
    heads = [text for text in written if text in trained]
    assert heads == [name for name in trained if name in heads]
    assert heads[-1] == "tessa-000006"
    assert (
        " ".join(next(text for text in written if text.startswith("best")).split("\n"))
        == f"best: {ranked.rows[0].name}"
    )
