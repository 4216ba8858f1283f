"""A preview is the grid's own picture, is given up when nobody wants it, and is drawn by a process that goes away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from eval.judging.stored_grid import load_grid
from eval.request.cells import Cell
from eval.store.store import open_store
from grid_folders import GridFolder
from miniature.paths import SUBJECT
from studio.jobs.locks import taken
from studio.previewing.blend_pictures import BlendPictures, NotWantedError
from studio.previewing.drawing_process import WORKER, is_there, see_to_it
from studio.previewing.wanted_pictures import (
    ASKED,
    LOCK,
    MOST_KEPT,
    WantedPicture,
    ask,
    ask_in_turn,
    asked_for,
    forget_failures,
    keep_failure,
    keep_step,
    next_wanted,
    preview_of,
    sweep,
)

FIRST = SUBJECT / "first.safetensors"
LONG = 120.0  # seconds, on a machine with other work


def pixels(png: bytes | Path) -> np.ndarray:
    with Image.open(png if isinstance(png, Path) else io.BytesIO(png)) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.int16)


def text_of(cell: Cell) -> tuple[str, ...]:
    return tuple(f"{use.checkpoint.path}:unet={use.weights.unet:g},te={use.weights.te1:g}" for use in cell.acting)


def wanted_of(spec: Path, steps: int = 3, **more: object) -> WantedPicture:
    asked = {"spec": str(spec), "prompt": "photo of a person", "seed": 1, "steps": steps, **more}
    return WantedPicture.model_validate(asked)


def test_at_the_grids_own_steps_it_is_the_grids_own_picture(rendered_grid: GridFolder) -> None:
    """Whatever was worn before; and the base model alone is what the grid compares with."""
    store = open_store(rendered_grid.store)
    grid = load_grid(store)
    unit = grid.snapshot.units[0]
    drawer = BlendPictures()
    blended = next(cell for cell in grid.cells if len(cell.acting) > 1)
    plain = next(cell for cell in grid.cells if len(cell.acting) == 1)
    for cell in (blended, plain, None):
        wanted = wanted_of(
            rendered_grid.spec,
            grid.sampling.steps,
            prompt=grid.asked(cell, unit),
            seed=unit.seed,
            parts=() if cell is None else text_of(cell),
        )
        drawn = pixels(drawer.png(wanted, lambda: True, lambda done: None))
        assert np.abs(drawn - pixels(grid.picture_path(cell, unit))).max() <= 1, cell
    store.close()


def test_what_is_wanted_no_more_is_given_up_between_two_steps(rendered_grid: GridFolder) -> None:
    drawer, done = BlendPictures(), list[int]()
    parts = (f"{FIRST}:unet=1,te=1",)
    with pytest.raises(NotWantedError):
        drawer.png(wanted_of(rendered_grid.spec, 6, parts=parts), lambda: len(done) < 2, done.append)
    assert done == [1, 2]
    again = wanted_of(rendered_grid.spec, parts=(f"{FIRST}:unet=0.5,te=1",))
    after, alone = (one.png(again, lambda: True, done.append) for one in (drawer, BlendPictures()))
    assert np.array_equal(pixels(after), pixels(alone))


def test_where_all_weights_are_0_it_is_the_base_models_picture(rendered_grid: GridFolder) -> None:
    drawer = BlendPictures()
    nothing, base = (
        drawer.png(wanted_of(rendered_grid.spec, parts=parts), lambda: True, lambda done: None)
        for parts in ((f"{FIRST}:unet=0,te=0",), ())
    )
    assert np.array_equal(pixels(nothing), pixels(base))


def test_each_move_is_another_picture(tmp_path: Path) -> None:
    one = wanted_of(tmp_path / "grid.toml", parts=("a.safetensors:unet=0.5,te=1",))
    others = [
        one.model_copy(update=change)
        for change in (
            {"parts": ("a.safetensors:unet=0.55,te=1",)}, {"method": "dare"}, {"rank": "8"}, {"seed": 2}, {"steps": 4},
            {"state": "1"}, {"prompt": "photo of a cat"}, {"spec": "other.toml"},
        )
    ]  # fmt: skip
    assert len({one.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_the_last_move_overwrites_what_was_wanted(tmp_path: Path) -> None:
    first, second = wanted_of(tmp_path, seed=1), wanted_of(tmp_path, seed=2)
    assert next_wanted(tmp_path) is None
    ask(tmp_path, [first, second])
    assert next_wanted(tmp_path) == first
    before = (tmp_path / ASKED).stat().st_mtime_ns
    ask(tmp_path, [first, second])
    assert (tmp_path / ASKED).stat().st_mtime_ns == before, "nothing is written for a page that is drawn anew"
    keep_step(tmp_path, first, 2)
    assert (preview_of(tmp_path, first).done, preview_of(tmp_path, first).in_hand) == (2, True)
    assert not preview_of(tmp_path, second).in_hand
    keep_failure(tmp_path, first, "no such file")
    assert preview_of(tmp_path, first).failure == "no such file"
    assert next_wanted(tmp_path) == second
    forget_failures(tmp_path)
    assert next_wanted(tmp_path) == first
    (tmp_path / f"{first.digest}.png").write_bytes(b"drawn")
    ask(tmp_path, [first])
    assert next_wanted(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pictures": 3}', '{"pictures": [{"spec": 1}]}'])
def test_a_record_that_is_none_wants_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ASKED).write_text(text)
    assert asked_for(tmp_path) == ()


def test_the_latest_pictures_are_kept(tmp_path: Path) -> None:
    for number in range(MOST_KEPT + 5):
        path = tmp_path / f"{number:032x}.png"
        path.touch()
        os.utime(path, (number, number))
    ask(tmp_path, [])
    sweep(tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == MOST_KEPT
    assert not (tmp_path / f"{0:032x}.png").exists()
    assert (tmp_path / ASKED).exists()


def until(is_so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + LONG
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a page's server would be."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_the_process_draws_what_is_asked_for_says_what_cannot_be_and_goes_with_the_server(
    tmp_path: Path, rendered_grid: GridFolder, server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # whose device this is, tests beside this one do not decide
    good = wanted_of(rendered_grid.spec, parts=(f"{FIRST}:unet=1,te=1",))
    gone = wanted_of(rendered_grid.spec, parts=(f"{tmp_path}/gone.safetensors:unet=1,te=1",))
    place = tmp_path / "previews"
    ask(place, [gone, good])
    process = subprocess.Popen([sys.executable, "-P", "-m", WORKER, str(place), str(server.pid), "processor"])
    try:
        until(lambda: preview_of(place, good).is_over, "it was not drawn")
        assert pixels(place / f"{good.digest}.png").std() > 1
        assert "gone.safetensors" in preview_of(place, gone).failure
        assert process.poll() is None
        assert is_there(place)
        see_to_it(place)  # begins no second one
        server.kill()
        server.wait()
        until(lambda: process.poll() is not None, "it outlives the server")
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
    assert not is_there(place)


PAGE = """
from pathlib import Path

