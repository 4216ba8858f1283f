"""What is in a store is what was written: changed bytes are told from sound ones, forgotten, and made again."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eval.__main__ import app
from eval.store.connection import FILE_NAME, StoreError, last_changed
from eval.store.store import Store, create_store, open_store
from eval.store.tables import LAYOUT, PictureRow, Reading, reading_checksum, reading_fault
from eval.store.upkeep import faults_of, repair
from foundation.errors import UserError
from foundation.files import sha256_of
from foundation.progress import Silent
from kept_rows import InSqlite, KeptRows
from synthetic_store import Size, write_store
from typed_commands import start_command

ROOT = Path(__file__).resolve().parents[3]
SMALL = Size(epochs=(2, 4), unet=(1.0,), te=(1.0,), seeds=1)


@pytest.fixture
def folder(tmp_path: Path, kept_rows: KeptRows) -> Path:
    """A store that is sound: the picture that is missing on purpose becomes a copy of another."""
    kept_rows.prepare(tmp_path / "eval")
    folder = write_store(tmp_path, SMALL)
    store = open_store(folder)
    (gone,) = store.lost()
    other = max((folder / "pictures").rglob("*.png"))
    shutil.copy2(other, store.picture_path(gone))
    store.close()
    kept = "sha256, size, changed"
    kept_rows.edit(
        folder,
        f"UPDATE picture SET ({kept}) = (SELECT {kept} FROM picture WHERE id = '{other.stem}') WHERE id = '{gone}'",
    )
    return folder


def first_picture(folder: Path) -> Path:
    return min((folder / "pictures").rglob("*.png"))


def flipped(path: Path, at: int) -> bytes:
    """Change one byte of a file in the middle, and keep its time, as a rotting disk does."""
    facts, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return bytes(data)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "swapped", "edited"])
def test_a_changed_file_is_lost_and_not_shown(folder: Path, damage: str) -> None:
    paths = sorted((folder / "pictures").rglob("*.png"))
    data = paths[0].read_bytes()
    changed = {"truncated": data[: len(data) // 2], "emptied": b"", "swapped": paths[1].read_bytes()}
    paths[0].write_bytes(changed.get(damage, data[:200] + b"#####" + data[205:]))
    store = open_store(folder)
    assert store.lost() == {paths[0].stem}
    assert store.kept_picture(paths[0].stem).fault == "damaged"
    assert store.kept_picture(paths[1].stem).fault is None
    paths[0].write_bytes(data)
    assert store.lost() == set()
    assert store.kept_picture(paths[0].stem).fault is None
    paths[0].unlink()
    assert store.lost() == {paths[0].stem}
    assert store.kept_picture(paths[0].stem).fault == "not made"
    store.close()


def test_a_copied_store_whose_files_have_other_times_is_sound(folder: Path) -> None:
    for path in (folder / "pictures").rglob("*.png"):
        os.utime(path, (1, 1))
    store = open_store(folder)
    assert store.lost() == set()
    store.close()


def test_every_command_shows_the_rest_of_a_store_with_a_damaged_picture(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "pictures").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-30])
    page, file = tmp_path / "report.html", tmp_path / "out.safetensors"
    assert CliRunner().invoke(app, ["report", str(folder), "-o", str(page)]).exit_code == 0
    assert "damaged" in page.read_text(encoding="utf-8")
    exported = CliRunner().invoke(app, ["export", str(folder), "--cell", "best", "-o", str(file)])
    assert "this picture of the cell is damaged; run the grid again" in str(exported.exception)


def test_check_finds_what_only_reading_finds_and_repair_forgets_it(folder: Path, kept_rows: KeptRows) -> None:
    rotten = first_picture(folder)
    flipped(rotten, 150)
    kept_rows.edit(
        folder,
        f"UPDATE embedding SET vector = {kept_rows.words['zeros']} WHERE (subject, model) = (SELECT subject, model "
        "FROM embedding WHERE vector IS NOT NULL ORDER BY subject, model LIMIT 1)",
        "INSERT INTO fact (key, value) VALUES ('odd', '{no json')",
    )
    runner = CliRunner()
    assert open_store(folder).lost() == set()  # size and time are the same
    checked = runner.invoke(app, ["store", "check", str(folder)])
    assert checked.exit_code == 1
    store = open_store(folder)
    faults = faults_of(store, Silent())
    assert (list(faults.damaged), faults.missing, faults.facts) == ([rotten.stem], {}, ["odd"])
    assert len(faults.readings) == 1
    before = store.count_pictures()
    store.close()
    assert runner.invoke(app, ["store", "repair", str(folder)]).exit_code == 0
    store = open_store(folder)
    assert not faults_of(store, Silent())
    assert store.count_pictures() == before - 1
    assert store.fact("grid") is not None
    store.close()
    assert runner.invoke(app, ["store", "check", str(folder)]).exit_code == 0


@pytest.mark.parametrize("kind", ["a pipe", "a device", "of another size"])
def test_what_was_never_written_so_is_damaged_without_being_read(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, others = first_picture(folder), sorted((folder / "pictures").rglob("*.png"))[1:]
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 3 * 2**30)
    hashed = list[Path]()
    monkeypatch.setattr("eval.store.picture_files.sha256_of", lambda one: hashed.append(one) or sha256_of(one))
    store = open_store(folder)
    assert list(faults_of(store, Silent()).damaged) == [path.stem]
    assert store.kept_picture(path.stem).fault == "damaged"
    assert hashed == others
    store.close()


def test_repair_of_a_sound_store_changes_nothing(folder: Path, kept_rows: KeptRows) -> None:
    store = open_store(folder)
    before, changed = kept_rows.all_rows(folder), last_changed(folder)
    repair(store, faults_of(store, Silent()))
    store.close()
    assert (kept_rows.all_rows(folder), last_changed(folder)) == (before, changed)


@pytest.mark.parametrize(
    "change",
    [
        "vector = {start}",
        "vector = vector || vector",
        "vector = {noise}",
        "count = count + 1",
        "checksum = NULL, vector = {nan}",
        "checksum = NULL, vector = {odd}",
    ],
)
def test_an_edited_reading_ends_in_a_sentence_and_never_in_a_score(
    folder: Path, change: str, kept_rows: KeptRows
) -> None:
    kept_rows.edit(folder, f"UPDATE embedding SET {change.format(**kept_rows.words)} WHERE vector IS NOT NULL")
    check_is_no_score(folder)


@pytest.mark.parametrize("change", ["vector = 'words'", "count = 'three'"])
def test_a_column_of_another_type_which_sqlite_takes_is_no_score_either(tmp_path: Path, change: str) -> None:
    folder = write_store(tmp_path, SMALL)
    InSqlite().edit(folder, f"UPDATE embedding SET {change} WHERE vector IS NOT NULL")
    check_is_no_score(folder)


def check_is_no_score(folder: Path) -> None:
    for command in (["rank"], ["report", "-o", "unused.html"]):
        done = CliRunner().invoke(app, [command[0], str(folder), *command[1:]])
        assert isinstance(done.exception, StoreError), done.exception
        assert "eval store repair" in str(done.exception)


@pytest.mark.parametrize("value", ["{no json", "[1, 2]", "7", '"text"', "[" * 3000, '{"a": ["b", {"c\\udf00": 1}]}'])
def test_a_fact_that_is_no_object_is_named(folder: Path, value: str, kept_rows: KeptRows) -> None:
    kept_rows.edit(folder, f"UPDATE fact SET value = '{value}' WHERE key = 'grid'")
    with pytest.raises(StoreError, match=r"`grid` is damaged; run `python -m eval store repair .*then the grid again"):
        open_store(folder).fact("grid")


@pytest.mark.parametrize("half", ["\\\\ud800", "\\\\udcff"])
@pytest.mark.parametrize("key", ["face_sha256", "same_as"])
def test_half_a_letter_in_what_a_grid_was_is_a_sentence_in_every_command(tmp_path: Path, key: str, half: str) -> None:
    """`\\ud800` is no letter, and neither SQLite nor a hash takes it; `\\udcff` stands for a byte of a name."""
    folder = write_store(tmp_path, SMALL)
    (text,) = InSqlite().ask(folder, "SELECT value FROM fact WHERE key = 'grid'")[0]
    assert f'"{key}": "' in text
    value = re.sub(rf'"{key}": "[^"]*"', f'"{key}": "{half}"', text).replace("'", "''")
    InSqlite().edit(folder, f"UPDATE fact SET value = '{value}' WHERE key = 'grid'")
    page = tmp_path / "report.html"
    for command in (["rank", str(folder)], ["report", str(folder), "-o", str(page)]):
        exception = CliRunner().invoke(app, command).exception
        assert exception is None or isinstance(exception, UserError | SystemExit)
    store = open_store(folder)
    assert ("grid" in faults_of(store, Silent()).facts) == (half != "\\\\udcff")
    store.close()


def test_a_checksum_is_of_all_that_a_row_says() -> None:
    own = reading_checksum("a", "m", 1, b"1234")
    others = [("b", "m", 1, b"1234"), ("a", "n", 1, b"1234"), ("a", "m", 2, b"1234"), ("a", "m", 1, b"1235")]
    assert all(reading_checksum(*one) != own for one in [*others, ("a", "m", 1, None), ("am", "", 1, b"1234")])
    assert reading_fault("a", "m", 1, None, reading_checksum("a", "m", 1, None)) is None


def test_a_store_of_the_layout_before_opens_and_is_written(folder: Path, kept_rows: KeptRows) -> None:
    kept_rows.of_the_layout_before(folder)
    store = open_store(folder)
    assert kept_rows.layout(folder) == LAYOUT.number
    assert store.lost() == set()
    assert all(one.sha256 is None for one in store.files())
    store.add_pictures([PictureRow(id="new", cell="c", prompt="p", seed=1)])
    store.add_readings("m", {"new": Reading(None)})
    assert store.readings("m")["new"].vector is None
    store.close()
    first_picture(folder).write_bytes(b"no picture")
    store = open_store(folder)
    assert list(faults_of(store, Silent()).damaged) == [first_picture(folder).stem]
    store.close()


def test_a_newer_layout_is_refused_and_stays_as_it_is(folder: Path, kept_rows: KeptRows) -> None:
    kept_rows.set_layout(folder, 99)
    before = kept_rows.all_rows(folder)
    for opening in (open_store, create_store):
        with pytest.raises(StoreError, match=r"newer version \(its layout is 99"):
            opening(folder)
    assert (kept_rows.all_rows(folder), kept_rows.layout(folder)) == (before, 99)


OPEN = (
    "import sys; from pathlib import Path; from eval.store.store import create_store; create_store(Path(sys.argv[1]))"
)


@pytest.mark.parametrize("layout", ["new", "before"])
def test_processes_that_open_a_store_at_once_all_have_it(tmp_path: Path, layout: str, kept_rows: KeptRows) -> None:
    kept_rows.prepare(tmp_path / "store")
    if layout == "before":
        create_store(tmp_path / "store").close()
        kept_rows.of_the_layout_before(tmp_path / "store")
    script = tmp_path / "open.py"
    script.write_text(OPEN, encoding="utf-8")
    told = [tmp_path / f"told {at}" for at in range(4)]
    opening = [start_command(str(script), str(tmp_path / "store"), told=one) for one in told]
    for one in opening:
        one.join()
    assert [(one.exitcode, path.read_text("utf-8")) for one, path in zip(opening, told, strict=True)] == [(0, "")] * 4


# As root everything may be written, and as nobody Python may not be read: so all is imported first, by doing it once.
AS_NOBODY = """
import os, sys
from typer.testing import CliRunner
from eval.__main__ import app

