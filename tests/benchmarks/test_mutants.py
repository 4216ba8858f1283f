"""The mutation run: a fault that a test holds is killed, one that none holds survives, and the tree stays as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.changes import mutants_of
from mutants.targets import read_equivalent, read_targets

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "benchmarks" / "mutants"
MODULE = '''"""Two sums."""

__all__ = ["held", "loose"]


def held(one: int, other: int) -> int:
    return one + other


def loose(one: int, other: int = 0) -> int:
    """Of `one` < 3 nothing is said."""
    if one < 0:
        raise ValueError(f"{one - 1} is below {0}")
    return one + other
'''
TEST = """from sums import held, loose


def test_sums() -> None:
    assert held(2, 3) == 5
    assert loose(2) == 2
"""
TARGETS = '[modules]\n"sums.py" = ["test_sums.py"]\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"sums.py": MODULE, "test_sums.py": TEST, "targets.toml": TARGETS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def _run(tree: Path, *asked: str) -> subprocess.CompletedProcess[str]:
    where = [
        "--tree",
        str(tree),
        "--targets",
        str(tree / "targets.toml"),
        "--equivalent",
        str(tree / "equivalent.toml"),
    ]
    command = [sys.executable, str(MUTANTS), *where, "--per-module", "0", *asked]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_what_is_held_is_killed_and_what_is_not_survives(tree: Path) -> None:
    done = _run(tree, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert "sums.py:14: return one + other\n    one + other -> one - other" in "\n".join(table)
    assert not [line for line in table if line.startswith("sums.py:7:")], "held() is held by its test"
    assert figures["survived"] == figures["by_module"]["sums.py"]["survived"] > 0
    assert figures["mutants"] > figures["survived"]
    assert figures["share"] == round(figures["survived"] / figures["mutants"], 4)
    assert {path.name: path.read_text() for path in tree.iterdir()} == {
        "sums.py": MODULE,
        "test_sums.py": TEST,
        "targets.toml": TARGETS,
    }


def test_a_fault_that_never_ends_is_noticed(tree: Path) -> None:
    (tree / "sums.py").write_text(
        "def held(one: int, other: int) -> int:\n    while one < 3:\n        one += 1\n    return 5\n"
    )
    (tree / "test_sums.py").write_text(TEST.replace(", loose", "").replace("    assert loose(2) == 2\n", ""))
    figures = json.loads(_run(tree).stdout.splitlines()[-1])["by_module"]["sums.py"]
    assert figures["timed_out"] >= 1
    assert figures["killed"] + figures["survived"] == figures["mutants"]


def test_what_is_listed_as_equivalent_is_not_tried_and_what_is_outdated_is_named(tree: Path) -> None:
    row = '[[equivalent]]\nmodule = "sums.py"\nline = "return one + other"\nchange = "{}"\nreason = "a test"\n'
    (tree / "equivalent.toml").write_text(row.format("one + other -> one - other") + row.format("one -> two"))
    done = _run(tree)
    assert "one + other -> one - other" not in done.stdout
    assert "sums.py: return one + other: one -> two" in done.stderr


def test_no_fault_is_made_where_the_tests_fail_without_one(tree: Path) -> None:
    (tree / "test_sums.py").write_text(TEST.replace("== 5", "== 6"))
    done = _run(tree)
    assert done.returncode == 2
    assert "its tests fail without a fault" in done.stderr
    assert not done.stdout
    assert _run(tree, "--only", "nowhere").returncode == 2


def test_the_same_seed_draws_the_same_faults(tree: Path) -> None:
    first, again = (_run(tree, "--per-module", "4", "--seed", "3").stdout for _ in range(2))
    assert json.loads(first.splitlines()[-1])["mutants"] == 4
    assert first == again


def test_texts_annotations_and_errors_are_left_alone() -> None:
    found = mutants_of("sums.py", MODULE)
    assert {one.line for one in found} == {7, 10, 12, 14}
    assert {one.what for one in found if one.line == 12} == {
        "one < 0 -> True",
        "one < 0 -> False",
        "one < 0 -> not one < 0",
        "one < 0 -> one <= 0",
        "one < 0 -> one >= 0",
        "one < 0 -> one < 1",
        "one < 0 -> one < -1",
    }
    assert len({one.source() for one in found}) == len(found), "each is a fault of its own"


def test_the_tables_name_what_is_there() -> None:
    targets = read_targets(MUTANTS / "targets.toml", [])
    assert not [one.module for one in targets if not (ROOT / one.module).is_file()]
    assert not [test for one in targets for test in one.tests if not (ROOT / test.split("::")[0]).is_file()]
    equivalent = read_equivalent(MUTANTS / "equivalent.toml")
    assert {module for module, _, _ in equivalent} <= {one.module for one in targets}
    assert all(equivalent.values()), "each has its reason"
