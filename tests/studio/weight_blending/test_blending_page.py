"""Blending by sliders: what the command is told, how moves are undone, what a rank costs, and the file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.request.plan import make_plan
from eval.request.spec import read_spec
from loras.blending.weighted_lora import WeightedLora
from miniature.paths import SUBJECT
from studio.jobs.kept_job import Job
from studio.shared.allowed_folders import allowed_folders
from studio.shared.file_names import FileNameError
from studio.shared.found_work import find_work
from studio.shared.stores import open_for_pages
from studio.weight_blending.found_loras import labels_of, loras_for, scored_alone
from studio.weight_blending.recipe import OWN, Moves, Part, Recipe, blocks_in
from studio.weight_blending.scoring_spec import (
    OTHERS,
    TEXT,
    UNET,
    TooManyFilesError,
    write_scoring_spec,
    write_search_spec,
)
from studio.weight_blending.written_blend import (
    Blended,
    BlendingError,
    blends_in,
    expected_error,
    output_path,
    state_of,
    written,
)
from synthetic_store import Size, write_store

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
FIRST = SUBJECT / "first.safetensors"


def test_weights_are_said_as_the_command_reads_them() -> None:
    blocks = dict.fromkeys(blocks_in(FIRST), 1.0) | {"OUT00": 0.25, "BASE": 0.5}
    for part in (Part(FIRST, 0.8, 0.5), Part(FIRST, -0.2, 0.0, "OUTD"), Part(FIRST, 1.0, 1.0, OWN, blocks)):
        read = WeightedLora.parse(part.text)
        assert (read.path, read.weights.unet, read.weights.te1) == (FIRST, part.unet, part.te)
        assert read.blocks.on("lora_unet_down_blocks_0_attentions_0_proj_in") == (0.0 if part.preset == "OUTD" else 1.0)
    assert read.blocks.on("lora_te_text_model_encoder_layers_0_mlp_fc1") == 0.5
    assert read.blocks.on("lora_unet_up_blocks_0_resnets_0_conv1") == 0.25


def test_blocks_stand_as_a_picture_passes_through_them() -> None:
    blocks = blocks_in(FIRST)
    assert blocks[0] == "BASE"
    assert blocks.index("IN01") < blocks.index("M00") < blocks.index("OUT00")


def test_moves_are_taken_back_one_by_one() -> None:
    first, second = Recipe((Part(FIRST),)), Recipe((Part(FIRST, 0.5),))
    moves = Moves().to(first).to(first).to(second)
    assert moves.recipe == second
    assert moves.back().recipe == first
    assert moves.back().back().back().recipe == Recipe()


def test_the_error_of_a_rank_is_told_and_nothing_is_left() -> None:
    exact = Recipe((Part(FIRST, 0.8), Part(FIRST, 0.2)))
    small = replace(exact, rank="1")
    found = expected_error(state_of(small), tuple(small.command(Path("x.safetensors"))))
    assert found.ranks == (1, 1)
    assert 0.05 < found.error < 1
    assert set(found.blocks) == set(blocks_in(FIRST))
    assert not found.path.exists()


def test_what_the_command_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    nothing = Recipe((Part(FIRST, 0.0, 0.0),))
    with pytest.raises(BlendingError, match="nothing is left at these weights"):
        written(nothing, tmp_path / "made.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "n" * 300])
def test_a_name_that_is_none_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNameError, match="not a file name"):
        output_path(tmp_path, name)


def test_files_of_the_grid_come_first_and_tell_how_they_do_alone(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "other.safetensors").write_bytes(FIRST.read_bytes())
    opened = open_for_pages(write_store(tmp_path / "run", Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)))
    found = loras_for(opened, find_work([tmp_path]).loras)
    assert [path.name for path in found][-1] == "other.safetensors"
    assert {path.stem for path in found} >= {"tessa-000001", "tessa-000002", "first_try"}
    alone = scored_alone(opened, [Part(found[0]), Part(tmp_path / "runs" / "other.safetensors")])
    assert all(not row.also for _, row in alone)
    assert loras_for(None, find_work([tmp_path / "runs"]).loras) == [tmp_path / "runs" / "other.safetensors"]


def test_a_file_is_called_by_its_name_and_with_its_folder_where_several_have_it(tmp_path: Path) -> None:
    paths = [tmp_path / "runs" / folder / f"{name}.safetensors" for folder, name in ("ax", "bx", "ay")]
    assert list(labels_of(paths, allowed_folders([], {}, tmp_path)).values()) == ["x  (runs/a)", "x  (runs/b)", "y"]


def test_the_page_blends_without_a_store_and_takes_moves_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "first.safetensors").write_bytes(FIRST.read_bytes())
    monkeypatch.delenv("LORA_STUDIO_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    app.switch_page("weight_blending/blending_page.py").run()
    assert not app.exception
    app.multiselect[0].set_value([tmp_path / "runs" / "first.safetensors"]).run()
    assert not app.exception
    app.slider[0].set_value(0.5).run()
    assert "unet=0.5" in app.code[0].value
    app.selectbox[0].set_value(OWN).run()
    assert len(app.slider) == 2 + len(blocks_in(FIRST))
    undo = next(one for one in app.button if one.label.startswith("Undo"))
    undo.click().run()
    undo = next(one for one in app.button if one.label.startswith("Undo"))
    undo.click().run()
    assert not app.exception
    assert "unet=1," in app.code[0].value


def subject_beside(folder: Path) -> Path:
    """The shipped subject's specification in a folder of its own, with what it names."""
    folder.mkdir(parents=True)
    for name in ("grid.toml", "prompts.toml"):
        (folder / name).write_bytes((SUBJECT / name).read_bytes())
    for name in ("references", "Train"):
        (folder / name).symlink_to(SUBJECT / name)
    return folder / "grid.toml"


