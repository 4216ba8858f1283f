"""Lines of code that stand in more than one place: runs of six or more, whatever their indentation."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from code_plan.modules import Code, Module

RUN = 6


@dataclass(frozen=True)
class Line:
    """A line of code by its number, without comment, indentation and doubled blanks."""

    number: int
    text: str


@dataclass(frozen=True)
class Repeat:
    """A run of lines that stands elsewhere too. `twin` is where its first lines do."""

    place: str
    twin: str
    lines: int


Place = tuple[str, int]


def code_lines(module: Module) -> list[Line]:
    """The lines that count: neither blank, comment, docstring nor import."""
    left_out = _docstring_and_import_lines(module.tree)
    bare = _without_comments(module.text)
    found = [Line(number, " ".join(text.split())) for number, text in enumerate(bare, 1) if number not in left_out]
    return [line for line in found if line.text]


def repeats(files: Mapping[str, Sequence[Line]]) -> list[Repeat]:
    """Every longest run of repeated lines, file by file. A line belongs to one if any six around it stand elsewhere."""
    places: defaultdict[tuple[str, ...], list[Place]] = defaultdict(list)
    for name, lines in files.items():
        for at in range(len(lines) - RUN + 1):
            places[tuple(line.text for line in lines[at : at + RUN])].append((name, at))
    twins: dict[Place, Place] = {}
    for held in places.values():
        for place in held:
            if twin := next((other for other in held if _apart(place, other)), None):
                twins[place] = twin
    return [one for name in files for one in _runs(files, name, twins)]


def lines_of(code: Code) -> dict[str, list[Line]]:
    """The lines that count of every file."""
    return {str(module.path): code_lines(module) for module in code.modules.values()}


def _apart(place: Place, other: Place) -> bool:
    return place[0] != other[0] or abs(place[1] - other[1]) >= RUN


def _runs(files: Mapping[str, Sequence[Line]], name: str, twins: Mapping[Place, Place]) -> list[Repeat]:
    lines, found = files[name], list[Repeat]()
    begun, end = 0, -1
    starts = [at for at in range(len(lines)) if (name, at) in twins]
    for at in starts:
        if at > end:
            begun = at
        else:
            found.pop()
        end = at + RUN
        file, there = twins[name, begun]
        twin = f"{file}:{files[file][there].number}"
        found.append(Repeat(f"{name}:{lines[begun].number}", twin, end - begun))
    return found


def _docstring_and_import_lines(tree: ast.Module) -> set[int]:
    """Numbers of all lines of docstrings and of import statements."""
    found: set[int] = set()
    for node in ast.walk(tree):
        told: ast.stmt | None = None
        if isinstance(node, ast.Import | ast.ImportFrom):
            told = node
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            told = node.body[0]
        if told is not None:
            found |= set(range(told.lineno, (told.end_lineno or told.lineno) + 1))
    return found


def _without_comments(text: str) -> list[str]:
    """The lines of a file without comments; a `#` within a string is none."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return lines
