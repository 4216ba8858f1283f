"""What is installed from a wheel: every file of the packages, and those that are no code by a pattern that says so."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

from code_plan.rooms import read_rooms

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
# Rebuilding the miniature is done in a checkout; a node pack is a folder that its host loads, and no package.
LEFT_OUT = (
    "miniature/README.md",
    "miniature/recipe/*.py",
    "miniature/recipe/*/*.py",
    "integrations/*.py",
    "integrations/comfyui/*",
)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout here, so nothing says which files are ours")
def test_every_file_of_the_packages_is_installed() -> None:
    rooms = read_rooms(ROOT / "docs" / "rooms.toml").order
    command = ["git", "ls-files", "-z", *rooms]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    packages = [Path(one.replace(".", "/")) for one in find_packages(str(ROOT), **SETUPTOOLS["packages"]["find"])]
    installed = {path.relative_to(ROOT) for package in packages for path in (ROOT / package).glob("*.py")}
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT / package.replace(".", "/")
        installed |= {path.relative_to(ROOT) for pattern in patterns for path in folder.glob(pattern)}
    missing = {Path(name) for name in listed.split("\0") if name} - installed
    assert {path for path in missing if not any(path.match(pattern) for pattern in LEFT_OUT)} == set()


def test_no_folder_of_code_is_called_as_one_that_git_leaves_out() -> None:
    """A folder `runs` is a user's, wherever it lies: code in it would never be committed, checked or shipped."""
    patterns = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    left_out = {pattern.rstrip("/") for pattern in patterns if pattern.endswith("/")} - {"__pycache__"}
    code = [*read_rooms(ROOT / "docs" / "rooms.toml").order, "tests", "benchmarks"]
    found = {folder for room in code for folder in (ROOT / room).rglob("*") if folder.name in left_out}
    assert {folder for folder in found if any(folder.rglob("*.py"))} == set()
