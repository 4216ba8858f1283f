"""Pictures over HTTP: only those of opened stores, only what the address says, and to nobody of another name."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

from base_models.pictures.picture_file import UnreadablePictureError
from eval.judging.stored_grid import load_grid
from eval.store.store import Store, open_store
from foundation.files import sha256_of
from studio.serving.picture_route import picture_route
from studio.serving.served_stores import FOREVER, ServedStores, address
from studio.serving.small_pictures import FOLDER, LONGEST_SIDE, small_picture
from studio.shared.closed_server import ClosedServer
from synthetic_store import Size, write_store

NAMES = ["localhost", "*.lan"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    size = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)
    return open_store(write_store(tmp_path_factory.mktemp("run"), size))


@pytest.fixture
def picture(store: Store) -> tuple[str, str]:
    """A picture's id and the sha256 of its bytes."""
    grid = load_grid(store)
    one = grid.picture_id(grid.cells[0], grid.snapshot.units[1])
    return one, sha256_of(store.picture_path(one))


def get(route: Route, path: str, host: str = "localhost:8501") -> tuple[int, dict[str, str], bytes]:
    """One request to a route, as a server would hand it over."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append({str(key): value for key, value in message.items()})

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", host.encode())],
    }  # fmt: skip
    _, child = route.matches(scope)
    asyncio.run(route.handle(scope | child, receive, send))
    status, headers, body = sent[0]["status"], sent[0]["headers"], sent[1]["body"]
    assert isinstance(status, int)
    assert isinstance(headers, list)
    assert isinstance(body, bytes)
    return status, {name.decode(): value.decode() for name, value in headers}, body


def test_an_address_gives_the_picture_small_and_whole_and_is_kept_for_good(
    store: Store, picture: tuple[str, str]
) -> None:
    served = ServedStores()
    root = served.offer(store)
    route = picture_route(served)
    status, headers, body = get(route, address(root, "small", *picture))
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "image/webp", FOREVER)
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert max(Image.open(io.BytesIO(body)).size) <= LONGEST_SIDE
    status, headers, body = get(route, address(root, "whole", *picture))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == store.picture_path(picture[0]).read_bytes()


def test_a_small_copy_is_made_once_and_made_anew_where_it_was_cut_short(
    store: Store, picture: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = store.picture_path(picture[0]), picture[1]
    made = small_picture(store.folder, path, content)
    kept = store.folder / FOLDER / content[:2] / f"{content}.webp"
    assert made is not None
    assert kept.read_bytes() == made
    kept.write_bytes(made[:100])
    assert small_picture(store.folder, path, content) == made
    monkeypatch.setattr("studio.serving.small_pictures.load_picture", None)
    assert small_picture(store.folder, path, content) == made


def test_a_store_that_cannot_be_written_to_shows_its_pictures(store: Store, picture: tuple[str, str]) -> None:
    nowhere = store.folder / "grid.sqlite"
    assert small_picture(nowhere, store.picture_path(picture[0]), picture[1])


@pytest.mark.parametrize(
    "changed",
    [
        lambda parts: ["0" * 16, *parts[1:]],
        lambda parts: [parts[0], "huge", *parts[2:]],
        lambda parts: [*parts[:2], "../../grid", parts[3]],
        lambda parts: [*parts[:2], "0" * 20, parts[3]],
        lambda parts: [*parts[:3], "0" * 64],
        lambda parts: [*parts[:3], "..%2f..%2fgrid.sqlite"],
    ],
    ids=["another store", "no such sort", "a path for an id", "no such picture", "other bytes", "a path for a hash"],
)
def test_nothing_else_is_served(
    store: Store, picture: tuple[str, str], changed: Callable[[list[str]], list[str]]
) -> None:
    served = ServedStores()
    key = served.offer(store).rpartition("/")[2]
    store_key, sort, one, content = changed([key, "whole", *picture])
    answer = served.answer(sort, store_key, one, content)
    assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (404, b"", "no-store")


def test_a_store_that_no_page_has_opened_is_not_served(store: Store, picture: tuple[str, str]) -> None:
    key = ServedStores().offer(store).rpartition("/")[2]
    assert ServedStores().answer("whole", key, *picture).status == 404


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("studio.lan", 200), ("evil.example", 403)])
def test_a_page_whose_name_points_here_gets_no_picture(
    store: Store, picture: tuple[str, str], host: str, status: int
) -> None:
    """Before all routes stands one door, whose names are the pages' and the pictures' alike."""
    served = ServedStores()
    path = address(served.offer(store), "small", *picture)
    door = Middleware(ClosedServer, names=lambda: NAMES, token="")
    app = Starlette(routes=[picture_route(served)], middleware=[door])
    answer = TestClient(app, base_url=f"http://{host}:8501").get(path)
    assert answer.status_code == status
    assert status == 200 or answer.text.startswith("This server")


def test_a_file_that_is_no_picture_is_not_sent_small(tmp_path: Path, store: Store) -> None:
    page = tmp_path / "ab" / "abcdef.png"
    page.parent.mkdir()
    page.write_text("<script>alert(1)</script>", encoding="utf-8")
    served = ServedStores()
    key = served.offer(store).rpartition("/")[2]
    store.pictures.path("ffff").parent.mkdir(parents=True, exist_ok=True)
    store.pictures.path("ffff").write_bytes(page.read_bytes())
    assert served.answer("small", key, "ffff", sha256_of(page)).status == 404
    whole = served.answer("whole", key, "ffff", sha256_of(page))
    assert (whole.media_type, whole.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")


@pytest.fixture
def own(tmp_path: Path) -> tuple[Store, Path, str]:
    """A store to be broken: a picture of it, and the sha256 of its bytes."""
    store = open_store(write_store(tmp_path, Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=1)))
    path = min((store.folder / "pictures").rglob("*.png"))
    return store, path, sha256_of(path)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a file outside", "a folder outside", "of 3 GB"])
def test_what_is_no_file_of_the_stores_own_is_not_served(
    own: tuple[Store, Path, str], tmp_path: Path, kind: str
) -> None:
    store, path, content = own
    outside = tmp_path / "outside" / path.name
    outside.parent.mkdir()
    path.rename(outside)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a file outside":
        path.symlink_to(outside)
    elif kind == "a folder outside":
        shutil.rmtree(path.parent)
        path.parent.symlink_to(outside.parent)
    else:
        path.touch()
        os.truncate(path, 3 * 2**30)
    served = ServedStores()
    key = served.offer(store).rpartition("/")[2]
    assert [served.answer(sort, key, path.stem, content).status for sort in ("small", "whole")] == [404, 404]


def test_pictures_of_a_store_that_is_reached_by_a_link_are_served(own: tuple[Store, Path, str], tmp_path: Path) -> None:
    store, path, content = own
    (tmp_path / "link").symlink_to(store.folder)
    served = ServedStores()
    key = served.offer(open_store(tmp_path / "link")).rpartition("/")[2]
    assert [served.answer(sort, key, path.stem, content).status for sort in ("small", "whole")] == [200, 200]
    assert (store.folder / FOLDER).is_dir()


@pytest.mark.parametrize("kind", ["a pipe", "a file outside", "of 1.5 GB"])
def test_a_kept_copy_that_is_none_of_ours_is_neither_shown_nor_waited_for(
    own: tuple[Store, Path, str], tmp_path: Path, kind: str
) -> None:
    store, path, content = own
    made = small_picture(store.folder, path, content)
    kept, outside = store.folder / FOLDER / content[:2] / f"{content}.webp", tmp_path / "outside.webp"
    kept.unlink()
    length = 3 * 2**29
    if kind == "a pipe":
        os.mkfifo(kept)
    elif kind == "a file outside":
        outside.write_bytes(b"RIFF" + (8).to_bytes(4, "little") + b"a secret")
        kept.symlink_to(outside)
    else:
        kept.write_bytes(b"RIFF" + (length - 8).to_bytes(4, "little"))
        os.truncate(kept, length)
    assert small_picture(store.folder, path, content) == made
    assert kind != "a file outside" or outside.read_bytes().endswith(b"a secret")


@pytest.mark.parametrize("which", [FOLDER, "below"])
def test_no_copy_is_written_through_a_link(own: tuple[Store, Path, str], tmp_path: Path, which: str) -> None:
    store, path, content = own
    outside = tmp_path / "outside"
    outside.mkdir()
    place = store.folder / FOLDER
    if which == "below":
        place.mkdir()
        place /= content[:2]
    place.symlink_to(outside)
    assert small_picture(store.folder, path, content)
    assert list(outside.iterdir()) == []


def test_a_picture_that_no_grid_draws_is_not_decoded(own: tuple[Store, Path, str]) -> None:
    store, path, _ = own
    Image.new("1", (4096, 4096)).save(path)
    assert small_picture(store.folder, path, sha256_of(path))
    Image.new("1", (4096, 4104)).save(path)
    with pytest.raises(UnreadablePictureError, match="more than can be read"):
        small_picture(store.folder, path, sha256_of(path))
