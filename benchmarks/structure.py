"""The plan of the code, read off its files; nothing is imported. Sizes, cycles, repeats, types, docstrings and arrows.

- `file_max`, `function_max`: most lines of a Python file, and of a function from `def` to its end.
- `cycles`: circles of files that import each other, over all imports: at the top, in functions, for types alone.
- `repeats`: share of code lines in runs of six or more that stand elsewhere too, indentation apart.
- `annotated`: share of parameters (but self and cls) and returns of the packages with a type.
- `documented`: share of the packages' public modules, classes, functions and methods with a docstring. Public: no part
  of the dotted name begins with an underscore, and not within a function. A method that overrides a documented one of a
  base class of ours does not count, nor does an overload or a property's setter.
- `flat_max`: most Python files directly in one folder, without `__init__.py`.
- `up_arrows`: imports of a higher package by a lower one, in the order of `docs/rooms.toml`.

Sizes, cycles and repeats cover packages, tests and benchmarks. The last line is one JSON object, and the exit code 1 if
a bar is missed. With `--table` or `--markdown` it measures nothing and prints the table of rooms.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from code_plan.figures import measure, table
from code_plan.imports import arrows
from code_plan.modules import UnreadableModuleError, read_code
from code_plan.rooms import RoomsError, as_imported, as_markdown, as_toml, read_rooms
from this_machine.words import machine_in_words

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "rooms.toml"


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", type=int, default=5, metavar="N", help="how many of the worst to name (5)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--table", action="store_true", help="print docs/rooms.toml as the code imports today")
    instead.add_argument("--markdown", action="store_true", help="print docs/rooms.toml for docs/architecture.md")
    return parser.parse_args()


def main() -> None:
    """Print the figures, or the table of rooms."""
    options = asked()
    try:
        rooms, code = read_rooms(TABLE), read_code(ROOT)
        if options.markdown:
            print(as_markdown(rooms), end="")
            return
        if options.table:
            print(as_toml(as_imported(code, arrows(code), rooms)), end="")
            return
        figures = measure(code, rooms)
    except (RoomsError, UnreadableModuleError) as error:
        sys.exit(str(error))
    print(table(figures, options.worst))
    found = {one.name: one.value for one in figures}
    print(json.dumps({**found, "machine": machine_in_words()}))
    sys.exit(0 if all(one.is_met for one in figures) else 1)


if __name__ == "__main__":
    main()
