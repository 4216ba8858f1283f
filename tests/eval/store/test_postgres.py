"""A store's rows in a Postgres database: who is let in, what is told of a server that is not as it should be, and that
nothing is lost or written twice where several write, one is killed, or the server starts again.

What holds of both databases is tested of both, in the files beside this one.
"""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete

from eval.request.database_name import DatabaseName, checked_url
from eval.request.spec import StoreSection
from eval.store import connection
from eval.store.connection import FILE_NAME, StoreError, is_store, last_changed
from eval.store.databases import postgres_schema
from eval.store.databases.pointer import POINTER, Pointer, read_pointer
from eval.store.picture_files import PicturePlaceError
from eval.store.store import Store, create_store, open_store
from eval.store.tables import PictureRow, Spent
from foundation.errors import ConfigurationError
from foundation.extras import MissingPackageError
from foundation.toml_config import validate
from kept_rows import READS, WRITES, InPostgres, rows
from postgres_server import DATABASE, MEMBER, PASSWORD, READER, PostgresServer
from typed_commands import ROOT


@pytest.fixture
def in_postgres(postgres: PostgresServer) -> InPostgres:
    return InPostgres(postgres)


@pytest.fixture
def folder(tmp_path: Path, in_postgres: InPostgres) -> Path:
    """Of a store that is there, and has ten pictures."""
    store = create_store(in_postgres.prepare(tmp_path / "eval"))
    store.pictures.write("picture 0", b"png")
    store.add_pictures(rows(10))
    store.close()
    return tmp_path / "eval"


@pytest.fixture
def stopped(postgres: PostgresServer) -> Generator[PostgresServer]:
    yield postgres
    postgres.start()


@pytest.mark.parametrize(
    ("url", "password", "said"),
    [
        ("{member}", PASSWORD + "?", "does not let this user in"),
        ("{member}", None, "does not let this user in .*give the password in PGPASSWORD"),
        ("{nobody}", PASSWORD, "does not let this user in"),
        ("{nowhere}", PASSWORD, "is not there .*createdb"),
        ("postgresql://127.0.0.1:1/lora", PASSWORD, "cannot be reached"),
        ("postgresql://no-such-host.invalid/lora", PASSWORD, "cannot be reached"),
        ("postgresql:///lora?host=/nowhere", PASSWORD, "cannot be reached"),
        ("postgresql:///?service=none", PASSWORD, "names a service that is not known"),
    ],
)
def test_a_database_that_is_not_open_is_named_and_nothing_is_begun(
    url: str, password: str | None, said: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("PGPASSWORD", password)
    urls = {"member": postgres.url_of(MEMBER), "nobody": postgres.url_of("nobody")}
    url = url.format(**urls, nowhere=postgres.url_of(MEMBER, "nowhere"))
    with pytest.raises(StoreError, match=said) as caught:
        create_store(tmp_path / "eval", rows=DatabaseName(checked_url(url), ""))
    told = "".join(traceback.format_exception(caught.value))
    assert password is None or password not in told
    assert str(tmp_path / "eval") in str(caught.value)
    assert not is_store(tmp_path / "eval")


def test_who_has_the_password_makes_a_store_and_nothing_keeps_it(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    store = create_store(tmp_path / "eval", rows=DatabaseName(postgres.url_of(MEMBER), ""))
    store.add_pictures(rows(3))
    store.close()
    assert open_store(tmp_path / "eval").count_pictures() == 3
    assert all(PASSWORD not in path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pass").write_text(f"127.0.0.1:{postgres.port}:{DATABASE}:{MEMBER}:{PASSWORD}\n", "utf-8")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    assert open_store(tmp_path / "eval").count_pictures() == 3
    service = f"[team]\nhost=127.0.0.1\nport={postgres.port}\ndbname={DATABASE}\nuser={MEMBER}\n"
    (tmp_path / "services").write_text(service, "utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    named = read_pointer(tmp_path / "eval")
    assert named is not None
    other = create_store(
        tmp_path / "other", rows=DatabaseName(checked_url("postgresql:///?service=team"), "lora_other")
    )
    other.close()
    assert open_store(tmp_path / "other").count_pictures() == 0


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{PASSWORD}@host/lora",
        f"postgres://me:{PASSWORD}@host:5432/lora",
        f"postgresql://me:{PASSWORD}@/@host/lora",
        f"postgresql://me:{PASSWORD}@host:port/lora",
        f"postgresql:///lora?host=h&password={PASSWORD}",
        f"postgresql://h/lora?sslpassword={PASSWORD}",
        f"mysql://me:{PASSWORD}@host/lora",
        f"me:{PASSWORD}@host/lora",
        f"postgresql+asyncpg://me:{PASSWORD}@host/lora",
    ],
)
@pytest.mark.parametrize("kind", [StoreSection, Pointer])
def test_a_password_in_a_file_is_refused_and_not_repeated(url: str, kind: type[StoreSection], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"database: (has a password|is no URL|cannot be read)") as caught:
        validate(kind, {"database": url, "schema": "a"}, tmp_path / "file.toml")
    told = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in told


@pytest.mark.parametrize("name", ["public", "pg_mine", "A", "1a", "a-b", "a" * 64, "", 'a"; DROP SCHEMA b; --'])
def test_a_schema_has_a_plain_name_of_its_own(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"schema: .*: a schema is called by"):
        validate(StoreSection, {"database": "postgresql://h/d", "schema": name}, tmp_path / "grid.toml")


def test_a_schema_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give `database`"):
        validate(StoreSection, {"schema": "a"}, tmp_path / "grid.toml")


def test_all_who_make_a_store_at_once_have_the_same_one(postgres: PostgresServer, tmp_path: Path) -> None:
    named = DatabaseName(checked_url(postgres.url), "")
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: create_store(tmp_path / "eval", rows=named), range(6)))
    assert len({store.database.name for store in stores}) == 1
    stores[0].add_pictures(rows(3))
    assert {store.count_pictures() for store in stores} == {3}


