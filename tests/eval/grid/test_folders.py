"""Before a grid renders anything it says who is in its folders, and stops where likeness to them would mean nothing."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from base_models.vision.folder_check import SeveralPeopleError, SomebodyElseError
from drawn_people import draw_folder, strangers
from eval.grid.run_grid import run_grid
from eval.reporting.ranked_grid import open_ranked
from eval.request.references import TrainedReferenceError
from eval.request.spec import forced, read_spec
from eval.rescoring.rescore import RescoreRequest, rescore
from eval.search.run_search import run_search
from eval.store.store import open_store
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid
from miniature.recipe.subject import SUBJECT


@dataclass
class Heard(Silent):
    """A reporter that keeps what is said."""

    lines: list[str] = field(default_factory=list[str])

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    return write_grid(tmp_path_factory.mktemp("folders"), steps=1)


@pytest.fixture
def grid(made: GridFolder, tmp_path: Path) -> GridFolder:
    folder = tmp_path / "grid"
    shutil.copytree(made.folder, folder)
    return GridFolder(folder, folder / made.spec.name, folder / "läufe" / "eval")


def _mixed(grid: GridFolder) -> Path:
    """Eight references of the subject and four of strangers."""
    rng = random.Random(1)
    shutil.rmtree(grid.folder / "references")
    return draw_folder(grid.folder / "references", [SUBJECT] * 8 + strangers(4, rng), rng)


def _rendered(grid: GridFolder) -> int:
    return len(list(grid.store.rglob("*.png")))


def test_a_grid_whose_references_show_several_people_renders_nothing(grid: GridFolder) -> None:
    _mixed(grid)
    with pytest.raises(SeveralPeopleError, match=r"08\.png, 09\.png, 10\.png, 11\.png"):
        run_grid(read_spec(grid.spec), Silent())
    assert _rendered(grid) == 0


def test_nor_does_a_search(grid: GridFolder) -> None:
    _mixed(grid)
    with pytest.raises(SeveralPeopleError):
        run_search(read_spec(grid.spec), False, Silent())
    assert _rendered(grid) == 0


def test_forced_it_goes_on_and_every_row_says_so(grid: GridFolder) -> None:
    _mixed(grid)
    heard = Heard()
    run_grid(forced(read_spec(grid.spec)), heard)
    assert _rendered(grid) > 0
    assert any(line.startswith("note: ") and "08.png" in line for line in heard.lines)
    rows = open_ranked(grid.store).rows
    assert all(any("5 people" in flag for flag in row.flags) for row in rows)


def test_other_references_are_looked_at_when_a_store_is_scored(grid: GridFolder) -> None:
    run_grid(read_spec(grid.spec), Silent())
    rng = random.Random(2)
    others = draw_folder(grid.folder / "others", strangers(1, rng) * 8, rng)
    with pytest.raises(SomebodyElseError, match="others"):
        rescore(grid.store, RescoreRequest(held_out=others), Silent())
    assert open_store(grid.store).fact("grid") is not None
    assert not any("somebody else" in flag for row in open_ranked(grid.store).rows for flag in row.flags)
    rescore(grid.store, RescoreRequest(held_out=others, allow_others=True), Silent())
    assert all(any("somebody else" in flag for flag in row.flags) for row in open_ranked(grid.store).rows)


def test_a_mirrored_crop_of_a_training_picture_is_no_reference(grid: GridFolder) -> None:
    twin = sorted((grid.folder / "Train").rglob("*.png"))[5]
    picture = Image.open(twin)
    ImageOps.mirror(picture.crop((3, 2, 60, 59))).save(grid.folder / "references" / "leak.png")
    with pytest.raises(TrainedReferenceError, match=r"leak\.png: is the training picture"):
        run_grid(read_spec(grid.spec), Silent())
