"""The table of rooms, `docs/rooms.toml`: the order of the packages, and which folder may import which.

A folder's own files may import each other. A package's `__main__` joins what lies beside it and below: it has a line
of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from code_plan.graph import circles
from code_plan.imports import Arrow
from code_plan.modules import Code

HEAD = """\
# Who may import whom, by folder. Tests, `benchmarks/structure.py` and `docs/architecture.md` all read this one table.
# After a change of folders: `python benchmarks/structure.py --table` prints it anew with the words that are here, and
# `--markdown` what docs/architecture.md shows. Review every line; an arrow that should not be is a fault of the code.
"""


class RoomsError(Exception):
    """The table of rooms cannot be read, or does not know a package."""


@dataclass(frozen=True)
class Folder:
    """A line of the table: what lies there, and the other folders that it may import."""

    holds: str
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Rooms:
    """The packages, lowest first; the folders that any other may import; and a line for every folder."""

    order: tuple[str, ...]
    everywhere: tuple[str, ...]
    folders: Mapping[str, Folder]

    def rank(self, folder: str) -> int:
        """How high the package of a folder stands. Raises RoomsError where the order does not name it."""
        room = room_of(folder)
        if room not in self.order:
            raise RoomsError(f'the package {room} has no place in the order of docs/rooms.toml; put it into "order"')
        return self.order.index(room)

    def allows(self, folder: str, other: str) -> bool:
        """Whether files of `folder` may import files of `other`."""
        line = self.folders.get(folder)
        return other in (folder, *self.everywhere) or (line is not None and other in line.imports)


def room_of(folder: str) -> str:
    """The package that a folder lies in."""
    return folder.partition(".")[0]


def read_rooms(path: Path) -> Rooms:
    """Read the table. Raises RoomsError where it is not there or says nothing that can be understood."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        folders = {name: Folder(line["holds"], tuple(line["imports"])) for name, line in table["folders"].items()}
        return Rooms(tuple(table["order"]), tuple(table["everywhere"]), folders)
    except FileNotFoundError as error:
        raise RoomsError(f"{path} is not there; put it back") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RoomsError(
            f'{path}: {error!r}; it needs "order", "everywhere" and, for each folder, "holds" and "imports"'
        ) from error


def as_imported(code: Code, found: Iterable[Arrow], before: Rooms) -> Rooms:
    """The table that allows what the packages import today and no more, with the words and the order of `before`."""
    pairs = _pairs(found)
    folders = sorted({module.folder for module in code.packaged if not module.is_init})
    everywhere = tuple(name for name in before.everywhere if name in folders)
    order = _order(code.packages, pairs, before.order)
    lines: dict[str, Folder] = {}
    for name in sorted(folders, key=lambda folder: (order.index(room_of(folder)), folder)):
        words = before.folders[name].holds if name in before.folders else ""
        lines[name] = Folder(words, tuple(sorted(to for of, to in pairs if of == name and to not in everywhere)))
    return Rooms(order, everywhere, lines)


def as_toml(rooms: Rooms) -> str:
    """The table as its file."""
    parts = [HEAD, f"order = {_quoted(rooms.order)}", f"everywhere = {_quoted(rooms.everywhere)}"]
    for name, folder in rooms.folders.items():
        words = folder.holds.replace("\\", "\\\\").replace('"', '\\"')
        parts += ["", f'[folders."{name}"]', f'holds = "{words}"', f"imports = {_quoted(folder.imports)}"]
    return "\n".join(parts) + "\n"


def as_markdown(rooms: Rooms) -> str:
    """The table as docs/architecture.md shows it."""
    lines = [
        f"Lowest first: {_ticked(rooms.order)}. Everyone may import {_ticked(rooms.everywhere)}.",
        "",
        "| folder | what is in it | may import |",
        "|---|---|---|",
        *(f"| `{name}` | {folder.holds} | {_ticked(folder.imports)} |" for name, folder in rooms.folders.items()),
    ]
    return "\n".join(lines) + "\n"


def not_in_both(code: Code, rooms: Rooms) -> list[str]:
    """Folders without a line, lines without a folder or without words, and packages without a place in the order."""
    there = {module.folder for module in code.packaged if not module.is_init}
    wordless = [f"{name}: say what it holds" for name, folder in rooms.folders.items() if not folder.holds.strip()]
    return [
        *(f"{name}: give it a line" for name in sorted(there - rooms.folders.keys())),
        *(f"{name}: no such folder, drop its line" for name in sorted(rooms.folders.keys() - there)),
        *(f"{name}: put it into the order" for name in code.packages if name not in rooms.order),
        *(f"{name}: no such package, drop it from the order" for name in rooms.order if name not in code.packages),
        *wordless,
    ]


def not_allowed(found: Iterable[Arrow], rooms: Rooms) -> list[str]:
    """Imports of a package's file that its folder's line does not allow."""
    return [
        f"{arrow.words}: {arrow.importer.folder} may not import {arrow.target.folder}"
        for arrow in _of_packages(found)
        if not rooms.allows(arrow.importer.folder, arrow.target.folder)
    ]


def not_used(found: Iterable[Arrow], rooms: Rooms) -> list[str]:
    """What lines allow although no file imports it, or although everyone or the folder itself may."""
    pairs = _pairs(found)
    return [
        f"{name} need not be allowed {other}"
        for name, folder in rooms.folders.items()
        for other in folder.imports
        if (name, other) not in pairs or other in rooms.everywhere
    ]


def circles_of_rooms(rooms: Rooms) -> list[list[str]]:
    """Ways round in the table, by folder. What everyone may import counts as imported by every other folder."""
    graph = {
        name: {*folder.imports, *(other for other in rooms.everywhere if other != name)}
        for name, folder in rooms.folders.items()
    }
    return circles(graph)


def lines_upwards(rooms: Rooms) -> list[str]:
    """What lines allow a folder of a lower package to import from a higher one."""
    return [
        f"{name} is allowed {other}, which stands above it"
        for name, folder in rooms.folders.items()
        for other in folder.imports
        if rooms.rank(other) > rooms.rank(name)
    ]


def arrows_upwards(found: Iterable[Arrow], rooms: Rooms) -> list[str]:
    """Imports of a file in a higher package by a file in a lower one."""
    return [
        arrow.words
        for arrow in _of_packages(found)
        if rooms.rank(arrow.target.folder) > rooms.rank(arrow.importer.folder)
    ]


def _of_packages(found: Iterable[Arrow]) -> list[Arrow]:
    """The imports that the table speaks of: those by a package's file."""
    return [one for one in found if one.importer.is_packaged]


def _pairs(found: Iterable[Arrow]) -> set[tuple[str, str]]:
    pairs = {(arrow.importer.folder, arrow.target.folder) for arrow in _of_packages(found)}
    return {(of, to) for of, to in pairs if of != to}


def _order(packages: list[str], pairs: set[tuple[str, str]], before: tuple[str, ...]) -> tuple[str, ...]:
    """The order that was, if it still names all packages; else one in which imported packages stand below."""
    if set(packages) == set(before):
        return before
    graph = {name: sorted({room_of(to) for of, to in pairs if room_of(of) == name} - {name}) for name in packages}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        kept = [name for name in before if name in packages]
        return (*kept, *(name for name in packages if name not in kept))


def _quoted(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _ticked(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
