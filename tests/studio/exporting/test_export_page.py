"""Export: the form of the file, its folder and name, and the file drawn anew beside what was scored."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from eval.exporting.exported import Exported
from foundation.safetensors_header import read_header
from grid_folders import GridFolder, copied
from loras.lora_file import read_lora
from studio.exporting.drawn_check import Held, held_against, in_words, pictures_to_draw, spec_of_store
from studio.exporting.export_file import AskedForm, cautions, export_path, write_export
from studio.previewing.blend_pictures import BlendPictures
from studio.previewing.drawing_process import place_of
from studio.shared.allowed_folders import VARIABLE
from studio.shared.file_names import FileNameError, stem_of
from studio.shared.stores import open_for_pages
from synthetic_store import FLOOR, Size, write_store

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
PLAIN = AskedForm()
TINY = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)


def page_on(store: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(here)
    monkeypatch.setenv(VARIABLE, str(store))
    app = AppTest.from_file(str(ENTRY), default_timeout=120).run()
    return app.switch_page("exporting/export_page.py").run()


def words(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.warning, *app.success, *app.info]
    return "\n".join(block.value for block in blocks)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "x" * 300, "名" * 90, "\0", ".hidden", "a\nb"])
def test_what_is_no_name_on_every_disk_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(FileNameError, match="not a file name; use up to 100 letters"):
        stem_of(name)


def test_a_name_of_300_characters_is_a_sentence_on_the_page(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page_on(store, tmp_path, monkeypatch)
    app.text_input[0].set_value("n" * 300).run()
    assert not app.exception
    assert "not a file name" in words(app)


def test_a_folder_elsewhere_is_refused_and_one_below_is_taken(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page_on(store, tmp_path, monkeypatch)
    app.text_input[1].set_value("/etc").run()
    assert not app.exception
    assert "lies outside of the folders" in words(app)
    app.text_input[1].set_value("my loras").run()
    app.text_input[0].set_value("hina best").run()
    app.button[0].click().run()
    assert not app.exception
    assert (tmp_path / "my loras" / "hina best.safetensors").is_file()
    assert "it holds the tensors that were scored" in words(app)


def test_where_there_is_none_to_take_export_says_so_before_it_writes_and_ranking_does_not_recommend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic_store._likeness", lambda *_: FLOOR)
    poor = write_store(tmp_path, TINY)
    opened = open_for_pages(poor)
    said = cautions(opened, opened.rows[0])
    assert said[0].startswith("Take none of these yet: no row is shown to be more like the subject")
    app = page_on(poor, tmp_path, monkeypatch)
    assert [block.value.replace("\\", "") for block in app.warning][: len(said)] == said
    app.button[0].click().run()
    assert app.success
    assert app.warning, "still there beside what was written"
    app.switch_page("ranking/ranking_page.py").run()
    assert not app.exception
    assert "Export it as one file" not in [one.label for one in app.button]


def test_a_row_that_is_not_to_be_taken_is_said_to_be_so(store: Path) -> None:
    opened = open_for_pages(store)
    best = opened.rows[0]
    assert cautions(opened, best) == []
    poor = replace(next(row for row in opened.rows if not row.broken), worth_taking=False)
    assert cautions(opened, poor) == [
        f"{poor.name} is not shown to be more like the subject than the base model. The ranking says to take "
        f"{best.name}."
    ]
    broken = next(row for row in opened.rows if row.broken)
    assert cautions(opened, broken) == list(broken.broken)


def test_ranking_leads_to_the_export_of_the_row_that_it_says_to_take(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page_on(store, tmp_path, monkeypatch)
    app.selectbox(key="chosen").set_value(3).run()
    app.switch_page("ranking/ranking_page.py").run()
    next(one for one in app.button if one.label == "Export it as one file").click().run()
    assert not app.exception
    assert app.title[0].value == "Export"
    assert app.selectbox(key="chosen").value == 0


def test_a_full_disk_is_a_sentence(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page_on(store, tmp_path, monkeypatch)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "best.safetensors")

    monkeypatch.setattr("eval.exporting.export.write_shaped", full)
    app.button[0].click().run()
    assert not app.exception
    assert "No space left on device" in words(app)


def test_another_rank_and_type_are_written_and_their_error_is_said(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page_on(store, tmp_path, monkeypatch)
    boxes = {box.label: box for box in app.selectbox}
    boxes["Rank"].set_value("auto").run()
    boxes["Type"].set_value("bfloat16").run()
    next(one for one in app.text_area if one.label == "Description").set_value("<b>für nah</b>").run()
    assert "no longer what was scored" in words(app)
    app.text_input[0].set_value("small").run()
    next(one for one in app.button if one.label == "Write the file").click().run()
    assert not app.exception
    path = store / "exports" / "small.safetensors"
    assert read_header(path).metadata["modelspec.description"] == "<b>für nah</b>"
    assert {module.up.dtype for module in read_lora(path).modules.values()} == {torch.bfloat16}
    assert "of their size away from those that were scored" in words(app)


@pytest.fixture
def made(rendered_grid: GridFolder, tmp_path: Path) -> GridFolder:
    """A rendered grid below where the studio is started, its specification called as pages look for it."""
    made = copied(rendered_grid, tmp_path / "made")
    return replace(made, spec=made.spec.rename(made.spec.with_name("grid.toml")))


def test_the_file_drawn_anew_is_what_was_scored(
    made: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn by the process that draws previews, from the written file alone; and another file is told from it."""
    opened = open_for_pages(made.store)
    row = next(row for row in opened.rows if row.also)
    written = write_export(opened, row, export_path(tmp_path, "best"), PLAIN)
    assert spec_of_store(opened, [made.spec.with_name("prompts.toml"), made.spec]) == made.spec
    (one, *_) = pictures_to_draw(opened, row, written, made.spec)
    drawn = tmp_path / "drawn.png"
    drawn.write_bytes(BlendPictures().png(one.wanted, lambda: True, lambda done: None))
    held = held_against(drawn, one)
    assert held.most <= 1
    assert held.lora > 1
    said, is_as_scored = in_words([held], written)
    assert is_as_scored
    assert "1 picture is the scored one" in said
    assert not in_words([held_against(one.base, one)], written)[1]


