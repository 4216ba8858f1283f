"""Files that users made are opened at one place each: text in `text_files.py`, pictures in `picture_file.py`.

Tensors are written at one place too: `foundation/safetensors_stream.py`, whose errors a command can tell.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("foundation", "base_models", "loras", "trainer", "eval", "studio", "integrations")
# The reader itself, and the one parser beside it.
ALLOWED = {
    "text": ("foundation/text_files.py",),
    "TOML": ("foundation/toml_config.py",),
    "picture": ("base_models/pictures/picture_file.py",),
    "tensor": (),
}


def openings(source: str) -> Iterator[tuple[str, int]]:
    """Which kind of file is opened, and in which line: the calls that read text, parse TOML or decode a picture."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            arguments = [ast.unparse(one) for one in node.args + [keyword.value for keyword in node.keywords]]
            modes = [one.strip("'") for one in arguments if one.strip("'") and set(one.strip("'")) <= set("rwaxbt+")]
            reads = not modes or ("b" not in modes[0] and "r" in modes[0])
            if called.endswith(".read_text") or called == "json.load":
                yield "text", node.lineno
            elif called.startswith("tomllib."):
                yield "TOML", node.lineno
            elif called == "Image.open":
                yield "picture", node.lineno
            elif called.rpartition(".")[2] in ("save_file", "serialize_file"):
                yield "tensor", node.lineno
            elif reads and called != "os.open" and called.rpartition(".")[2] == "open":
                yield "text", node.lineno


def test_every_other_place_asks_the_readers() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} opens a {kind} file by hand"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for kind, line in openings(path.read_text(encoding="utf-8"))
        if path.relative_to(ROOT).as_posix() not in ALLOWED[kind]
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("path.read_text(encoding='utf-8')", "text"),
        ("open(path)", "text"),
        ("path.open('r', encoding='utf-8')", "text"),
        ("path.open()", "text"),
        ("json.load(stream)", "text"),
        ("tomllib.load(stream)", "TOML"),
        ("Image.open(path)", "picture"),
        ("save_file(tensors, path)", "tensor"),
    ],
)
def test_what_opens_by_hand_is_seen(source: str, kind: str) -> None:
    assert [one for one, _ in openings(source)] == [kind]


@pytest.mark.parametrize("source", ["path.open('rb')", "path.open('w')", "path.open(mode='a')", "os.open(path, flags)"])
def test_what_reads_bytes_or_writes_is_let_be(source: str) -> None:
    assert not list(openings(source))
