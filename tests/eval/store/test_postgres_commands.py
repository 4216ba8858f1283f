"""A grid whose rows are in a Postgres database, by the commands that a user types, with a password that none keeps."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bare_pictures import write_bare
from eval.__main__ import app
from eval.judging import readings
from eval.store.connection import FILE_NAME
from eval.store.databases.pointer import POINTER
from grid_folders import GridFolder, at, write_grid
from postgres_server import MEMBER, PASSWORD, PostgresServer
from studio.shared.found_work import find_work
from studio.shared.stores import find_stores, finished_first, open_for_pages, stores_below
from typed_commands import type_command


@pytest.fixture(scope="module")
def grid(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A specification that names a database; nothing is drawn yet."""
    made = write_grid(tmp_path_factory.mktemp("grid with spaces ü"), steps=1)
    text = made.spec.read_text("utf-8").replace("unet = [0.5, 1.0]", "unet = [1.0]")
    made.spec.write_text(f'{text}database = "{postgres.url_of(MEMBER)}"\n', "utf-8")
    return at(made.folder)


@pytest.fixture(autouse=True)
def _references_looked_at_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them are one picture takes longer than all that is looked at here."""
    monkeypatch.setattr(readings, "same_pictures", lambda first, second: [])


def typed(*words: object, password: str | None = PASSWORD) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "PGPASSWORD"}
    given = {} if password is None else {"PGPASSWORD": password}
    return type_command("eval", *map(str, words), environment=variables | given)


def answered(*words: object) -> str:
    """The same in this process, which has its libraries already."""
    done = CliRunner().invoke(app, [str(one) for one in words], env={"PGPASSWORD": PASSWORD})
    assert done.exit_code == 0, done.exception
    return done.stdout


def holding(folder: Path, secret: bytes) -> Sequence[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def write_by_password(store: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("PGPASSWORD", PASSWORD)
        write_bare(store, bare)


def test_every_command_finds_the_rows_by_the_stores_folder(
    grid: GridFolder, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = grid.store
    for command in ("grid", "search"):
        before = typed(command, grid.spec, password=None)
        assert (before.returncode, "give the password in PGPASSWORD" in before.stderr) == (2, True), before.stderr
    made = json.loads(answered("grid", grid.spec, "--json"))
    assert made["rendered"] > 0
    again = json.loads(answered("grid", grid.spec, "--json"))
    assert (again["rendered"], again["existing"]) == (0, made["rendered"])
    assert json.loads(answered("grid", grid.spec, "--dry-run", "--json"))["to_render"] == 0
    ranked = json.loads(answered("rank", store, "--json"))
    assert len(ranked) == made["cells"]
    answered("report", store, "-o", tmp_path / "report.html")
    answered("export", store, "--cell", "best", "-o", tmp_path / "best.safetensors")
    answered("score", store, "--subject", "image")
    assert "everything is as it was written" in answered("store", "check", store)
    first = min((store / "pictures").rglob("*.png"))
    first.write_bytes(first.read_bytes()[:-30])
    assert CliRunner().invoke(app, ["store", "check", str(store)], env={"PGPASSWORD": PASSWORD}).exit_code == 1
    answered("store", "repair", store)
    mended = json.loads(answered("grid", grid.spec, "--json"))
    assert 0 < mended["rendered"] < made["rendered"]
    assert "everything is as it was written" in answered("store", "check", store)

    write_by_password(store, tmp_path / "bare", monkeypatch)
    (tmp_path / "imported").mkdir()
    pointer = (store / POINTER).read_text("utf-8")
    (tmp_path / "imported" / POINTER).write_text(re.sub('schema = ".*"', 'schema = "lora_imported"', pointer), "utf-8")
    answered("import", tmp_path / "bare", "-o", tmp_path / "imported", "--spec", grid.spec, "--force")
    assert postgres.run("SELECT count(*) FROM lora_imported.picture") == [(made["rendered"],)]

    refused = typed("rank", store, password=PASSWORD + "?")
    assert refused.returncode == 2
    assert "does not let this user in" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert PASSWORD not in refused.stdout + refused.stderr
    assert not (store / FILE_NAME).exists()
    assert (store / POINTER).is_file()
    assert holding(grid.folder, PASSWORD.encode()) == holding(tmp_path, PASSWORD.encode()) == []

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert find_work([grid.folder]).stores == stores_below(grid.folder) == [store]
    assert finished_first(find_stores([str(grid.folder)], {}, tmp_path)) == [store]
    assert len(open_for_pages(store).rows) == made["cells"]
