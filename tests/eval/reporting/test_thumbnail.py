"""Thumbnails follow their files: what was missing is shown once it is there, and what has changed is shown as it is."""

import base64
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from eval.reporting.thumbnail import thumbnail
from eval.store.store import KeptPicture
from studio.ranking.ranking_rows import ranking_table
from studio.shared.stores import open_for_pages
from synthetic_store import Size, write_store


def colour_of(uri: str | None) -> tuple[int, ...]:
    """The colour in the middle, rounded to what a lossy picture keeps."""
    assert uri is not None
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 64) for value in pixel)


def sound(path: Path) -> KeptPicture:
    return KeptPicture(path, None)


def test_a_picture_that_is_no_more_what_was_rendered_is_none(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(path)
    assert thumbnail(KeptPicture(path, "damaged")) is None
    assert thumbnail(sound(path)) is not None


def test_a_picture_that_was_missing_is_shown_once_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    assert thumbnail(sound(path)) is None
    Image.new("RGB", (500, 250), (255, 0, 0)).save(path)
    assert colour_of(thumbnail(sound(path))) == (4, 0, 0)
    path.unlink()
    assert thumbnail(sound(path)) is None


def test_a_picture_that_has_changed_is_shown_anew_and_one_that_has_not_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(path)
    first = thumbnail(sound(path))
    Image.new("RGB", (8, 8), (0, 0, 255)).save(path)
    # A coarse clock may give both writes one time.
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
    assert colour_of(first) == (4, 0, 0)
    assert colour_of(second := thumbnail(sound(path))) == (0, 0, 4)
    monkeypatch.setattr(Image, "open", lambda path: pytest.fail(f"{path} is read again"))
    assert thumbnail(sound(path)) == second


def test_half_a_picture_is_none_and_the_whole_one_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (64, 64), (0, 255, 0)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert thumbnail(sound(path)) is None
    path.write_bytes(whole)
    assert colour_of(thumbnail(sound(path))) == (0, 4, 0)


def test_the_studio_shows_a_picture_that_came_back_without_a_restart(tmp_path: Path) -> None:
    opened = open_for_pages(write_store(tmp_path, Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)))
    snapshot, cell = opened.ranked.grid.snapshot, opened.cell(opened.rows[0])
    paths = [opened.ranked.grid.picture_path(cell, unit) for unit in snapshot.units]
    contents = {path: path.read_bytes() for path in paths if path.is_file()}
    for path in contents:
        path.unlink()
    everywhere = range(len(opened.rows))
    assert ranking_table(opened, everywhere)["picture"].to_pylist()[0] is None
    assert "picture" not in ranking_table(opened, [0]).column_names, "where no row has one there is no such column"
    for path, content in contents.items():
        path.write_bytes(content)
    assert ranking_table(opened, everywhere)["picture"].to_pylist()[0].startswith("data:image/webp;base64,")