def test_the_page_shows_what_was_drawn_beside_what_was_scored(
    made: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.exporting.drawn_check_page.see_to_it", lambda place: None)
    app = page_on(made.store, tmp_path, monkeypatch)
    next(one for one in app.button if one.label == "Write the file").click().run()
    next(one for one in app.button if one.label == "Draw it anew and compare").click().run()
    assert not app.exception
    opened = open_for_pages(made.store)
    row = opened.rows[0]
    (path,) = (made.store / "exports").glob("*.safetensors")
    written = Exported(path, app.code[0].value, path.with_suffix(".png"))
    for one in pictures_to_draw(opened, row, written, made.spec):
        shutil.copyfile(one.scored, place_of(tmp_path) / f"{one.wanted.digest}.png")
    app.run()
    assert not app.exception
    assert "are the scored ones, to one level of 255" in words(app)


def test_how_far_it_is_decides_what_is_advised(tmp_path: Path) -> None:
    exact, small = (Exported(Path("a"), "", Path("b"), "float16", 4, error) for error in (0.0, 0.2))
    assert in_words([Held(0.4, 9, 12.0)], exact)[1]
    said, is_as_scored = in_words([Held(5.0, 90, 12.0)], small)
    assert not is_as_scored
    assert "what the smaller rank or type costs" in said
    assert "draw as the store was drawn" in in_words([Held(5.0, 90, 12.0)], exact)[0]


def test_pictures_of_two_sizes_are_told_apart(tmp_path: Path, made: GridFolder) -> None:
    opened = open_for_pages(made.store)
    written = Exported(tmp_path / "best.safetensors", "0", tmp_path / "best.png")
    (one, *_) = pictures_to_draw(opened, opened.rows[0], written, made.spec)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "other.png")
    assert held_against(tmp_path / "other.png", one).most == 255


def test_a_store_whose_specification_lies_elsewhere_has_none(made: GridFolder, store: Path) -> None:
    assert spec_of_store(open_for_pages(store), [made.spec]) is None
