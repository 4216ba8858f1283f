"""The architecture, read off the imports: arrows point one way, there are no cycles, and rooms stay what they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {"trainer": {"miniature"}, "eval": {"trainer", "miniature"}, "studio": {"eval", "trainer", "miniature"}}
ROOMS = [*MAY_IMPORT, "miniature"]
HEAVY = {"torch", "diffusers", "transformers", "peft", "insightface", "open_clip", "onnxruntime", "bitsandbytes"}


def modules() -> dict[str, Path]:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports_of(path: Path, top_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_imports_point_one_way() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules().items()
        for target in imports_of(path)
        if (room := name.split(".")[0]) in MAY_IMPORT
        and (other := target.split(".")[0]) in ROOMS
        and other not in (room, *MAY_IMPORT[room])
    ]
    assert not wrong


def test_only_paths_of_the_miniature_are_imported() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules().items()
        for target in imports_of(path)
        if not name.startswith("miniature")
        and target.startswith("miniature.")
        and not target.startswith("miniature.paths")
    ]
    assert not wrong


def test_the_recipe_stands_alone() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules().items()
        for target in imports_of(path)
        if name.startswith("miniature") and target.split(".")[0] in MAY_IMPORT
    ]
    assert not wrong


def test_no_import_cycles() -> None:
    known = modules()
    graph = {name: sorted(imports_of(path, top_only=True) & known.keys()) for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"cycle: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("room", ROOMS)
def test_init_files_are_empty(room: str) -> None:
    assert [path for path in (ROOT / room).rglob("__init__.py") if path.read_text()] == []


@pytest.mark.parametrize("room", ["trainer", "eval"])
def test_commands_import_nothing_heavy_at_the_top(room: str) -> None:
    top = {target.split(".")[0] for target in imports_of(ROOT / room / "__main__.py", top_only=True)}
    assert not top & HEAVY


def test_the_studio_shadows_no_package() -> None:
    """Streamlit puts studio/ first on sys.path."""
    taken = {"eval", "trainer", "miniature", "studio", "streamlit"}
    assert not {path.stem for path in (ROOT / "studio").iterdir()} & taken


def test_logic_of_the_studio_imports_no_streamlit_into_eval_or_trainer() -> None:
    assert [
        name for name, path in modules().items() if not name.startswith("studio") and "streamlit" in imports_of(path)
    ] == []
