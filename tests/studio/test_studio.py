"""The studio: every page runs on a real store, and what it shows and exports is what the ranking says."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.judging.stored_grid import KEY, load_grid
from eval.rendering.cell_lora import lora_of
from eval.reporting.ranked_grid import open_ranked
from eval.store.connection import FILE_NAME
from eval.store.store import create_store, open_store
from foundation.files import sha256_of
from foundation.printing import as_typed
from loras.lora_file import read_lora
from studio.exporting.export_file import contents_of, export_path, suggested_name
from studio.ranking.ranking_rows import Filters, curve_rows, heat_rows, ranking_table, usual_settings
from studio.shared.file_names import FileNameError
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.pictures import comparison, evenly_spaced, pairs_won, rival_of, units_of_role
from studio.shared.stores import find_stores, last_changed, open_for_pages, short_names, stores_below
from synthetic_store import Size, write_store

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY = REPOSITORY / "studio" / "streamlit_app.py"
SECONDS = 60
TINY = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)

OpenApp = Callable[[Path], AppTest]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("run"))


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> OpenApp:
    """Runs the entry as `streamlit run studio` in a folder would."""

    def run(folder: Path) -> AppTest:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
        return AppTest.from_file(str(ENTRY), default_timeout=SECONDS).switch_page("ranking/ranking_page.py").run()

    return run


@pytest.fixture
def app(store: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    return open_app(store.parent)


def words(app: AppTest) -> str:
    """Everything the page says, without Markdown's escapes."""
    shown = [*app.title, *app.markdown, *app.caption, *app.warning, *app.success, *app.info, *app.error]
    return "\n".join(element.value for element in shown).replace("\\", "")


def test_ranking_page_says_which_to_take_and_how_sure_that_is(app: AppTest, store: Path) -> None:
    best = open_ranked(store).rows[0]
    assert not app.exception
    assert app.title[0].value.replace("\\", "").startswith(f"Take {best.name}")
    assert f"({best.identity_low:.3f} to {best.identity_high:.3f}, 19 times in 20)" in words(app)
    assert "not shown to be worse" in words(app)
    assert "Faces: drawn faces (ffffffffffff)" in words(app)


def test_ranking_page_shows_every_row_and_filters_them(app: AppTest, store: Path) -> None:
    rows = open_ranked(store).rows
    assert len(app.dataframe[0].value) == len(rows)
    app.multiselect[0].select("tessa-000002").run()
    assert not app.exception
    assert set(app.dataframe[0].value["checkpoint"]) == {"tessa-000002"}
    assert list(app.dataframe[0].value["#"]) == [
        at + 1 for at, row in enumerate(rows) if row.checkpoint == "tessa-000002"
    ]
    app.multiselect[1].select("first_try:unet=0.3,te=0.2").run()
    assert "No row passes these filters" in words(app)


def test_rows_over_a_limit_are_named_and_can_be_hidden(app: AppTest, store: Path) -> None:
    broken = [row for row in open_ranked(store).rows if row.broken]
    assert broken
    assert sum(one.startswith("limit: ") for one in app.dataframe[0].value["standing"]) == len(broken)
    app.toggle[0].set_value(True).run()
    assert not any(one.startswith("limit") for one in app.dataframe[0].value["standing"])


def test_pictures_page_compares_the_chosen_cell_with_its_rival_and_the_base_model(app: AppTest, store: Path) -> None:
    app.switch_page("comparing/comparing_page.py").run()
    rows = open_ranked(store).rows
    assert not app.exception
    assert f"More alike than {rows[1].name}" in words(app)
    assert rows[0].bleed is not None
    assert f"Bleed, 95 %: {rows[0].bleed:+.3f} (" in words(app)
    assert "Copy, 95 %: " in words(app)
    last = len(rows) - 1
    app.selectbox(key="chosen").set_value(last).run()
    assert not app.exception
    assert f"More alike than {rows[0].name}" in words(app)
    assert rows[last].broken[0] in words(app)
    app.switch_page("exporting/export_page.py").run()
    assert app.selectbox(key="chosen").value == last