from studio.previewing.preview_page import show_preview, wants_preview

if wants_preview(Path({here!r})):
    show_preview(Path({here!r}), [Path({spec!r})], ("a.safetensors:unet=1,te=1",), ("sum", ""), "now")
"""


def test_the_page_asks_shows_and_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []
    monkeypatch.setattr("studio.previewing.preview_page.see_to_it", begun.append)
    spec = tmp_path / "grid.toml"
    spec.write_text((SUBJECT / "grid.toml").read_text())
    (tmp_path / "prompts.toml").write_text((SUBJECT / "prompts.toml").read_text())
    place = tmp_path / "runs" / "previews"
    app = AppTest.from_string(PAGE.format(here=str(tmp_path), spec=str(spec)), default_timeout=60).run()
    assert not app.exception
    assert not place.exists(), "nothing is asked for before somebody wants it"
    app.toggle[0].set_value(True).run()
    assert not app.exception
    blend, control = asked_for(place)
    assert (blend.steps, blend.seed, blend.parts) == (8, 1, ("a.safetensors:unet=1,te=1",))
    assert "ohwx" in blend.prompt
    assert "ohwx" not in control.prompt
    assert control.parts == ()
    assert begun == [place]
    Image.new("RGB", (8, 8)).save(place / f"{control.digest}.png")
    keep_failure(place, blend, "a.safetensors: no such LoRA file")
    app.run()
    assert not app.exception
    assert any("no such LoRA file" in one.value for one in app.warning)
    app.button[0].click().run()
    assert not preview_of(place, blend).is_over
    app.slider[0].set_value(12).run()
    assert [one.steps for one in asked_for(place)] == [12, 12]


def test_who_was_overtaken_by_another_browser_asks_again_once_that_has_its_pictures(tmp_path: Path) -> None:
    own, other = wanted_of(tmp_path, seed=1), wanted_of(tmp_path, seed=2)
    ask(tmp_path, [own])
    ask(tmp_path, [other])
    ask_in_turn(tmp_path, [own])
    assert asked_for(tmp_path) == (other,), "what is not drawn yet is not taken away"
    (tmp_path / f"{other.digest}.png").write_bytes(b"drawn")
    ask_in_turn(tmp_path, [own])
    assert asked_for(tmp_path) == (own,)


def test_a_job_has_the_device_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.previewing.preview_page.see_to_it", lambda place: None)
    held = taken(tmp_path / LOCK)
    monkeypatch.setattr("studio.previewing.preview_page.device_lock", lambda device: tmp_path / LOCK)
    app = AppTest.from_string(
        PAGE.format(here=str(tmp_path), spec=str(SUBJECT / "grid.toml")), default_timeout=60
    ).run()
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert any("waits for what has" in one.value for one in app.caption)
    assert held is not None
    held.release()
