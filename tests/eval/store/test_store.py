"""What a user is told about a store that does not open: only a file that is none any more is to be deleted."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eval.store.connection import FILE_NAME, StoreError
from eval.store.picture_files import PicturePlaceError
from eval.store.store import create_store, open_store
from eval.store.tables import Reading
from kept_rows import READS, WRITES, KeptRows, rows
from synthetic_store import Size, write_store
from typed_commands import ROOT, type_command


def test_a_damaged_store_is_called_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"is damaged.*delete it"):
        open_store(tmp_path)


@pytest.mark.parametrize("fault", ["unable to open database file", "database is locked", "database or disk is full"])
def test_a_sound_store_is_never_to_be_deleted(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(tmp_path).close()

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError(fault)

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(StoreError, match=fault) as caught:
        open_store(tmp_path)
    assert "delete" not in str(caught.value)
    assert "damaged" not in str(caught.value)
    monkeypatch.undo()
    open_store(tmp_path).close()


@pytest.mark.parametrize("name", READS | WRITES)
def test_a_file_that_is_damaged_behind_its_header_is_named_whatever_is_asked(tmp_path: Path, name: str) -> None:
    store = create_store(tmp_path)
    store.add_pictures(rows(2000))
    store.close()
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    store = open_store(tmp_path)
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    store.close()
    with pytest.raises(StoreError, match=rf"{FILE_NAME}: is damaged"):
        (READS | WRITES)[name](store)
    with pytest.raises(StoreError, match=rf"{FILE_NAME}: is damaged"):
        open_store(tmp_path).fact("grid")


@pytest.mark.parametrize("name", [name for name in WRITES if name != "forget"])
def test_a_disk_that_is_full_is_named_and_loses_nothing(tmp_path: Path, name: str, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    store.add_pictures(rows(10))
    kept_rows.fill_up(store)
    with pytest.raises(StoreError, match=r"cannot be written \(.*(is full|No space left).*\); make room"):
        WRITES[name](store)
    kept_rows.make_room(store)
    assert store.count_pictures() == 10
    WRITES[name](store)
    store.close()


@pytest.mark.parametrize("name", WRITES)
def test_a_store_that_may_not_be_written_can_be_read_and_says_so(
    tmp_path: Path, name: str, kept_rows: KeptRows
) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    store.add_pictures(rows(1))
    kept_rows.only_read(store)
    with pytest.raises(StoreError, match="may not be written"):
        WRITES[name](store)
    assert store.count_pictures() == 1
    store.close()


@pytest.mark.parametrize("name", WRITES)
def test_a_store_that_another_program_holds_is_named(tmp_path: Path, name: str, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    with kept_rows.held(store), pytest.raises(StoreError, match=r"is in use.*wait for the other program"):
        WRITES[name](store)
    WRITES[name](store)
    store.close()


@pytest.mark.parametrize("command", ["rank", "score", "report", "export"])
def test_commands_say_in_a_line_that_a_store_is_damaged(tmp_path: Path, command: str) -> None:
    folder = write_store(tmp_path, Size(epochs=(2, 4), unet=(1.0,), te=(1.0,), seeds=1))
    file = folder / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    words = ["-o", str(tmp_path / "out.safetensors")] if command in ("report", "export") else []
    done = type_command("eval", command, str(folder), *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{file}: is damaged" in done.stderr
    said = [line for line in done.stderr.strip().splitlines() if not line.startswith("starting: ")]
    assert len(said) <= 2


def test_a_folder_of_pictures_that_is_gone_is_not_made_anew(tmp_path: Path, kept_rows: KeptRows) -> None:
    """What would be drawn into the empty mount point of a share is recorded, and gone when the share is back."""
    store = create_store(kept_rows.prepare(tmp_path / "store"), str(tmp_path / "share" / "pictures"))
    store.pictures.write("abc", b"png")
    store.add_pictures(rows(1))
    (tmp_path / "share").rename(tmp_path / "away")
    for asked in (lambda: store.pictures.write("abd", b"png"), lambda: store.pictures.stamp("abc"), store.lost):
        with pytest.raises(PicturePlaceError, match=r"share/pictures: is not there.*mount it"):
            asked()
    store.close()
    create_store(tmp_path / "store", str(tmp_path / "share" / "pictures")).close()
    assert not (tmp_path / "share").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_vector_that_is_no_number_is_a_failure_and_never_a_score(
    value: float, tmp_path: Path, kept_rows: KeptRows
) -> None:
    store = create_store(kept_rows.prepare(tmp_path / "store"))
    store.add_readings("judge", {"a": Reading(np.array([1, value], np.float32), 2), "b": Reading(np.ones(2))})
    found = store.readings("judge")
    assert (found["a"].vector, found["a"].count) == (None, 2)
    assert found["b"].vector is not None
    store.close()


def test_a_command_leaves_none_of_sqlites_own_files_beside_the_store(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", Size(epochs=(2, 4), seeds=2))
    before = {path.name for path in store.iterdir()}
    subprocess.run([sys.executable, "-m", "eval", "rank", str(store)], cwd=ROOT, check=True, capture_output=True)
    assert {path.name for path in store.iterdir()} == before