def test_pictures_page_stands_chosen_cells_beside_and_turns_them_over(app: AppTest, store: Path) -> None:
    rows = open_ranked(store).rows
    app.switch_page("comparing/comparing_page.py").run()
    beside = app.multiselect(key="beside 1")
    assert beside.value == [1]
    beside.select(3).run()
    assert not app.exception
    assert f"More alike than {rows[3].name} on" in words(app)


def test_of_a_subject_without_a_face_the_pages_speak_of_pictures(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_store(tmp_path, TINY)
    store = open_store(folder)
    snapshot = load_grid(store).snapshot
    by_clip = {"subject": "image", "face_model": snapshot.clip_model, "licences": {}}
    store.set_fact(KEY, snapshot.model_copy(update=by_clip).model_dump(mode="json"))
    store.close()
    monkeypatch.setenv("LORA_STUDIO_STORE", str(folder))
    app = open_app(tmp_path)
    assert not app.exception
    assert "Likeness and prompt by CLIP: drawn scenes" in words(app)
    helps = " ".join(tile.help for tile in app.metric)
    assert "face" not in helps + words(app).replace("the face rate does not apply", "")
    assert "other subjects" in helps
    app.switch_page("comparing/comparing_page.py").run()
    assert app.button_group[0].options == ["The subject", "Other subjects"]


def test_export_page_writes_the_tensors_that_were_scored(app: AppTest, store: Path) -> None:
    app.switch_page("exporting/export_page.py").run()
    assert not app.exception
    name = app.text_input[0].value
    app.button[0].click().run()
    assert not app.exception
    path = store / "exports" / f"{name}.safetensors"
    opened = open_for_pages(store)
    expected = lora_of(opened.cell(opened.rows[0]))
    written = read_lora(path)
    assert {key: module.alpha for key, module in written.modules.items()} == {
        key: module.alpha for key, module in expected.modules.items()
    }
    assert all((written.modules[key].up == module.up).all() for key, module in expected.modules.items())
    assert path.with_suffix(".png").is_file()
    shown = [block.value for block in app.code]
    assert sha256_of(path) in shown
    assert f"ohwx person, <lora:{name}:1>" in shown
    app.text_input[0].set_value("../elsewhere").run()
    assert "not a file name" in words(app)
    assert not app.exception


def test_an_export_that_its_parents_no_longer_allow_is_refused_in_words(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_store(tmp_path, TINY)
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    app = open_app(tmp_path).switch_page("exporting/export_page.py").run()
    parent = open_for_pages(store).cell(open_ranked(store).rows[0]).use.checkpoint.path
    parent.unlink()
    app.run()
    assert not app.exception
    assert f"{parent}: no such LoRA file" in words(app)


def test_a_grid_that_is_not_finished_says_so_and_how_far_it_is(open_app: OpenApp, tmp_path: Path) -> None:
    create_store(tmp_path / "runs" / "half" / "eval").close()
    app = open_app(tmp_path)
    assert not app.exception
    assert as_typed("its grid is not finished; run `python -m eval grid SPEC` again") in words(app)
    assert "0 pictures are rendered so far" in words(app)


def test_a_store_that_is_damaged_while_it_is_open_is_told(store: Path, open_app: OpenApp, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one" / "eval"
    shutil.copytree(store, folder)
    app = open_app(tmp_path)
    assert not app.exception
    file = folder / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    app.run()
    assert not app.exception
    assert f"{file}: is damaged" in words(app)


def test_without_a_store_the_studio_says_which_command_makes_one(open_app: OpenApp, tmp_path: Path) -> None:
    app = open_app(tmp_path)
    assert not app.exception
    assert [block.value for block in app.code] == [
        as_typed("python -m eval grid SPEC.toml"),
        as_typed("python -m streamlit run studio -- STORE"),
    ]


def test_a_named_folder_that_is_no_store_is_told(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_STUDIO_STORE", str(tmp_path / "nowhere"))
    app = open_app(tmp_path)
    assert not app.exception
    assert "nowhere: not a store" in words(app)


def test_a_folder_outside_of_what_the_studio_was_started_with_is_not_opened(
    open_app: OpenApp, store: Path, tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "runs" / "one")
    app = open_app(tmp_path)
    assert not app.exception
    app.session_state["wanted store"] = store
    app.run()
    assert not app.exception
    assert not app.title
    assert "lies outside of the folders that the studio was started with" in words(app)


def test_stores_are_found_by_argument_then_variable_then_below_runs(store: Path, tmp_path: Path) -> None:
    below = tmp_path / "runs" / "hina" / "one" / "eval"
    shutil.copytree(store, below)
    other = tmp_path / "other"
    variables = {"LORA_STUDIO_STORE": str(other)}
    assert find_stores([], {}, tmp_path) == [below]
    assert find_stores([str(store)], variables, tmp_path) == [store, other]
    assert find_stores(["runs"], {}, tmp_path) == [below]
    assert stores_below(below) == [below]
    assert short_names([below, store], tmp_path) == {below: "runs/hina/one/eval", store: str(store)}


def test_a_store_that_grows_is_opened_anew_and_one_that_is_read_is_not(tmp_path: Path) -> None:
    store = write_store(tmp_path, TINY)
    before = last_changed(store)
    open_for_pages(store)
    assert last_changed(store) == before
    writer = create_store(store)
    writer.set_fact("news", {})
    assert last_changed(store) != before
    writer.close()


def test_table_and_charts_hold_what_the_ranking_says(store: Path) -> None:
    opened = open_for_pages(store)
    table = ranking_table(opened, range(len(opened.rows)))
    assert table["#"].to_pylist() == [row.place for row in opened.rows]
    assert table["identity"].to_pylist() == [row.identity for row in opened.rows]
    assert all(one.startswith("data:image/webp;base64,") for one in table["picture"].to_pylist())
    curve = [point["checkpoint"] for point in curve_rows(opened.rows, usual_settings(opened.rows))]
    assert curve == sorted(curve)
    assert len(heat_rows(opened.rows, opened.rows[0].checkpoint)) == 8
    assert not Filters(within_limits=True).keep(opened.rows[-1])


def test_comparisons_name_missing_failed_and_faceless_pictures(store: Path) -> None:
    opened = open_for_pages(store)
    rows = comparison(opened, [*opened.rows, None], units_of_role(opened, "subject"))
    said = [picture.likeness for unit in rows for picture in unit.pictures]
    assert {"not made", "failed", "no face"} <= set(said)
    assert all(unit.pictures[-1].path for unit in rows)
    rival = rival_of(opened, opened.rows[-1])
    assert rival == opened.rows[0]
    assert pairs_won(opened, opened.rows[-1], rival)[0] == 0
    assert evenly_spaced([3, 5, 7, 9], 2) == [3, 9]


def test_contents_of_an_export_are_told_before_it_is_written(store: Path) -> None:
    opened = open_for_pages(store)
    for row in opened.rows:
        lora = lora_of(opened.cell(row))
        contents = contents_of(opened.cell(row))
        assert contents.modules == len(lora.modules)
        assert contents.rank == max(module.rank for module in lora.modules.values())
        assert contents.size == sum(2 * (one.down.numel() + one.up.numel()) for one in lora.modules.values())
        assert export_path(store / "exports", suggested_name(row)).parent == store / "exports"
    with pytest.raises(FileNameError, match="not a file name"):
        export_path(opened.folder, "a/b")


def test_names_of_files_reach_the_page_unchanged() -> None:
    assert escaped("run studio -- . a---b") == r"run studio `--` . a`--`\-b"  # drawn as long dashes else
    assert escaped("__a*b*__ $x$ :red[c]") == r"\_\_a\*b\*\_\_ \$x\$ \:red\[c\]"


def test_what_we_call_code_is_drawn_as_code_and_nothing_in_it_is_read() -> None:
    assert in_sentence("run `eval grid SPEC --wide` again: *now*") == r"run `eval grid SPEC --wide` again\: \*now\*"
    assert in_sentence("run `python -m eval rank`") == as_typed("run `python -m eval rank`")
    assert in_sentence("`:red[a]` $b$") == r"`:red[a]` \$b\$"
    assert in_sentence("a ` b") == escaped("a ` b")
    assert in_sentence("`a\n\nb`") == escaped("`a\n\nb`"), "a code span ends with its paragraph"
