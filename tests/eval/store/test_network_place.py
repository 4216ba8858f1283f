"""A store on another machine's disk is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.store.databases import network_place
from eval.store.databases.network_place import network_kind
from eval.store.store import create_store
from searches import Heard

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/share {top}/share nfs4 rw 0 0
/dev/sdb1 {top}/share/local xfs rw 0 0
//box/x {top}/with\\040space cifs rw 0 0
me@host: {top}/far fuse.sshfs rw 0 0
broken
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mounts"
    path.write_text(MOUNTS.format(top=tmp_path), "utf-8")
    return path


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("share/a/store", "nfs4"),
        ("share", "nfs4"),
        ("share/local/store", None),
        ("with space/store", "cifs"),
        ("far/store", "fuse.sshfs"),
        ("shared/store", None),
    ],
)
def test_the_innermost_mount_decides(folder: str, kind: str | None, mounts: Path, tmp_path: Path) -> None:
    assert network_kind(tmp_path / folder, mounts) == kind


def test_where_nothing_tells_nothing_is_told(tmp_path: Path) -> None:
    assert network_kind(tmp_path, tmp_path / "none") is None


def test_whoever_writes_a_store_there_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {tmp_path / "share" / "store": "nfs4", tmp_path / "store": None}
    monkeypatch.setattr(network_place, "network_kind", kinds.__getitem__)
    heard = Heard()
    monkeypatch.setattr("eval.store.store.at_hand", lambda: heard)
    for folder in kinds:
        create_store(folder).close()
    [line] = heard.lines
    assert "a network file system (nfs4)" in line
    assert str(tmp_path / "share" / "store") in line
