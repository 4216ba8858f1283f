"""How long files and functions are, and how full folders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from code_plan.modules import Code, Definition, Function


def file_lines(code: Code) -> dict[str, int]:
    """Lines of every file."""
    return {str(module.path): len(module.text.splitlines()) for module in code.modules.values()}


def function_lines(code: Code) -> dict[str, int]:
    """Lines of every function, from `def` to its end; decorators do not count, functions within it do."""
    return {one.place: _lines(one) for one in code.definitions if isinstance(one.node, Function)}


def folder_files(code: Code) -> dict[str, int]:
    """Python files directly in every folder, without `__init__.py`."""
    held: Counter[Path] = Counter(module.path.parent for module in code.modules.values() if not module.is_init)
    return {f"{folder}/": count for folder, count in held.items()}


def _lines(one: Definition) -> int:
    return (one.node.end_lineno or one.node.lineno) - one.node.lineno + 1
