"""The architecture, read off the imports: arrows point as `docs/rooms.toml` says, there are no cycles, and rooms stay
what they are.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from setuptools import find_packages

from code_plan.imports import Arrow, arrows, import_cycles, top_names
from code_plan.modules import SCRIPTS, Code, Module, read_code
from code_plan.rooms import (
    Rooms,
    arrows_upwards,
    as_markdown,
    circles_of_rooms,
    lines_upwards,
    not_allowed,
    not_in_both,
    not_used,
    read_rooms,
    room_of,
)

ROOT = Path(__file__).resolve().parents[2]
ROOMS: Rooms = read_rooms(ROOT / "docs" / "rooms.toml")
# Which ComfyUI loads, and asks by name for its nodes.
NODE_PACK = "integrations.comfyui"
WITH_STREAMLIT = ("streamlit_app.py", "session.py", "notices.py", "*_page.py", "*_component.py")


@cache
def code() -> Code:
    return read_code(ROOT)


@cache
def found() -> list[Arrow]:
    return arrows(code())


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_folder_has_its_line_and_every_package_its_place() -> None:
    assert not_in_both(code(), ROOMS) == []


def test_folders_import_what_their_lines_allow() -> None:
    assert not_allowed(found(), ROOMS) == []


def test_lines_allow_what_is_imported_and_no_more() -> None:
    assert not_used(found(), ROOMS) == []


def test_the_table_has_no_circle() -> None:
    assert circles_of_rooms(ROOMS) == []


def test_no_arrow_points_up_the_order_of_rooms() -> None:
    assert lines_upwards(ROOMS) == []
    assert arrows_upwards(found(), ROOMS) == []


def test_no_import_cycles() -> None:
    """Over all imports: at the top, in functions and for types alone, in packages, tests and benchmarks."""
    assert import_cycles(code(), found()) == []


def test_the_doc_shows_the_table() -> None:
    """`python benchmarks/structure.py --markdown` prints what has to stand there."""
    assert as_markdown(ROOMS) in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_only_paths_of_the_miniature_are_imported() -> None:
    wrong = [
        arrow.words
        for arrow in found()
        if arrow.importer.is_packaged
        and room_of(arrow.target.name) == "miniature"
        and room_of(arrow.importer.name) != "miniature"
        and arrow.target.name != "miniature.paths"
    ]
    assert wrong == []


def test_the_recipe_stands_alone() -> None:
    rooms = {room for room in ROOMS.order if room != "miniature"}
    recipe = [module for module in code().packaged if module.name.startswith("miniature.")]
    assert any(module.name.startswith("miniature.recipe.") for module in recipe)
    assert {module.name: names for module in recipe if (names := top_names(module) & rooms)} == {}


def test_packages_import_no_test_and_no_benchmark() -> None:
    """They would be found while pytest or a benchmark runs, and nowhere else."""
    beside = {module.path.stem for module in code().modules.values() if module.package in SCRIPTS} | {*SCRIPTS}
    wrong = {module.name: names for module in code().packaged if (names := top_names(module) & beside)}
    assert wrong == {}


def test_init_files_are_empty() -> None:
    inits = [module for module in code().packaged if module.is_init]
    assert {module.name for module in inits} >= {*ROOMS.order}
    assert [module.name for module in inits if module.text] == [NODE_PACK]


def test_nothing_shadows_a_package() -> None:
    """Streamlit puts studio/ first on sys.path, pytest its `pythonpath`, Python the folder of a benchmark."""
    taken = {*ROOMS.order, "streamlit"}
    first = ["studio", *project()["tool"]["pytest"]["ini_options"]["pythonpath"]]
    found = [path for top in first if top != "." for path in (ROOT / top).iterdir() if path.stem in taken]
    assert found == []


def may_import_streamlit(module: Module) -> bool:
    named = any(fnmatch(module.path.name, pattern) for pattern in WITH_STREAMLIT)
    return room_of(module.name) == "studio" and (
        named or module.name in ("studio.shared.session", "studio.shared.notices")
    )


def test_only_pages_and_what_they_share_import_streamlit() -> None:
    """Neither the studio's logic nor any other package does."""
    with_it = [module for module in code().packaged if "streamlit" in top_names(module)]
    assert with_it
    assert [module.name for module in with_it if not may_import_streamlit(module)] == []


def test_every_package_is_shipped_and_type_checked() -> None:
    rooms = [module for module in code().packaged if room_of(module.name) != room_of(NODE_PACK)]
    shipped = {module.name for module in rooms if module.is_init and "recipe" not in module.name}
    assert {
        *find_packages(str(ROOT), include=project()["tool"]["setuptools"]["packages"]["find"]["include"])
    } == shipped
    assert {*project()["tool"]["basedpyright"]["include"]} == {*ROOMS.order}
