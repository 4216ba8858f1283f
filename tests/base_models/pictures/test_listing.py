"""One lister of pictures: what is hidden is left out, links are followed once, what is no file is kept apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from base_models.pictures.listing import list_folder, list_pictures_below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "A.JPG", "c.webp", "c.txt", "Thumbs.db", "sub/d.bmp", "sub/deep/e.jpeg", "sub/e.heic"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    return tmp_path


def _names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_by_kinds_and_in_order(folder: Path) -> None:
    here = list_folder(folder)
    assert _names(here.pictures, folder) == ["A.JPG", "b.png", "c.webp"]
    assert _names(here.folders, folder) == ["sub"]
    assert _names(here.others, folder) == ["Thumbs.db", "c.txt"]
    assert here.unopenable == {}
    below = list_pictures_below(folder)
    assert _names(below.pictures, folder) == ["A.JPG", "b.png", "c.webp", "sub/d.bmp", "sub/deep/e.jpeg"]
    assert _names(below.others, folder) == ["Thumbs.db", "c.txt", "sub/e.heic"]


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX", "@eaDir", "sub/.git"])
def test_hidden_folders_are_left_out_with_all_below_them(folder: Path, hidden: str) -> None:
    before = list_pictures_below(folder)
    (folder / hidden / "in").mkdir(parents=True)
    (folder / hidden / "in" / "x.png").touch()
    (folder / hidden / "x.png").touch()
    (folder / "._b.png").touch()
    assert list_pictures_below(folder) == before


def test_a_folder_that_is_hidden_itself_may_be_given(tmp_path: Path) -> None:
    (tmp_path / ".mine").mkdir()
    (tmp_path / ".mine" / "a.png").touch()
    assert len(list_pictures_below(tmp_path / ".mine").pictures) == 1


def test_links_to_folders_are_followed_and_circles_are_not(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub" / "deep")
    found = _names(list_pictures_below(folder).pictures, folder)
    assert "again/e.jpeg" in found
    assert len(found) == 6


def test_what_is_no_file_is_kept_apart(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "sub" / "pipe")
    below = list_pictures_below(folder)
    assert {path.name: fault for path, fault in below.unopenable.items()} == {
        "pipe.png": "is a named pipe, not a file",
        "pipe": "is a named pipe, not a file",
    }
    assert folder / "pipe.png" not in below.pictures
