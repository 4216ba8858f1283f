"""What a user is told about a store that does not open: only a file that is none any more is to be deleted."""

import sqlite3
from pathlib import Path

import pytest

from eval.store import FILE_NAME, StoreError, create_store, open_store


def test_a_damaged_store_is_called_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"is damaged.*delete it"):
        open_store(tmp_path)


@pytest.mark.parametrize("fault", ["unable to open database file", "database is locked", "database or disk is full"])
def test_a_sound_store_is_never_to_be_deleted(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(tmp_path).close()

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError(fault)

    monkeypatch.setattr("sqlalchemy.dialects.sqlite.pysqlite.SQLiteDialect_pysqlite.connect", refuse)
    with pytest.raises(StoreError, match=fault) as caught:
        open_store(tmp_path)
    assert "delete" not in str(caught.value)
    assert "damaged" not in str(caught.value)
    monkeypatch.undo()
    open_store(tmp_path).close()
