"""`typings/` describes libraries as they are installed: a name or a parameter that they lose is missed here first."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TYPINGS = ROOT / "typings"
Described = ast.FunctionDef | ast.ClassDef


def module_of(stub: Path) -> str:
    parts = stub.relative_to(TYPINGS).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def described(body: list[ast.stmt], above: str = "") -> Iterator[tuple[str, Described]]:
    """Classes, functions and methods of a stub, by dotted name; private ones are the stub's own."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (above or not node.name.startswith("_")):
            yield f"{above}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from described(node.body, f"{node.name}.")


def lacking(module: str, name: str, node: Described) -> list[str]:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        return [f"{module}.{name}"]
    if not isinstance(node, ast.FunctionDef) or name.endswith(("__new__", "__enter__", "__exit__")):
        return []
    try:
        taken = inspect.signature(inspect.unwrap(found)).parameters
    except (TypeError, ValueError):  # a property, or compiled without its signature
        return []
    if any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        return []
    asked = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
    return [f"{module}.{name}({one})" for one in asked if one not in taken]


STUBS = sorted(TYPINGS.rglob("*.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=map(module_of, STUBS))
def test_what_is_described_is_there(stub: Path) -> None:
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    assert [lack for name, node in described(body) for lack in lacking(module_of(stub), name, node)] == []


def test_what_is_not_there_is_found() -> None:
    (function,) = ast.parse("def load_file(filename, device, colour): ...").body
    assert isinstance(function, ast.FunctionDef)
    assert lacking("safetensors.torch", "load_file", function) == ["safetensors.torch.load_file(colour)"]
    assert lacking("safetensors.torch", "load_files", function) == ["safetensors.torch.load_files"]
