"""The Python files of a repository, read and parsed; nothing of them is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SCRIPTS = ("tests", "benchmarks")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnreadableModuleError(Exception):
    """A file that is no Python."""


@dataclass(frozen=True)
class Module:
    """A file: its path below the root, and its dotted name there (a package's `__init__.py` has the package's)."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name from the root, also of tests and benchmarks: `tests.conftest`."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def package(self) -> str:
        """The dotted folder that the file lies in."""
        return ".".join(self.path.parent.parts)

    @property
    def folder(self) -> str:
        """The folder whose line in the table of rooms holds for it. A `__main__` joins others' work: it has its own."""
        return self.name if self.path.stem == "__main__" else self.package

    @property
    def is_init(self) -> bool:
        """Whether it stands for its package."""
        return self.path.stem == "__init__"

    @property
    def is_packaged(self) -> bool:
        """Whether it is shipped: neither a test nor a benchmark."""
        return self.path.parts[0] not in SCRIPTS


@dataclass(frozen=True)
class Definition:
    """A class or function, by its dotted name from the root, with what it is defined in."""

    name: str
    module: Module
    node: ast.ClassDef | Function
    owner: ast.Module | ast.ClassDef | Function
    is_local: bool  # somewhere within a function

    @property
    def is_method(self) -> bool:
        """Whether it is a function directly in a class."""
        return isinstance(self.owner, ast.ClassDef) and not isinstance(self.node, ast.ClassDef)

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.module.path}:{self.node.lineno} {self.name.removeprefix(f'{self.module.name}.')}"


@dataclass(frozen=True)
class Code:
    """All Python files of the packages, the tests and the benchmarks, by dotted name."""

    root: Path
    modules: dict[str, Module]

    @cached_property
    def packaged(self) -> list[Module]:
        """The files of the packages."""
        return [module for module in self.modules.values() if module.is_packaged]

    @cached_property
    def packages(self) -> list[str]:
        """The packages at the top."""
        return sorted({module.path.parts[0] for module in self.packaged})

    @cached_property
    def definitions(self) -> list[Definition]:
        """Every class and function of every file."""
        return [one for module in self.modules.values() for one in definitions(module)]


def read_code(root: Path) -> Code:
    """Read all files of the folders at the top that are packages (they have an `__init__.py`), tests or benchmarks."""
    tops = sorted(path.parent for path in root.glob("*/__init__.py") if path.parent.name not in SCRIPTS)
    folders = [*tops, *(root / name for name in SCRIPTS)]
    read = [_read(root, path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    return Code(root, {module.name: module for module in read})


def definitions(module: Module) -> Iterator[Definition]:
    """Every class and function of a file, also those in branches, classes and functions."""
    yield from _below(module, module.tree, module.tree, module.name, is_local=False)


def _read(root: Path, path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    try:
        return Module(path.relative_to(root), text, ast.parse(text))
    except SyntaxError as error:
        raise UnreadableModuleError(f"{path}:{error.lineno}: {error.msg}; mend it, then measure again") from error


def _below(
    module: Module, node: ast.AST, owner: ast.Module | ast.ClassDef | Function, name: str, is_local: bool
) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | Function):
            yield from _below(module, child, owner, name, is_local)
            continue
        known = f"{name}.{child.name}"
        yield Definition(known, module, child, owner, is_local)
        yield from _below(module, child, child, known, is_local or isinstance(child, Function))
