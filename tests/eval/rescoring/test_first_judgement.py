"""A grid that was rendered and could not be read is judged by `eval score STORE SPEC`, once it is mended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eval.grid.run_grid import run_grid
from eval.judging.readings import Reader
from eval.reporting.ranked_grid import open_ranked
from eval.request.spec import read_spec
from eval.rescoring.first_judgement import is_unjudged, judge_first
from eval.rescoring.rescore import RescoreRequest
from eval.store.store import StoreError
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from grid_folders import GridFolder, at, write_grid


def fail(*_: object) -> None:
    raise ConfigurationError("the face pack broke")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    made = write_grid(tmp_path_factory.mktemp("left"), steps=1)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Reader, "read_pictures", fail)
        with pytest.raises(ConfigurationError, match="the face pack broke"):
            run_grid(read_spec(made.spec), Silent())
    return made


@pytest.fixture
def unjudged(left: GridFolder, tmp_path: Path) -> GridFolder:
    """A copy of its own, since what is tested changes it."""
    return at(Path(shutil.copytree(left.folder, tmp_path / "grid")))


def test_what_was_rendered_is_judged_and_nothing_is_rendered(unjudged: GridFolder) -> None:
    made = {path: path.stat().st_mtime_ns for path in unjudged.store.rglob("*.png")}
    assert is_unjudged(unjudged.store)
    judge_first(unjudged.store, read_spec(unjudged.spec), RescoreRequest(second_faces="none"), Silent())
    assert not is_unjudged(unjudged.store)
    assert len(open_ranked(unjudged.store).rows) == 6
    assert {path: path.stat().st_mtime_ns for path in unjudged.store.rglob("*.png")} == made
    assert run_grid(read_spec(unjudged.spec), Silent()).rendered == 0


def test_an_option_stands_in_place_of_what_the_specification_says(unjudged: GridFolder) -> None:
    judge_first(unjudged.store, read_spec(unjudged.spec), RescoreRequest(subject="image"), Silent())
    assert open_ranked(unjudged.store).evidence.subject == "image"
    with pytest.raises(ConfigurationError, match="these models do not go together: likeness is"):
        judge_first(
            unjudged.store, read_spec(unjudged.spec), RescoreRequest(subject="image", likeness="dino"), Silent()
        )


def test_a_grid_that_is_not_whole_is_rendered_first(unjudged: GridFolder) -> None:
    text = unjudged.spec.read_text(encoding="utf-8")
    unjudged.spec.write_text(text.replace("seeds = 2", "seeds = 3"), encoding="utf-8")
    with pytest.raises(StoreError, match=r"of its \d+ pictures are not rendered yet; `python -m eval grid SPEC`"):
        judge_first(unjudged.store, read_spec(unjudged.spec), RescoreRequest(), Silent())
    unjudged.spec.write_text(text.replace("steps = 1", "steps = 2"), encoding="utf-8")
    with pytest.raises(StoreError, match="none of its pictures is rendered yet"):
        judge_first(unjudged.store, read_spec(unjudged.spec), RescoreRequest(), Silent())