def look(store):
    for words in (["rank", store], ["report", store, "-o", os.path.join(sys.argv[3], "report.html")]):
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0

look(sys.argv[1])
os.remove(os.path.join(sys.argv[3], "report.html"))
if os.getuid() == 0:
    os.setuid(65534)
look(sys.argv[2])
"""


@pytest.mark.parametrize("layout", ["today's", "before"])
def test_a_store_that_may_not_be_written_is_ranked_and_reported(layout: str, tmp_path: Path) -> None:
    top = Path(tempfile.mkdtemp())  # the test's own folder may be closed to others
    try:
        folder = write_store(top, SMALL)
        if layout == "before":
            InSqlite().of_the_layout_before(folder)
        shutil.copytree(folder, tmp_path / "own")
        for path in (top, *top.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (top / "out").mkdir()
        (top / "out").chmod(0o777)
        before = (folder / FILE_NAME).read_bytes()
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(tmp_path / "own"), str(folder), str(top / "out")],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (top / "out" / "report.html").stat().st_size > 0
        assert (folder / FILE_NAME).read_bytes() == before
    finally:
        for path in top.rglob("*"):
            path.chmod(0o755)
        shutil.rmtree(top)


def test_writing_such_a_store_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_store(tmp_path, SMALL)
    monkeypatch.setattr(os, "access", lambda *_: False)
    store: Store = open_store(folder)
    with pytest.raises(StoreError, match="may not be written"):
        store.set_fact("a", {})
    assert store.count_pictures() > 0
    store.close()


@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_a_schema_of_bytes_that_are_no_text_is_damage(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cites what stands there, and Python cannot read the citation."""
    create_store(tmp_path).close()
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes().replace(b"CREATE TABLE", b"CREATE T\x80BLE"))
    monkeypatch.setattr(os, "access", lambda *_: mode == 0o755)  # root may write everywhere
    with pytest.raises(StoreError, match=r"grid.sqlite: is damaged \(malformed database schema\); put a copy back"):
        open_store(tmp_path)
