"""Commands live beside what they run: a package's `__main__` registers them, in the order that `--help` shows."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

ROOT = Path(__file__).resolve().parents[2]
ORDER = {
    "trainer": ["init", "check", "caption", "regularize", "prepare", "plan", "run", "runs", "import-kohya"],
    "eval": [
        "grid",
        "import",
        "rank",
        "score",
        "report",
        "export",
        "search",
        "blend",
        "convert",
        "bake",
        "extract",
        "inspect",
        "compare",
        "verify",
        "store",
    ],
}


@pytest.mark.parametrize("room", ORDER)
def test_help_shows_the_commands_in_the_order_of_the_work(room: str) -> None:
    command = typer.main.get_command(import_module(f"{room}.__main__").app)
    assert list(getattr(command, "commands", {})) == ORDER[room]


def test_the_trainers_main_file_holds_no_command() -> None:
    tree = ast.parse((ROOT / "trainer" / "__main__.py").read_text(encoding="utf-8"))
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["_commands", "main"]
