"""The table of rooms tells every fault that it is there for, and can be written anew from what is imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from code_plan.imports import arrows
from code_plan.modules import Code
from code_plan.rooms import (
    Folder,
    Rooms,
    RoomsError,
    arrows_upwards,
    as_imported,
    as_markdown,
    as_toml,
    circles_of_rooms,
    lines_upwards,
    not_allowed,
    not_in_both,
    not_used,
    read_rooms,
)
from code_trees import write_code

FILES = {
    "ground/names.py": "",
    "house/wall.py": "import ground.names",
    "house/deep/cellar.py": "from house import wall",
    "street/__main__.py": "def f():\n    from street import walk",
    "street/walk.py": "import house.deep.cellar",
}
ROOMS = Rooms(
    ("ground", "house", "street"),
    ("ground",),
    {
        "ground": Folder("names", ()),
        "house": Folder("walls", ()),
        "house.deep": Folder("what is below", ("house",)),
        "street": Folder('"ways" \\ roads', ("house.deep",)),
        "street.__main__": Folder("commands", ("street",)),
    },
)


@pytest.fixture
def code(tmp_path: Path) -> Code:
    return write_code(tmp_path, FILES)


def with_line(name: str, *imports: str) -> Rooms:
    return replace(ROOMS, folders={**ROOMS.folders, name: Folder("words", imports)})


def faults(code: Code, rooms: Rooms) -> list[object]:
    found = arrows(code)
    return [
        *not_in_both(code, rooms),
        *not_allowed(found, rooms),
        *not_used(found, rooms),
        *circles_of_rooms(rooms),
        *lines_upwards(rooms),
        *arrows_upwards(found, rooms),
    ]


def test_a_table_that_says_what_is_imported_has_no_fault(code: Code) -> None:
    assert faults(code, ROOMS) == []


def test_folders_and_lines_have_to_match(code: Code) -> None:
    folders = {name: line for name, line in ROOMS.folders.items() if name != "house.deep"}
    rooms = Rooms(("house", "street", "sky"), (), {**folders, "house.attic": Folder(" ", ())})
    assert not_in_both(code, rooms) == [
        "house.deep: give it a line",
        "house.attic: no such folder, drop its line",
        "ground: put it into the order",
        "sky: no such package, drop it from the order",
        "house.attic: say what it holds",
    ]


def test_an_import_that_no_line_allows_is_told_with_its_place(code: Code) -> None:
    found = not_allowed(arrows(code), with_line("street.__main__"))
    assert found == ["street/__main__.py:2 imports street.walk: street.__main__ may not import street"]
    without = replace(ROOMS, everywhere=())
    assert not_allowed(arrows(code), without) == ["house/wall.py:1 imports ground.names: house may not import ground"]


def test_what_is_allowed_has_to_be_used(code: Code) -> None:
    assert not_used(arrows(code), with_line("house.deep", "house", "ground")) == [
        "house.deep need not be allowed ground"
    ]
    assert not_used(arrows(code), with_line("street", "house.deep", "house")) == ["street need not be allowed house"]


def test_the_table_has_no_circle_also_not_by_what_everyone_may_import() -> None:
    assert circles_of_rooms(with_line("house", "house.deep")) == [["house", "house.deep", "house"]]
    assert circles_of_rooms(with_line("ground", "house")) == [["ground", "house", "ground"]]


def test_no_line_and_no_import_points_upwards(tmp_path: Path) -> None:
    assert lines_upwards(with_line("house", "street")) == ["house is allowed street, which stands above it"]
    code = write_code(tmp_path, {**FILES, "house/roof.py": "import street\ndef f():\n    from street import walk"})
    assert arrows_upwards(arrows(code), ROOMS) == [
        "house/roof.py:1 imports street",
        "house/roof.py:3 imports street.walk",
    ]


def test_a_package_without_a_place_in_the_order_is_told() -> None:
    with pytest.raises(RoomsError, match=r'house has no place in the order.*put it into "order"'):
        lines_upwards(replace(ROOMS, order=("ground", "street")))


def test_the_table_is_written_anew_with_the_words_that_were_there(code: Code, tmp_path: Path) -> None:
    """What was allowed before is forgotten, what is imported is allowed, and a new folder waits for its words."""
    folders = {"house.deep": Folder("what is below", ("street",)), "gone": Folder("nothing", ())}
    written = as_imported(code, arrows(code), replace(ROOMS, folders=folders))
    bare = {name: Folder("", line.imports) for name, line in ROOMS.folders.items()}
    assert written == replace(ROOMS, folders={**bare, "house.deep": ROOMS.folders["house.deep"]})
    assert list(written.folders) == list(ROOMS.folders)


def test_a_new_package_is_placed_below_those_that_import_it(code: Code) -> None:
    written = as_imported(code, arrows(code), Rooms(("street", "gone"), ("ground",), {}))
    assert written.order == ROOMS.order


def test_packages_that_import_each_other_keep_the_order_that_was(tmp_path: Path) -> None:
    code = write_code(tmp_path, {**FILES, "house/roof.py": "import street.walk"})
    written = as_imported(code, arrows(code), Rooms(("street", "ground"), (), {}))
    assert written.order == ("street", "ground", "house")


def test_the_file_says_what_the_table_says(tmp_path: Path) -> None:
    path = tmp_path / "rooms.toml"
    path.write_text(as_toml(ROOMS), encoding="utf-8")
    assert read_rooms(path) == ROOMS


def test_the_doc_shows_the_order_and_a_row_for_every_folder() -> None:
    shown = as_markdown(ROOMS).splitlines()
    assert shown[0] == "Lowest first: `ground`, `house`, `street`. Everyone may import `ground`."
    assert shown[4:7] == [
        "| `ground` | names | nothing |",
        "| `house` | walls | nothing |",
        "| `house.deep` | what is below | `house` |",
    ]


@pytest.mark.parametrize(
    "text", ["order = [", "everywhere = []\n[folders]", "order = []\neverywhere = []\nfolders = [1]"]
)
def test_a_table_that_cannot_be_understood_is_told_with_what_it_needs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rooms.toml"
    with pytest.raises(RoomsError, match="put it back"):
        read_rooms(path)
    path.write_text(text)
    with pytest.raises(RoomsError, match=r"rooms\.toml: .*it needs"):
        read_rooms(path)