def test_a_blends_grid_has_it_and_its_files_each_at_weight_1_and_all_else_as_the_grid(tmp_path: Path) -> None:
    spec = subject_beside(tmp_path / "a 'b'")
    blend = tmp_path / "blends" / "mine.safetensors"
    blend.parent.mkdir()
    blend.write_bytes(FIRST.read_bytes())
    written = write_scoring_spec(spec, blend, [FIRST, FIRST])
    assert written == spec.with_name("mine-grid.toml")
    one, other = read_spec(written), read_spec(spec)
    assert list(one.lora.checkpoints) == [str(blend), str(FIRST.resolve())]
    assert one.store.path == spec.parent / "mine-eval"
    assert [(cell.use.weights.unet, cell.use.weights.te1) for cell in make_plan(one).cells] == [(1.0, 1.0)] * 2
    same = ("model", "sampler", "prompts", "references", "score", "limits")
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]


def test_a_search_tries_every_weight_of_every_file_once(tmp_path: Path) -> None:
    spec = subject_beside(tmp_path / "a 'b'")
    files = [tmp_path / f"{name}.safetensors" for name in "xyz"]
    for file in files:
        file.write_bytes(FIRST.read_bytes())
    for count in (1, 2, 3):
        plan = make_plan(read_spec(write_search_spec(spec, "mine", files[:count])))
        seen = {(str(cell.use.weights), tuple(map(str, cell.also))) for cell in plan.cells}
        assert len(plan.cells) == len(seen) == len(UNET) * len(TEXT) * (1 + len(OTHERS)) ** (count - 1)
        assert {len(cell.also) for cell in plan.cells} == set(range(count))
        assert {cell.use.checkpoint.path for cell in plan.cells} == {files[0]}
    with pytest.raises(TooManyFilesError, match="4 files"):
        write_search_spec(spec, "mine", [*files, FIRST])


def page_with_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[AppTest, list[Job]]:
    """The page beside a subject, one file chosen; and the jobs that it begins, which do not run."""
    begun: list[Job] = []
    monkeypatch.setattr("studio.jobs.asking.begin", lambda here, job: begun.append(job))
    monkeypatch.delenv("LORA_STUDIO_STORE", raising=False)
    subject_beside(folder / "kat")
    (folder / "runs").mkdir()
    (folder / "runs" / "first.safetensors").write_bytes(FIRST.read_bytes())
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    app.switch_page("weight_blending/blending_page.py").run()
    app.multiselect[0].set_value([folder / "runs" / "first.safetensors"]).run()
    return app, begun


