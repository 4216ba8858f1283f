"""pyproject.toml declares what is imported, in the core or in the extra of the room that imports it, and no more."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from code_plan.rooms import read_rooms
from foundation.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Whose imports an extra may serve; all other folders make do with the core.
EXTRA_OF = {
    "trainer": "train",
    "trainer.learning": "lycoris",
    "studio": "studio",
    "eval.search": "search",
    "eval.executors": "ray",
    "eval.store": "s3",
    "eval.store.databases": "postgres",
    "eval.voting": "studio",
    "miniature.recipe": "recipe",
    "eval.servers": "servers",
}
# What nothing of ours imports by its name, with who does.
INDIRECT = {
    "torchsde": "diffusers' stochastic samplers (`dpmpp_sde` and its kin)",
    "s3fs": "fsspec, for s3://",
    "dicebear-styles": "dicebear-core, for the faces that it draws",
    "onnxscript": "torch.onnx.export",
    "tensorboard": "torch.utils.tensorboard",
    "bitsandbytes": "trainer.learning.optimizers, by a name in a text",
    "lion-pytorch": "trainer.learning.optimizers, by a name in a text",
    "dadaptation": "trainer.learning.optimizers, by a name in a text",
    "prodigyopt": "trainer.learning.optimizers, by a name in a text",
}
TOOLS = {"basedpyright", "pytest-xdist", "ruff", "k-diffusion"}  # that are run, or imported by a name in a text


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str = "") -> set[str]:
    listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {plain(match[0]) for one in listed if (match := re.match(r"(?!lora-studio\[)[\w.-]+", one))}


@cache
def distributions_here() -> dict[str, frozenset[str]]:
    """The distributions that each module comes with. Read once: every installed file's name is gone through."""
    found = {**packages_distributions(), "pydantic_core": ["pydantic"]}
    return {module: frozenset(map(plain, names)) for module, names in found.items()}


def distributions_of(module: str) -> frozenset[str]:
    """The distributions that a module comes with."""
    return distributions_here().get(module, frozenset())


def imported(path: Path) -> Iterator[str]:
    """The top packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


ROOMS = read_rooms(ROOT / "docs" / "rooms.toml").order


def foreign(*folders: str) -> dict[Path, set[str]]:
    ours = {*ROOMS, *sys.stdlib_module_names, *(one.stem for one in (ROOT / "tests" / "fixtures").rglob("*"))}
    ours |= {one.stem for one in (ROOT / "benchmarks").rglob("*")}
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT): {*imported(path)} - ours for path in files}


def allowed(path: Path) -> set[str]:
    """What a file's folder may import: the core, and what the extras of the folders above it bring."""
    above = [".".join(path.parts[:depth]) for depth in range(1, len(path.parts))]
    return declared().union(*(declared(EXTRA_OF[one]) for one in above if one in EXTRA_OF))


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_imports_is_declared_for_it(room: str) -> None:
    missing = {
        str(path): module
        for path, modules in foreign(room).items()
        for module in modules
        if not distributions_of(module) & allowed(path)
    }
    assert missing == {}


def test_what_is_declared_is_used() -> None:
    used = {one for modules in foreign(*ROOMS).values() for module in modules for one in distributions_of(module)}
    extras = {extra for extra in PROJECT["optional-dependencies"] if extra not in ("all", "dev")}
    unused = declared().union(*map(declared, extras)) - used
    assert unused == {*INDIRECT}


def test_what_tests_and_benchmarks_import_comes_with_dev() -> None:
    everything = {plain(one) for extra in PROJECT["optional-dependencies"] for one in declared(extra)} | declared()
    loose = {
        str(path): module
        for path, modules in foreign("tests", "benchmarks").items()
        for module in modules
        if not distributions_of(module) & everything
    }
    assert loose == {}
    used = {one for modules in foreign("tests", "benchmarks").values() for m in modules for one in distributions_of(m)}
    assert declared("dev") - used == TOOLS


def test_all_has_every_extra_and_dev_has_all() -> None:
    extras = PROJECT["optional-dependencies"]
    (every,) = extras["all"]
    assert set(every.removeprefix("lora-studio[").removesuffix("]").split(",")) == {*extras} - {"all", "dev"}
    assert "lora-studio[all]" in extras["dev"]


def test_a_missing_package_names_the_extra_that_brings_it() -> None:
    assert all(({plain(package)} | distributions_of(package)) & declared(extra) for package, extra in EXTRAS.items())
    assert {*EXTRAS.values()} == {*EXTRA_OF.values()} - {"studio", "recipe"}
