"""Who reaches the studio: this machine by its own names, others with a token alone, nobody by another site's name."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from studio.shared.closed_server import (
    ASK_AT,
    COOKIE,
    LARGEST_FORM,
    TOKEN,
    ClosedServer,
    OpenDoorError,
    check_door,
    is_called_rightly,
    is_own_page,
    proof_of,
)

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY = REPOSITORY / "studio" / "streamlit_app.py"
SECONDS = 60
SECRET = "a token of many letters"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """`streamlit run studio`, started elsewhere by a user who never ran Streamlit; the port it listens on."""
    tmp_path = tmp_path_factory.mktemp("elsewhere")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ENTRY.parent), "--server.port", str(port)]
    variables = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY), "BROWSER": "true"}
    variables.pop("STREAMLIT_SERVER_ADDRESS", None)
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL) as running:
        yield port
        running.terminate()


def test_the_app_listens_on_this_machine_only_wherever_it_is_started(server: int) -> None:
    assert _answers("127.0.0.1", server, within=SECONDS)
    # Another address of the loopback network: a server bound to all addresses would answer there too.
    assert not _answers("127.0.0.2", server, within=0.5)


@pytest.mark.parametrize(
    ("host", "origin", "answer"),
    [
        ("127.0.0.1", "http://127.0.0.1", b"101"),
        ("localhost", "http://localhost", b"101"),
        ("evil.example", "http://evil.example", b"403"),
        ("127.0.0.1", "http://evil.example", b"403"),
        ("127.0.0.1", "http://localhost", b"403"),
        ("127.0.0.1", "http://127.0.0.1:1", b"403"),
        ("127.0.0.1", "null", b"403"),
    ],
)
def test_a_page_elsewhere_whose_name_points_here_is_not_answered(
    server: int, host: str, origin: str, answer: bytes
) -> None:
    """DNS rebinding: the browser of the user is made to ask for another site's name at this address."""
    assert _answers("127.0.0.1", server, within=SECONDS)
    with socket.create_connection(("127.0.0.1", server), timeout=SECONDS) as asking:
        lines = [
            "GET /_stcore/stream HTTP/1.1", f"Host: {host}:{server}", f"Origin: {of_port(origin, server)}",
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", "", "",
        ]  # fmt: skip
        asking.sendall("\r\n".join(lines).encode())
        assert asking.recv(100).split(b" ")[1] == answer


def of_port(origin: str, port: int) -> str:
    """A page of that port, where it has none of its own."""
    return origin if origin.count(":") != 1 else f"{origin}:{port}"


@pytest.mark.parametrize("path", ["/", "/static/js", "/_stcore/health", "/media/x.png"])
def test_no_address_answers_to_another_sites_name(server: int, path: str) -> None:
    assert _answers("127.0.0.1", server, within=SECONDS)
    assert _status(server, path, "evil.example") == b"403"
    assert _status(server, "/", "127.0.0.1") == b"200"


def _status(port: int, path: str, host: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as asking:
        asking.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        return asking.recv(100).split(b" ")[1]


def test_a_studio_that_others_would_reach_does_not_listen_without_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", str(ENTRY.parent), "--server.address", "0.0.0.0"]
    variables = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY), "BROWSER": "true"}
    ended = subprocess.run(
        [*command, "--server.port", "0"],
        cwd=tmp_path,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 2
    assert f"is reached from elsewhere: set {TOKEN}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_which_door_is_open() -> None:
    for address in ("127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]"):
        check_door(address, {})
    for address in (None, "", "0.0.0.0", "192.168.1.4", "::", "studio.lan", "evil"):
        with pytest.raises(OpenDoorError, match="is reached from elsewhere"):
            check_door(address, {})
        check_door(address, {TOKEN: SECRET})
    with pytest.raises(OpenDoorError, match="can be guessed"):
        check_door("127.0.0.1", {TOKEN: "short"})


def test_names_are_compared_as_a_browser_writes_them() -> None:
    names = ["127.0.0.1", "localhost", "::1", "*.lan"]
    for host in ("127.0.0.1:8501", "LOCALHOST", "localhost.", "[::1]:8501", "studio.lan"):
        assert is_called_rightly(host, names)
    for host in ("", "evil.example", "127.0.0.1.evil.example", "lan", "[::1", "localhost@evil.example"):
        assert not is_called_rightly(host, names)
    assert is_called_rightly("evil.example", ["*"])
    assert not is_called_rightly("localhost", [])


def test_a_page_of_another_server_opens_no_websocket() -> None:
    """Of this machine's other ports too: what listens there need not be ours."""
    for origin in ("", "http://127.0.0.1:8501", "HTTP://127.0.0.1:8501"):
        assert is_own_page(origin, "127.0.0.1:8501")
    assert is_own_page("https://studio.lan", "studio.lan")
    assert is_own_page("https://studio.lan", "studio.lan:443")
    assert is_own_page("http://studio.lan:80", "studio.lan")
    assert is_own_page("https://front.lan", "studio.lan:8501", ["https://front.lan"])
    for origin in ("null", "http://127.0.0.1:3000", "http://localhost:8501", "http://127.0.0.1", "http://evil.example"):
        assert not is_own_page(origin, "127.0.0.1:8501")


def asked(
    path: str = "/", method: str = "GET", kind: str = "http", cookie: str = "", body: bytes = b"", token: str = SECRET
) -> tuple[int, dict[str, str]]:
    """The status and the headers of what the door answers; 200 where it lets a request through."""
    sent: list[MutableMapping[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": f"{kind}.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={cookie}".encode())]
    scope = {"type": kind, "path": path, "method": method, "headers": headers, "query_string": b""}
    asyncio.run(ClosedServer(behind, lambda: ["localhost"], token)(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}
    return int(sent[0].get("status", 0)), told


def test_a_token_stands_before_everything_and_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.shared.closed_server.WAIT", 0.0)
    assert asked(token="")[0] == 200
    assert [asked(path)[0] for path in ("/", "/media/x.png", "/_stcore/health")] == [401] * 3
    assert asked("/_stcore/stream", kind="websocket")[0] == 0
    assert asked(ASK_AT, "POST", body=b"token=wrong")[0] == 401
    assert asked(ASK_AT, "POST", body=b"token=" + b"x" * LARGEST_FORM)[0] == 413
    status, headers = asked(ASK_AT, "POST", body=b"token=" + SECRET.replace(" ", "+").encode())
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    assert SECRET not in headers["set-cookie"]
    assert asked(cookie=proof_of(SECRET))[0] == 200
    assert asked("/_stcore/stream", kind="websocket", cookie=proof_of(SECRET))[0] == 200
    assert asked(cookie=proof_of("another token of letters"))[0] == 401


def _answers(host: str, port: int, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/_stcore/health", timeout=2) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            time.sleep(0.2)
    return False
