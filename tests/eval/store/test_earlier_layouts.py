"""Stores of every layout that there has been are opened, ranked and gone on with; a newer one is refused, untouched.

`tests/earlier_version/make_stores.py` says how they were made.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from eval.store.connection import FILE_NAME
from eval.store.store import open_store
from eval.store.tables import LAYOUT, PictureRow, Reading
from eval.store.upkeep import faults_of
from foundation.progress import Silent
from typed_commands import type_command

LEFT = Path(__file__).resolve().parents[2] / "earlier_version"
PLACE = "/where/it/was"
LAYOUTS = sorted(path.name for path in (LEFT / "stores").iterdir() if path.is_dir())
KEPT = 6  # pictures of one cell and its base


def asked_of(file: Path, question: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)
    found = connection.execute(question).fetchall()
    connection.close()
    return found


def home_of(layout: str, folder: Path) -> Path:
    """A copy of a store beside its specification and its LoRA file, in another place; `folder` itself."""
    for part in ("subject", "lora"):
        shutil.copytree(LEFT / "project" / part, folder / part)
    shutil.copyfile(LEFT / "stores" / "grid.toml", folder / "grid.toml")
    shutil.copytree(LEFT / "stores" / layout, folder / "store")
    with sqlite3.connect(folder / "store" / FILE_NAME) as connection:
        connection.execute("UPDATE fact SET value = replace(value, ?, ?)", (PLACE, str(folder)))
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")  # as all of them were left
    connection.close()
    return folder


def pictures_of(store: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in store.glob("pictures/*/*.png")}


def test_every_layout_has_its_store_and_each_is_another() -> None:
    files = [LEFT / "stores" / layout / FILE_NAME for layout in LAYOUTS]
    numbers = [asked_of(file, "PRAGMA user_version")[0][0] for file in files]
    assert set(numbers) == set(range(LAYOUT.number + 1))
    tables = {str(sorted(asked_of(file, "SELECT sql FROM sqlite_master WHERE sql NOT NULL"))) for file in files}
    assert len(tables) == len(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_opened_sound_and_brought_to_todays(layout: str, tmp_path: Path) -> None:
    store = open_store(home_of(layout, tmp_path) / "store")
    assert store.count_pictures() == KEPT
    assert not faults_of(store, Silent())
    assert not store.lost()
    store.add_pictures([PictureRow(id="new", cell="c", prompt="p", seed=1)], {"m": {"new": Reading(None)}})
    store.close()
    assert asked_of(tmp_path / "store" / FILE_NAME, "PRAGMA user_version") == [(LAYOUT.number,)]
    again = open_store(tmp_path / "store")
    assert again.count_pictures() == KEPT + 1
    again.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_ranked_and_gone_on_with_and_nothing_is_made_twice(layout: str, tmp_path: Path) -> None:
    home = home_of(layout, tmp_path)
    store, spec, before = home / "store", home / "grid.toml", pictures_of(home / "store")
    ranked = type_command("eval", "rank", str(store), "--json")
    assert ranked.returncode == 0, ranked.stderr
    (row,) = json.loads(ranked.stdout)
    (kept,) = asked_of(store / FILE_NAME, "SELECT DISTINCT cell FROM picture WHERE cell != 'control'")
    assert (row["cell"], row["pictures"]) == (kept[0], 3)

    spec.write_text(spec.read_text("utf-8").replace("unet = [0.6]", "unet = [0.6, 1.0]"), "utf-8")
    made = type_command("eval", "grid", str(spec), "--json")
    assert made.returncode == 0, made.stderr
    now = pictures_of(store)
    assert (json.loads(made.stdout)["existing"], json.loads(made.stdout)["rendered"]) == (KEPT, 3)
    assert {one: now[one] for one in before} == before
    assert len(now) == KEPT + 3
    more = json.loads(type_command("eval", "rank", str(store), "--json").stdout)
    assert {one["unet"] for one in more} == {0.6, 1.0}


@pytest.mark.parametrize("command", ["rank", "grid", "report", "export", "store check", "score"])
def test_a_newer_one_is_refused_by_every_command_and_stays_as_it_is(command: str, tmp_path: Path) -> None:
    home = home_of(LAYOUTS[-1], tmp_path)
    store, file = home / "store", home / "store" / FILE_NAME
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {LAYOUT.number + 1}")
    connection.close()
    before = file.read_bytes()
    out = ["-o", str(tmp_path / "out")] if command in ("report", "export") else []
    place = home / "grid.toml" if command == "grid" else store
    done = type_command("eval", *command.split(), str(place), *out)
    assert done.returncode == 2
    assert f"its layout is {LAYOUT.number + 1}, this one knows {LAYOUT.number}" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == before
    assert not (tmp_path / "out").exists()
