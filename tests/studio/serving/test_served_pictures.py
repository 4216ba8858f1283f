"""Pictures over HTTP: only those of opened stores, only what the address says, and to nobody of another name."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

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
