"""The long run's own eyes: what is lost, doubled, damaged or grows is told, and a sound run is not accused."""

from __future__ import annotations

import hashlib
import sqlite3
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from torture.long_run.account import JUDGED, Account
from torture.long_run.lives import Glance, Life
from torture.long_run.stand_in import LINE, png_with
from torture.tries import Seen

IDS = [f"{number:0{LINE - 1}d}" for number in range(6)]


def write_store(folder: Path, ids: list[str]) -> Account:
    """A store as a run of those pictures leaves it."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "grid.sqlite")
    connection.execute("CREATE TABLE picture (id, sha256)")
    connection.execute("CREATE TABLE embedding (subject, model)")
    connection.execute("CREATE TABLE spent (pictures)")
    for one in ids:
        path = folder / "pictures" / one[:2] / f"{one}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_with(one))
        connection.execute("INSERT INTO picture VALUES (?, ?)", (one, hashlib.sha256(path.read_bytes()).hexdigest()))
        connection.executemany("INSERT INTO embedding VALUES (?, ?)", [(one, number) for number in range(JUDGED)])
    connection.execute("INSERT INTO spent VALUES (?)", (len(ids),))
    connection.commit()
    connection.close()
    return Account(folder, total=len(ids), batch=2)


def change(account: Account, statement: str) -> None:
    connection = sqlite3.connect(account.store / "grid.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()


def looked_at(account: Account) -> Seen:
    seen = Seen()
    account.look(seen)
    return seen


def test_every_picture_is_its_own_and_sound() -> None:
    made = {png_with(one) for one in IDS}
    assert len(made) == len(IDS)
    for data in made:
        with Image.open(BytesIO(data)) as opened:
            opened.load()


def test_a_sound_run_is_not_accused(tmp_path: Path) -> None:
    account = write_store(tmp_path / "store", IDS)
    seen = looked_at(account)
    assert account.close([*IDS, *IDS[:2]], kills=1, seen=seen) == 2
    assert seen == Seen()


def test_what_was_recorded_and_is_not_now_is_lost(tmp_path: Path) -> None:
    account = write_store(tmp_path / "store", IDS)
    looked_at(account)
    change(account, f"DELETE FROM picture WHERE id = '{IDS[0]}'")
    assert looked_at(account).lost[0] == f"picture {IDS[0]} was recorded and is not now"
    (account.store / "pictures" / IDS[1][:2] / f"{IDS[1]}.png").unlink()
    assert f"picture {IDS[1]} is recorded and not there" in looked_at(account).lost


def test_a_reading_that_is_missing_is_lost(tmp_path: Path) -> None:
    account = write_store(tmp_path / "store", IDS)
    change(account, f"DELETE FROM embedding WHERE subject = '{IDS[0]}' AND model = 1")
    assert looked_at(account).lost == ["17 readings of 6 pictures, which have 3 each"]


def test_another_pictures_bytes_are_damage_though_its_hash_is_right(tmp_path: Path) -> None:
    account = write_store(tmp_path / "store", IDS)
    other = png_with(IDS[1])
    (account.store / "pictures" / IDS[0][:2] / f"{IDS[0]}.png").write_bytes(other)
    change(account, f"UPDATE picture SET sha256 = '{hashlib.sha256(other).hexdigest()}' WHERE id = '{IDS[0]}'")
    assert looked_at(account).corrupt == [f"picture {IDS[0]} is recorded and damaged"]


def test_what_is_made_or_counted_again_is_doubled(tmp_path: Path) -> None:
    account = write_store(tmp_path / "store", IDS)
    looked_at(account)
    path = account.store / "pictures" / IDS[0][:2] / f"{IDS[0]}.png"
    path.write_bytes(path.read_bytes())
    change(account, "UPDATE spent SET pictures = 7")
    told = looked_at(account).duplicates
    assert told == [f"picture {IDS[0]} was made again", "7 pictures are counted, 6 recorded"]


@pytest.mark.parametrize(
    ("drawn", "kind", "told"),
    [
        ([*IDS, *IDS[:3]], "duplicates", "3 pictures were drawn again for 1 kills in batches of 2"),
        (IDS[:-1], "lost", "1 pictures were drawn and not recorded, or recorded and not drawn"),
    ],
)
def test_what_was_drawn_is_what_is_recorded(drawn: list[str], kind: str, told: str, tmp_path: Path) -> None:
    account, seen = write_store(tmp_path / "store", IDS), Seen()
    account.close(drawn, kills=1, seen=seen)
    assert getattr(seen, kind) == [told]


def test_files_of_no_picture_and_half_written_ones_are_told(tmp_path: Path) -> None:
    account, seen = write_store(tmp_path / "store", IDS), Seen()
    (account.store / "pictures" / ".a.partial").touch()
    account.close(IDS, kills=0, seen=seen)
    assert seen.duplicates == ["7 files of 6 pictures"]
    assert seen.corrupt == ["left behind: pictures/.a.partial"]


def life_of(*, memory: float = 0.0, files: float = 0.0, threads: float = 0.0) -> Life:
    """One of 100 glances, with so much more of each from one to the next."""
    glances = [Glance(at, 300 + at * memory, 12 + int(at * files), 3 + int(at * threads)) for at in range(100)]
    return Life(glances, 60.0, None)


def test_a_flat_life_leaks_nothing_and_what_grows_is_told() -> None:
    assert life_of().leaks() == []
    assert life_of(memory=0.1).leaks() == []
    assert life_of(memory=2.0).leaks() == ["memory grew by 100 MB in a life"]
    assert life_of(files=1.0).leaks() == ["50 files more are open at the end of a life"]
    assert life_of(threads=1.0).leaks() == ["50 threads more at the end of a life"]


def test_what_a_process_takes_until_it_is_warm_is_no_leak() -> None:
    first = [Glance(at, 10.0 * at, 3, 1) for at in range(20)]
    assert Life([*first, *(Glance(at, 300, 12, 3) for at in range(20, 100))], 60.0, None).leaks() == []
