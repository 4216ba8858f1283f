"""The ranking of a large store is kept: the same to the last digit, for this state of it alone, and never as code."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.ranking.limits import Limits
from eval.store.connection import FILE_NAME
from eval.ways.ranked_together import rank_scored_together
from foundation.wording.said import Said, say, say_many
from studio.shared import kept_ranking
from studio.shared.kept_ranking import FACTS, KEPT, STATE, keep, read_kept, shown_of
from studio.shared.plain_values import Beside, plain, read_beside, typed
from studio.shared.stores import open_for_pages
from synthetic_store import Size, write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("run"), Size(epochs=(1, 2, 3), unet=(0.5, 1.0), te=(1.0,), seeds=2))


def test_what_is_kept_is_what_is_ranked_and_holds_no_vector(store: Path) -> None:
    _, fresh = shown_of(store)
    keep(store)
    kept = read_kept(store)
    assert kept is not None
    assert kept.rows == fresh.rows
    np.testing.assert_array_equal(kept.identity, fresh.identity)
    np.testing.assert_array_equal(kept.scores.counted, fresh.scores.counted)
    assert kept.evidence.cells == fresh.evidence.cells
    assert kept.evidence.faces.size == kept.evidence.pictures.size == 0
    assert len(kept.evidence.references) == len(fresh.evidence.references) > 0
    limits = Limits(bleed=0.01, difference=0.1)
    assert rank_scored_together(kept.ways, limits) == rank_scored_together(fresh.ways, limits)


def test_a_large_store_is_ranked_by_another_process_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store / KEPT).unlink(missing_ok=True)
    monkeypatch.setattr(kept_ranking, "LARGE", 1)
    rows = open_for_pages(store).rows
    assert (store / KEPT).is_file()
    monkeypatch.setattr(kept_ranking, "computed", None)
    assert open_for_pages(store).rows == rows


def test_it_holds_for_one_state_of_the_store(store: Path) -> None:
    keep(store)
    assert read_kept(store) is not None
    os.utime(store / FILE_NAME, ns=(1, 1))
    assert read_kept(store) is None


@pytest.mark.parametrize(
    "fault", ["no zip", "another field", "a number for a text", "an object", "a sentence of itself"]
)
def test_a_file_that_was_changed_is_no_ranking(store: Path, fault: str) -> None:
    keep(store)
    path = store / KEPT
    with np.load(path) as kept:
        arrays = {name: kept[name] for name in kept.files}
    told = json.loads(arrays.pop(FACTS).tobytes())
    if fault == "another field":
        told["shown"]["rows"][0]["more"] = 1
    elif fault == "a number for a text":
        told["shown"]["rows"][0]["checkpoint"] = 1
    elif fault == "a sentence of itself":
        told["sentences"][0][3] = [["why", {"said": 0}]]
    elif fault == "an object":
        arrays["array0"] = np.array([object()])
    arrays[FACTS] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    with path.open("wb") as stream:
        if fault == "no zip":
            stream.write(b"PK no")
        else:
            np.savez(stream, allow_pickle=True, **arrays)
    assert read_kept(store) is None


def changed_member(path: Path, change: Callable[[str, bytes], bytes], packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as kept:
        members = {name: kept.read(name) for name in kept.namelist()}
    with zipfile.ZipFile(path, "w", packing) as kept:
        for name, data in members.items():
            kept.writestr(name, change(name, data))


def a_claim(name: str, data: bytes) -> bytes:
    return data.replace(b"'shape': (", b"'shape': (10000000000000,", 1) if name.startswith("array") else data


def broken_file(path: Path, kind: str) -> None:
    """Damage a kept ranking, or put something else there."""
    if kind == "a pipe":
        path.unlink()
        os.mkfifo(path)
    elif kind == "a header that claims 10 TB":
        changed_member(path, a_claim)
    elif kind == "compressed":
        changed_member(path, lambda _, data: data, zipfile.ZIP_DEFLATED)
    elif kind == "an unknown compression":
        data = path.read_bytes()
        path.write_bytes(
            data.replace(b"PK\1\2\x2d\x03\x2d\x00\x00\x00\x00\x00", b"PK\1\2\x2d\x03\x2d\x00\x00\x00\x63\x00")
        )
        assert path.read_bytes() != data
    elif kind == "brackets":
        brackets = io.BytesIO()
        np.save(brackets, np.frombuffer(b"[" * 200_000, dtype=np.uint8))
        changed_member(path, lambda name, data: brackets.getvalue() if name == f"{FACTS}.npy" else data)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "a long list of members":
        with zipfile.ZipFile(path, "a") as kept:
            for at in range(12_000):
                kept.writestr(f"{at:050}", b"")


@pytest.mark.parametrize(
    "kind",
    [
        "a pipe",
        "a header that claims 10 TB",
        "compressed",
        "an unknown compression",
        "brackets",
        "cut",
        "a long list of members",
    ],
)
def test_a_broken_file_is_no_ranking(store: Path, kind: str) -> None:
    keep(store)
    assert read_kept(store) is not None
    broken_file(store / KEPT, kind)
    assert read_kept(store) is None
    (store / KEPT).unlink()


def test_any_byte_may_be_another(store: Path) -> None:
    keep(store)
    sound = (store / KEPT).read_bytes()
    for at in range(0, len(sound), max(1, len(sound) // 60)):
        (store / KEPT).write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        read_kept(store)


def test_a_file_of_another_state_is_not_unpacked(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store)
    os.utime(store / FILE_NAME, ns=(3, 3))
    unpacked = list[str]()
    read = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, one: unpacked.append(one.filename) or read(self, one))
    assert read_kept(store) is None
    assert unpacked == [f"{STATE}.npy"]


def test_values_come_back_as_they_went() -> None:
    limits, beside = Limits(bleed=None), Beside()
    assert typed(Limits, json.loads(json.dumps(plain(limits, beside))), beside) == limits
    with pytest.raises(ValueError, match="no Limits"):
        typed(Limits, {"bleed": 1.0}, beside)
    with pytest.raises(ValueError, match="no float"):
        typed(Limits, {**vars(limits), "difference": "0.02"}, beside)


def test_a_sentence_that_is_said_twice_is_kept_once_with_all_that_it_is_made_of() -> None:
    why = say("no face is found")
    said = [
        say("Take {row}.", row="<b>"),
        say("{rows} left: {why}", rows=say_many("{count} row", "{count} rows", 2), why=why),
    ]
    beside = Beside()
    written = json.dumps([plain([*said, why, *said, "Take <b>."], beside), beside.entries])
    assert len(beside.entries) == 4
    values, entries = json.loads(written)
    found: list[str] = typed(list[str], values, read_beside({}, entries))
    assert found == [*said, why, *said, "Take <b>."]
    assert [one.__reduce__() for one in found[:3] if isinstance(one, Said)] == [
        one.__reduce__() for one in (*said, why)
    ]
    assert not isinstance(found[-1], Said)