def said(app: AppTest) -> str:
    blocks = (*app.markdown, *app.caption, *app.success, *app.warning)
    return "\n".join(one.value for one in blocks).replace("\\", "")


def test_a_blend_replaces_none_but_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = page_with_a_file(tmp_path, monkeypatch)
    blends = tmp_path / "runs" / "blends"

    def name() -> str:
        return next(one for one in app.text_input if one.label == "Name of the file").value

    def write() -> None:
        next(one for one in app.button if one.label == "Write the file").click().run()
        assert not app.exception

    assert name() == "blend"
    write()
    assert "Written to runs/blends/blend.safetensors" in said(app)
    app.run()
    assert "Replace" not in said(app)
    assert not [one for one in app.checkbox if one.label.startswith("Replace")], "it is the blend on show"
    first = (blends / "blend.safetensors").read_bytes()
    app.slider[0].set_value(0.5).run()
    assert name() == "blend-2", "of another recipe, by a name that is free"
    write()
    assert (blends / "blend.safetensors").read_bytes() == first
    next(one for one in app.text_input if one.label == "Name of the file").set_value("blend").run()
    button = next(one for one in app.button if one.label == "Write the file")
    assert button.proto.disabled, "until it is asked for"
    next(one for one in app.checkbox if one.label.startswith("Replace")).check().run()
    write()
    assert (blends / "blend.safetensors").read_bytes() != first
    assert "blend-2.safetensors" in {path.name for path in loras_for(None, (), blends_in(tmp_path / "runs"))}


def test_a_blend_goes_to_the_store_that_the_sidebar_stands_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)
    stores = [write_store(tmp_path / name, size) for name in ("one", "two")]
    monkeypatch.setenv("LORA_STUDIO_STORE", ":".join(map(str, stores)))
    app, _ = page_with_a_file(tmp_path, monkeypatch)
    for name in ("one/eval", "two/eval"):  # no page has opened either
        app.selectbox(key="store name").set_value(name).run()
        assert f"It goes to {name}/blends/blend.safetensors." in said(app)


def test_the_error_of_a_blend_is_told_in_figures_where_there_is_any() -> None:
    blend = Blended(FIRST, "a", 102, (32, 32), 0.0, {"IN01": 0.0, "OUT00": 0.00004})
    assert blend.is_exact
    assert not replace(blend, error=0.00006).is_exact
    assert not replace(blend, blocks={"IN01": 0.00006}).is_exact


def test_a_specification_of_somebody_elses_is_not_replaced(tmp_path: Path) -> None:
    spec, second = subject_beside(tmp_path / "kat"), tmp_path / "second.safetensors"
    second.write_bytes(FIRST.read_bytes())
    first = write_search_spec(spec, "blend", [FIRST])
    kept = first.read_text()
    assert write_search_spec(spec, "blend", [FIRST]) == first, "the same one goes on"
    other = write_search_spec(spec, "blend", [second])
    assert other.name == "blend-2-search.toml"
    assert read_spec(other).store.path == spec.parent / "blend-2-search"
    assert first.read_text() == kept


def test_the_best_weights_are_searched_by_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, begun = page_with_a_file(tmp_path, monkeypatch)
    next(one for one in app.button if one.label == "Search").click().run()
    assert not app.exception
    assert [job.arguments for job in begun] == [("search", "kat/blend-search.toml")]


def test_a_written_blend_is_scored_by_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, begun = page_with_a_file(tmp_path, monkeypatch)

    def press(label: str) -> None:
        next(one for one in app.button if one.label == label).click().run()
        assert not app.exception

    assert "Draw and score it" not in {one.label for one in app.button}
    press("Write the file")
    assert (tmp_path / "runs" / "blends" / "blend.safetensors").is_file()
    assert "The blend is exact: nothing is lost" in said(app)
    assert not app.get("vega_lite_chart"), "a chart of no error has nothing on it"
    press("Draw and score it")
    assert [job.arguments for job in begun] == [("grid", "kat/blend-grid.toml")]
    app.slider[0].set_value(0.5).run()
    assert "Draw and score it" not in {one.label for one in app.button}, "the file is of another recipe"
