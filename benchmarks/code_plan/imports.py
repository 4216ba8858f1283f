"""Who imports whom: at the top, in functions and under TYPE_CHECKING alike, `import_module("a.name")` too."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from code_plan.graph import circles
from code_plan.modules import Code, Module

BY_CALL = ("import_module", "importlib.import_module", "__import__")


@dataclass(frozen=True)
class Import:
    """What a file imports: `name` of `source` (no relative one), or `source` itself; there it is known as `known`."""

    line: int
    source: str
    name: str | None
    known: str | None

    @property
    def target(self) -> str:
        """What is imported, dotted."""
        return self.source if self.name in (None, "*") else f"{self.source}.{self.name}"


@dataclass(frozen=True)
class Arrow:
    """A file of ours that imports another, or itself."""

    importer: Module
    target: Module
    line: int

    @property
    def words(self) -> str:
        """Where it stands and where it points."""
        return f"{self.importer.path}:{self.line} imports {self.target.name}"


def imports_of(module: Module) -> Iterator[Import]:
    """Everything a file imports, wherever in it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` makes `a` known; `import a.b as c` makes `c` known, and that is a.b.
                yield Import(node.lineno, alias.name, None, alias.asname)
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            for alias in node.names:
                yield Import(node.lineno, source, alias.name, alias.asname or alias.name)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_CALL and node.args:
            match node.args[0]:
                case ast.Constant(value=str(name)):
                    yield Import(node.lineno, name, None, None)
                case _:
                    pass


def arrows(code: Code) -> list[Arrow]:
    """All imports of our own files by our own files."""
    roots = search_roots(code)
    found = [
        Arrow(module, target, one.line)
        for module in code.modules.values()
        for one in imports_of(module)
        if (target := resolved(code, module, one, roots))
    ]
    return list(dict.fromkeys(found))


def resolved(code: Code, module: Module, one: Import, roots: list[str]) -> Module | None:
    """The file of ours that an import names: a module, or the package or module that holds the name.

    Packages see what lies at the root. Tests and benchmarks also see what lies beside them and in `roots`.
    """
    places = [""] if module.is_packaged else [f"{module.package}.", *roots]
    for place in places:
        for name in (one.target, one.source):
            if found := code.modules.get(place + name):
                return found
    return None


def search_roots(code: Code) -> list[str]:
    """Where tests and benchmarks find modules, as prefixes of dotted names: pytest's `pythonpath`."""
    path = code.root / "pyproject.toml"
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    asked: list[str] = project.get("tool", {}).get("pytest", {}).get("ini_options", {}).get("pythonpath", ["."])
    return ["" if folder == "." else folder.strip("/").replace("/", ".") + "." for folder in asked]


def import_cycles(code: Code, found: list[Arrow]) -> list[list[str]]:
    """Every circle of files that import each other, by a shortest way round; a file that imports itself is one."""
    graph: dict[str, set[str]] = {name: set() for name in code.modules}
    for arrow in found:
        graph[arrow.importer.name].add(arrow.target.name)
    return circles(graph)


def top_names(module: Module) -> set[str]:
    """The first names of everything a file imports, ours or not."""
    return {one.source.partition(".")[0] for one in imports_of(module)}


def _source(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