def test_stores_in_one_database_know_nothing_of_each_other(postgres: PostgresServer, tmp_path: Path) -> None:
    named = DatabaseName(checked_url(postgres.url), "")
    one, other = (create_store(tmp_path / name / "eval", rows=named) for name in ("one", "other"))
    one.add_pictures(rows(3))
    one.set_fact("a", {"b": 1})
    assert (other.count_pictures(), other.fact("a")) == (0, None)
    other.add_pictures(rows(5))
    other.forget(["picture 0"])
    assert (one.count_pictures(), other.count_pictures()) == (3, 4)


def test_machines_with_one_place_for_pictures_have_one_store(postgres: PostgresServer, tmp_path: Path) -> None:
    named, place = DatabaseName(checked_url(postgres.url), "lora_team"), str(tmp_path / "share")
    one, other = (create_store(tmp_path / name, place, named) for name in ("one", "other"))
    one.pictures.write("abc", b"png")
    one.add_pictures([PictureRow(id="abc", cell="c", prompt="p", seed=1)])
    assert (other.failures(["abc"]), other.lost()) == ({"abc": None}, set())
    with pytest.raises(StoreError, match=r"its pictures lie in .*share, not in"):
        create_store(tmp_path / "third", str(tmp_path / "elsewhere"), named)


def test_another_folders_pictures_are_not_taken_for_lost(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / POINTER).write_bytes((folder / POINTER).read_bytes())
    with pytest.raises(PicturePlaceError, match=r"is empty, and .* knows 10 pictures: use the folder"):
        create_store(other)
    create_store(folder).close()


def test_a_store_that_is_elsewhere_than_asked_for_is_refused(folder: Path, tmp_path: Path) -> None:
    named = read_pointer(folder)
    assert named is not None
    create_store(folder, rows=DatabaseName(checked_url(named.url), "")).close()
    create_store(folder, rows=named).close()
    for other in (DatabaseName(named.url, "another"), DatabaseName(checked_url("postgresql://h/d"), "")):
        with pytest.raises(
            StoreError, match=r"its rows are in .*, and \[store\] names .*another|its rows are in .*h/d"
        ):
            create_store(folder, rows=other)
    create_store(tmp_path / "files").close()
    with pytest.raises(StoreError, match=rf"has rows of its own \({FILE_NAME}\)"):
        create_store(tmp_path / "files", rows=named)


def test_a_schema_that_is_gone_or_is_no_stores_is_named(folder: Path, in_postgres: InPostgres) -> None:
    schema = in_postgres.schema(folder)
    in_postgres.server.run(f'DROP SCHEMA "{schema}" CASCADE')
    with pytest.raises(StoreError, match=r"has no store; put a backup back, or begin anew"):
        open_store(folder)
    in_postgres.server.run(f'CREATE SCHEMA "{schema}"', f'CREATE TABLE "{schema}".other (a int)')
    with pytest.raises(StoreError, match=r"holds tables that are no store's; name another schema"):
        create_store(folder)
    in_postgres.server.run(f'DROP TABLE "{schema}".other')
    store = create_store(folder)
    assert store.count_pictures() == 0


