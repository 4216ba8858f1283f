"""Addresses of servers: this machine's, unless others are allowed; secrets never in the open; answers bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfy_stand_in import ComfyStandIn
from eval.request.cells import Checkpoint
from eval.servers.address import ServerAddressError, addresses_of, check_allowed, headers_of
from eval.servers.faults import ServerFaultError, ServerRefusedError
from eval.servers.http_door import Answer, Door
from eval.servers.lora_names import name_on_server, names_of


def test_addresses_are_read() -> None:
    assert addresses_of("http://127.0.0.1:8188/, https://[::1]:8189/comfy", "--comfy") == (
        "http://127.0.0.1:8188",
        "https://[::1]:8189/comfy",
    )


@pytest.mark.parametrize(
    "written", ["", ",", "127.0.0.1:8188", "ftp://127.0.0.1", "http://", "http://a:b@127.0.0.1", "http://127.0.0.1:99999",
                "file:///etc/passwd", "http://127.0.0.1:0"],
)  # fmt: skip
def test_what_is_no_address_is_said(written: str) -> None:
    with pytest.raises(ServerAddressError, match=r"http://127\.0\.0\.1:8188|address alone|with https"):
        addresses_of(written, "--comfy")


def test_other_machines_are_to_be_allowed_and_get_no_secret_in_the_open() -> None:
    check_allowed("http://127.0.0.1:8188", "--comfy", {"X-Token": "a"}, remote_allowed=False)
    check_allowed("http://localhost:8188", "--comfy", {}, remote_allowed=False)
    with pytest.raises(ServerAddressError, match="--allow-remote"):
        check_allowed("http://192.0.2.7:8188", "--comfy", {}, remote_allowed=False)
    check_allowed("http://192.0.2.7:8188", "--comfy", {}, remote_allowed=True)
    check_allowed("https://192.0.2.7", "--comfy", {"X-Token": "a"}, remote_allowed=True)
    with pytest.raises(ServerAddressError, match="use https"):
        check_allowed("http://192.0.2.7:8188", "--comfy", {"X-Token": "a"}, remote_allowed=True)


def test_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFY_TOKEN", "abc")
    assert headers_of({"Authorization": "Bearer ${COMFY_TOKEN}"}, "comfy") == {"Authorization": "Bearer abc"}
    with pytest.raises(ServerAddressError, match="NOT_THERE is not set"):
        headers_of({"X-Token": "$NOT_THERE"}, "comfy")
    monkeypatch.setenv("COMFY_TOKEN", "abc\r\nHost: other")
    with pytest.raises(ServerAddressError, match="one line"):
        headers_of({"Authorization": "$COMFY_TOKEN"}, "comfy")


@pytest.mark.parametrize("status", [401, 403, 302, 404])
def test_what_will_not_change_is_refused_and_all_else_tried_again(status: int) -> None:
    with pytest.raises(ServerRefusedError):
        Door("http://127.0.0.1:1").check(Answer(status, b""), "/prompt")
    with pytest.raises(ServerFaultError, match="503"):
        Door("http://127.0.0.1:1").check(Answer(503, b"busy"), "/prompt")


def test_a_server_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(ServerFaultError, match="does not answer"):
        Door("http://127.0.0.1:1").json("/queue")


def test_a_file_is_the_one_whose_folders_are_most_like_it() -> None:
    path = Path("/home/me/runs/hina/e1.safetensors")
    assert name_on_server(path, ["mei/e1.safetensors", "runs\\hina\\e1.safetensors", "e1.safetensors"]) == (
        "runs\\hina\\e1.safetensors"
    )
    assert name_on_server(path, ["e2.safetensors"]) is None
    with pytest.raises(ServerRefusedError, match="several of that name"):
        name_on_server(path, ["a/e1.safetensors", "b/e1.safetensors"])


def test_all_files_that_are_not_there_are_named_at_once() -> None:
    files = [Checkpoint(Path(f"/x/e{number}.safetensors"), "", str(number), None) for number in range(5)]
    with pytest.raises(ServerRefusedError, match=r"e0.*e1.*e2.*and 2 more: copy or link /x/e0"):
        names_of(files, [], "http://127.0.0.1:1", "its folder", lambda _: None)


def test_answers_are_bounded() -> None:
    server = ComfyStandIn(lambda *_: b"", ["a" * 5000])
    try:
        assert Door(server.url).json("/system_stats")
        with pytest.raises(ServerFaultError, match="more than 100 bytes"):
            Door(server.url).ask("/object_info/LoraLoader", most=100)
        with pytest.raises(ServerRefusedError, match="knows no /nowhere"):
            Door(server.url).json("/nowhere")
    finally:
        server.close()
