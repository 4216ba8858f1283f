"""The figures of the plan of the code, on small trees of which the answer is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from code_plan.annotations import annotated
from code_plan.docstrings import documented
from code_plan.figures import Figure, measure, table
from code_plan.imports import arrows, import_cycles
from code_plan.modules import Code, UnreadableModuleError
from code_plan.repeats import RUN, lines_of, repeats
from code_plan.rooms import Rooms
from code_plan.sizes import file_lines, folder_files, function_lines
from code_trees import write_code

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
KEYS = ["file_max", "function_max", "cycles", "repeats", "annotated", "documented", "flat_max", "up_arrows"]
Write = Callable[[Mapping[str, str]], Code]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda files: write_code(tmp_path, files)


def cycles(code: Code) -> list[list[str]]:
    return import_cycles(code, arrows(code))


WAYS = {
    "at the top": "from house.roof import tiles",
    "a module of a package": "from house import roof",
    "by its dotted name": "import house.roof",
    "by another name": "import house.roof as above",
    "everything": "from house.roof import *",
    "in a function": "def f():\n    from house.roof import tiles",
    "for types alone": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.roof import tiles",
    "a relative module": "from . import roof",
    "a relative name": "from .roof import tiles",
    "by a call": "from importlib import import_module\nimport_module('house.roof')",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_circle_is_found_whatever_way_it_is_imported(write: Write, way: str) -> None:
    code = write({"house/wall.py": WAYS[way], "house/roof.py": "from house.wall import bricks\ntiles = 1"})
    assert cycles(code) == [["house.roof", "house.wall", "house.roof"]]


def test_relative_imports_are_followed_from_a_folder_below(write: Write) -> None:
    code = write({"house/deep/cellar.py": "from ..wall import bricks", "house/wall.py": "from .deep import cellar"})
    assert cycles(code) == [["house.deep.cellar", "house.wall", "house.deep.cellar"]]


def test_imports_one_way_make_no_circle(write: Write) -> None:
    assert (
        cycles(write({"house/wall.py": "import house.roof\nimport os", "house/roof.py": "from os import path"})) == []
    )


def test_a_file_that_imports_itself_is_a_circle(write: Write) -> None:
    assert cycles(write({"house/wall.py": "def f():\n    import house.wall"})) == [["house.wall", "house.wall"]]


def test_a_component_counts_once_and_two_count_twice(write: Write) -> None:
    three = {"house/a.py": "import house.b", "house/b.py": "import house.c", "house/c.py": "import house.a, house.b"}
    two = {"shed/a.py": "import shed.b", "shed/b.py": "import shed.a"}
    found = cycles(write({**three, **two}))
    assert [way[0] for way in found] == ["house.a", "shed.a"]


def test_tests_and_benchmarks_find_what_lies_beside_them_and_on_pytests_path(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = [".", "tests/shared"]')
    code = write(
        {
            "tests/test_wall.py": "import helpers\nimport planted\nfrom house.wall import bricks",
            "tests/helpers.py": "",
            "tests/shared/planted.py": "",
            "benchmarks/speed.py": "from known.truth import x\nimport planted\nimport helpers",
            "benchmarks/known/truth.py": "",
            "house/wall.py": "import helpers",
        }
    )
    assert {(one.importer.name, one.target.name) for one in arrows(code)} == {
        ("tests.test_wall", "tests.helpers"),
        ("tests.test_wall", "tests.shared.planted"),
        ("tests.test_wall", "house.wall"),
        ("benchmarks.speed", "benchmarks.known.truth"),
        ("benchmarks.speed", "tests.shared.planted"),
    }


def repeated(code: Code) -> dict[str, tuple[str, int]]:
    return {one.place: (one.twin, one.lines) for one in repeats(lines_of(code))}


def statements(count: int, indent: str = "") -> str:
    return "".join(f"{indent}x{at} = {at}\n" for at in range(count))


def test_a_run_that_stands_twice_is_repeated_whatever_its_indentation_and_comments(write: Write) -> None:
    first, rest = statements(RUN, "    ").split("    x3 = 3\n")
    indented = f"if True:\n{first}\n    # why\n    x3  =  3  # three\n{rest}"
    code = write({"house/wall.py": "y = 1\n" + statements(RUN), "tests/test_wall.py": indented})
    assert repeated(code) == {
        "house/wall.py:2": ("tests/test_wall.py:2", RUN),
        "tests/test_wall.py:2": ("house/wall.py:2", RUN),
    }


def test_a_shorter_run_is_not_repeated(write: Write) -> None:
    assert repeated(write({"house/a.py": statements(RUN - 1), "house/b.py": statements(RUN - 1)})) == {}


def test_a_longer_run_counts_whole_and_within_one_file_too(write: Write) -> None:
    code = write({"house/a.py": statements(8) + "y = 1\n" + statements(8)})
    assert repeated(code) == {"house/a.py:1": ("house/a.py:10", 8), "house/a.py:10": ("house/a.py:1", 8)}


def test_a_run_is_no_repeat_of_itself(write: Write) -> None:
    """Seven equal lines hold two equal runs of six that overlap."""
    assert repeated(write({"house/a.py": "x += 1\n" * (RUN + 1)})) == {}
    assert len(repeated(write({"house/a.py": "x += 1\n" * 2 * RUN}))) == 1


def test_docstrings_and_imports_do_not_count_but_strings_do(write: Write) -> None:
    told = '"""\n' + statements(RUN) + '"""\n' + "".join(f"import m{at}\n" for at in range(RUN))
    assert repeated(write({"house/a.py": told, "house/b.py": told})) == {}
    held = 'x = """\n' + "".join(f"# {at}\n" for at in range(RUN)) + '"""\n'
    assert len(repeated(write({"house/a.py": held, "house/b.py": held}))) == 2


def test_parameters_and_returns_without_a_type_are_named(write: Write) -> None:
    code = write(
        {
            "house/wall.py": """\
            def build(bricks, height: int, *more, wide, **rest) -> None:
                def lay(brick): ...

            class Wall:
                def __init__(self, width: int): ...
                @staticmethod
                def of(x) -> int: ...
                @classmethod
                def made(cls) -> int: ...
            """,
            "tests/test_wall.py": "def test(x): ...",
        }
    )
    told = annotated(code)
    lacking = [place.partition(" ")[2] for place, is_told in told.items() if not is_told]
    assert lacking == [
        "build(bricks)",
        "build(wide)",
        "build(more)",
        "build(rest)",
        "build.lay(brick)",
        "build.lay(return)",
        "Wall.__init__(return)",
        "Wall.of(x)",
    ]
    assert len(told) == len(lacking) + 5


def test_what_is_public_needs_a_docstring(write: Write) -> None:
    code = write(
        {
            "house/wall.py": """\
            def build() -> None:
                def lay() -> None: ...
            def told() -> None:
                "What it does."
            def _hidden() -> None: ...
            class _Hidden:
                def method(self) -> None: ...
            class Wall:
                def __str__(self) -> str: ...
                @property
                def height(self) -> int: ...
                @height.setter
                def height(self, to: int) -> None: ...
            """,
            "house/_inner.py": "def build() -> None: ...",
            "house/__main__.py": "def build() -> None: ...",
            "tests/test_wall.py": "def test() -> None: ...",
        }
    )
    told = documented(code)
    assert [place.rpartition(" ")[2] for place, is_told in told.items() if is_told] == ["told"]
    lacking = [place.rpartition(" ")[2] for place, is_told in told.items() if not is_told]
    assert lacking == ["house/wall.py", "build", "Wall", "Wall.height"]


def test_a_method_is_told_by_the_class_that_it_comes_from(write: Write) -> None:
    code = write(
        {
            "house/part.py": """\
            class Part(Generic[T]):
                def build(self) -> None:
                    "Build it."
                def untold(self) -> None: ...
            """,
            "house/wall.py": """\
            import house.part
            from .part import Part as P
            class Wall(P[int]):
                def build(self) -> None: ...
                def untold(self) -> None: ...
                def own(self) -> None: ...
            class Low(Wall):
                def build(self) -> None: ...
            class High(house.part.Part):
                def build(self) -> None: ...
            class Other(Unknown):
                def build(self) -> None: ...
            """,
        }
    )
    lacking = [place.rpartition(" ")[2] for place, is_told in documented(code).items() if not is_told]
    assert [name for name in lacking if name.count(".") == 1 and "/" not in name] == [
        "Part.untold",
        "Wall.untold",
        "Wall.own",
        "Other.build",
    ]


def test_functions_are_measured_from_def_to_end_and_folders_without_init(write: Write) -> None:
    code = write({"house/wall.py": "@cache\n@other\ndef f():\n    def g():\n        pass\n\n    return g\n\n\nx = 1\n"})
    assert function_lines(code) == {"house/wall.py:3 f": 5, "house/wall.py:4 f.g": 2}
    assert file_lines(code) == {"house/__init__.py": 0, "house/wall.py": 10}
    assert folder_files(code) == {"house/": 1}


def test_a_file_that_is_no_python_is_named(write: Write) -> None:
    with pytest.raises(UnreadableModuleError, match=r"house/wall\.py:1.*mend it"):
        write({"house/wall.py": "def f(:"})


HOUSE = Rooms(("house", "street"), (), {})
GOOD = {"house/wall.py": '"""A wall."""\n', "street/walk.py": '"""A walk."""\nimport house.wall\n'}
BAD: dict[str, dict[str, str]] = {
    "file_max": {"house/a.py": '"""A."""\n' + "\n" * 350},
    "function_max": {"tests/a.py": "def f():\n" + statements(60, "    ")},
    "cycles": {
        "house/wall.py": '"""A."""\nimport house.b',
        "house/b.py": '"""B."""\ndef _f() -> None:\n    import house.wall',
    },
    "repeats": {"tests/a.py": statements(RUN), "tests/b.py": statements(RUN)},
    "annotated": {"house/a.py": '"""A."""\ndef _f(x) -> None: ...'},
    "documented": {"house/a.py": "x = 1"},
    "flat_max": {f"tests/test_{at}.py": "" for at in range(17)},
    "up_arrows": {"house/a.py": '"""A."""\nimport street.road', "street/road.py": '"""A road."""'},
}


def missed(figures: list[Figure]) -> list[str]:
    return [one.name for one in figures if not one.is_met]


@pytest.mark.parametrize("figure", KEYS)
def test_each_bar_is_missed_by_what_it_is_there_for_and_by_nothing_else(write: Write, figure: str) -> None:
    assert missed(measure(write(GOOD), HOUSE)) == []
    figures = measure(write(BAD[figure]), HOUSE)
    assert missed(figures) == [figure]
    assert f"{figure:<14}" in table(figures, worst=1)
    assert next(one for one in figures if one.name == figure).worst


def test_the_worst_are_named_up_to_as_many_as_are_asked_for(write: Write) -> None:
    untyped = {"house/a.py": "def f(x, y): ...\ndef g(z) -> None: ...", "house/b.py": "def h(): ..."}
    figures = {one.name: one for one in measure(write(untyped), HOUSE)}
    assert figures["annotated"].value == pytest.approx(1 / 6)
    worst = ["house/a.py: 4 of 5 lack it (f(x), f(y), f(return) ...)", "house/b.py: 1 of 1 lack it (h(return))"]
    assert figures["annotated"].worst == worst
    lines = table([figures["annotated"]], worst=1).splitlines()
    assert lines[1:] == ["annotated         0.1667  >= 1.0    missed", f"    {worst[0]}", "    and 1 more"]


def test_the_script_says_by_its_exit_code_whether_a_bar_is_missed(tmp_path: Path) -> None:
    for folder in ("code_plan", "this_machine"):
        shutil.copytree(BENCHMARKS / folder, tmp_path / "benchmarks" / folder)
    shutil.copy(BENCHMARKS / "structure.py", tmp_path / "benchmarks")
    write_code(tmp_path, GOOD)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rooms.toml").write_text('order = ["house", "street"]\neverywhere = []\n[folders]\n')

    def run() -> tuple[int, dict[str, object]]:
        command = [sys.executable, "benchmarks/structure.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    code, figures = run()
    assert (code, list(figures)) == (0, [*KEYS, "machine"])
    write_code(tmp_path, BAD["cycles"])
    code, figures = run()
    assert (code, figures["cycles"]) == (1, 1)