def test_who_may_only_read_reads_and_is_told_what_to_do(
    folder: Path, in_postgres: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = in_postgres.schema(folder)
    url = in_postgres.server.url_of(READER)
    (folder / POINTER).write_text(f'database = "{url}"\nschema = "{schema}"\n', "utf-8")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(StoreError, match=r"may not be read or written so by this user.*grant"):
        open_store(folder)
    in_postgres.server.run(
        f'GRANT USAGE ON SCHEMA "{schema}" TO {READER}', f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO {READER}'
    )
    store = open_store(folder)
    assert (store.count_pictures(), store.database.is_read_only) == (10, True)
    assert "picture 1" in store.lost()
    for write in WRITES.values():
        with pytest.raises(StoreError, match=r"may not be read or written so by this user"):
            write(store)
    assert store.count_pictures() == 10


def test_a_user_who_may_make_no_schema_is_told_so(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(StoreError, match=r"may not be read or written so by this user"):
        create_store(tmp_path, rows=DatabaseName(postgres.url_of(READER), "lora_readers"))


def deleted_around(store: Store, happens: Callable[[], None]) -> None:
    """Delete all pictures, in a transaction in whose middle something happens."""
    with store.database.writing() as session:
        session.execute(delete(PictureRow))
        happens()
        session.execute(delete(PictureRow))


def test_a_server_that_is_gone_is_named_whatever_is_asked_and_gone_on_with(
    folder: Path, stopped: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AGAIN_AFTER", 0.0)
    monkeypatch.setattr(connection, "PATIENCE", 0.0)
    store, before = open_store(folder), last_changed(folder)
    writing = open_store(folder)
    with pytest.raises(StoreError, match="broke off"):
        deleted_around(writing, stopped.stop)
    for asked in (READS | WRITES).values():
        with pytest.raises(StoreError, match="cannot be reached"):
            asked(store)
    with pytest.raises(StoreError, match="cannot be reached"):
        open_store(folder)
    assert last_changed(folder) == (0, 0)
    stopped.start()
    assert (store.count_pictures(), writing.count_pictures()) == (10, 10)
    assert last_changed(folder) == before
    for asked in (READS | WRITES).values():
        asked(store)


def test_a_server_that_is_started_again_is_waited_for(folder: Path, stopped: PostgresServer) -> None:
    """As a grid that draws for hours meets it: between two batches, or while one is to be recorded."""
    store = create_store(folder)
    stopped.stop()
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(store.add_pictures, rows(12))
        time.sleep(1.0)
        assert not adding.done()
        stopped.start()
        adding.result()
    assert store.count_pictures() == 12


def test_writers_that_meet_wait_for_each_other_and_lose_nothing(folder: Path) -> None:
    """In opposite orders, where databases that lock rows find two that wait for each other."""
    stores = [open_store(folder) for _ in range(4)]

    def write(number: int) -> None:
        listed = rows(60) if number % 2 else rows(60)[::-1]
        for at in range(0, 60, 20):
            stores[number].add_pictures(listed[at : at + 20], spent=Spent("r", 20, 0.5))
            stores[number].forget([f"picture {at + 1000}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert stores[0].count_pictures() == 60
    assert stores[0].spent("r") == Spent("r", 240, 6.0)


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from sqlalchemy import delete
from eval.store.store import open_store
from eval.store.tables import PictureRow

with open_store(Path(sys.argv[1])).database.writing() as session:
    session.execute(delete(PictureRow))
    print("written", flush=True)
    time.sleep(600)
"""


def test_a_writer_that_is_killed_in_the_middle_has_written_nothing_and_holds_nobody_up(folder: Path) -> None:
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    store = open_store(folder)
    store.add_pictures(rows(11))
    assert store.count_pictures() == 11


def test_a_writer_that_sleeps_in_the_middle_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "IDLE", 0.2)
    asleep, store = open_store(folder), open_store(folder)
    with pytest.raises(StoreError, match="broke off"):
        deleted_around(asleep, lambda: store.add_pictures(rows(11)))
    assert store.count_pictures() == 11


def test_whoever_looks_on_sees_that_something_was_written(folder: Path) -> None:
    store, before = open_store(folder), last_changed(folder)
    for read in READS.values():
        read(store)
    assert last_changed(folder) == before
    seen = {before}
    for write in WRITES.values():
        write(store)
        seen.add(last_changed(folder))
    assert len(seen) == 1 + len(WRITES)


def test_without_its_package_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackageError, match=r"^eval needs psycopg for \[store\] database: .*\[postgres\]"):
        open_store(folder)
