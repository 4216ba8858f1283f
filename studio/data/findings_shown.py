"""What `trainer check` found, read from its answer: rules by severity, each with its pictures and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from base_models.pictures.listing import PICTURES, is_picture
from foundation.text_files import TextFileError, read_json
from foundation.typed.json_values import is_list, is_table
from studio.data.picture_tiles import Tile
from studio.languages.retelling import told
from studio.languages.translation import tr
from studio.shared.allowed_folders import AllowedFolders
from trainer.checking.findings import Severity
from trainer.checking.reporting.in_words import HEADINGS

LARGEST = 256 * 2**20  # bytes of an answer: that of a hundred thousand pictures
MOST_TILES = 60  # of a rule; the rest is counted


@dataclass(frozen=True)
class RuleShown:
    """A rule that found something: under which heading, what, how often, what to do, and the pictures."""

    heading: str
    title: str
    advice: str
    source: str
    count: int
    tiles: tuple[Tile, ...]
    of_the_set: tuple[str, ...]


@dataclass(frozen=True)
class CheckShown:
    """A check's answer: the verdict and why, by which settings, what was not looked at, rules in their order."""

    summary: str
    is_ready: bool
    facts: tuple[str, ...]
    unmeasured: tuple[str, ...]
    rules: tuple[RuleShown, ...]


def read_check(said: Path, folders: AllowedFolders) -> CheckShown | None:
    """A check's answer; None where it is none, as of a check that could not begin."""
    found = _document(said)
    if found is None or not is_list(found.get("findings")):
        return None
    listed = [one for one in _list(found["findings"]) if is_table(one)]
    grouped = groupby(listed, key=lambda one: (_text(one, "severity"), _text(one, "rule")))
    facts = found.get("facts")
    return CheckShown(
        summary=told(_text(found, "summary")),
        is_ready=found.get("verdict") == "ready",
        facts=tuple(
            tr("{title}: {prompt}", title=tr(name), prompt=told(str(value)))
            for name, value in (facts.items() if is_table(facts) else ())
            if value
        ),
        unmeasured=tuple(told(str(one)) for one in _list(found.get("unmeasured"))),
        rules=tuple(_rule([*own], folders) for _, own in grouped),
    )


def document_of(said: Path) -> dict[str, object] | None:
    """A command's answer that is one JSON document; None where it is none."""
    return _document(said)


def _document(said: Path) -> dict[str, object] | None:
    try:
        if said.stat().st_size > LARGEST:
            return None
        found = read_json(said)
    except (OSError, TextFileError):
        return None
    return dict(found) if is_table(found) else None


def _rule(own: Sequence[dict[str, object]], folders: AllowedFolders) -> RuleShown:
    first = own[0]
    severity = _text(first, "severity")
    heading = tr(HEADINGS[Severity(severity)]) if severity in {one.value for one in Severity} else severity
    with_picture = [one for one in own if one.get("path") is not None]
    tiles = [tile for one in with_picture[:MOST_TILES] for tile in _tiles(one, folders)]
    of_the_set = tuple(told(_text(one, "said")) for one in own if one.get("path") is None)
    return RuleShown(
        heading,
        told(_text(first, "title")),
        told(_text(first, "advice")),
        told(_text(first, "source")),
        len(own),
        tuple(tiles),
        of_the_set,
    )


def _tiles(one: dict[str, object], folders: AllowedFolders) -> Iterator[Tile]:
    """The finding's picture, and the one that it is like where it is about two."""
    path = Path(_text(one, "path"))
    yield Tile(_picture(path, folders), path.name, told(_text(one, "said")))
    others = [Path(str(other)) for other in _list(one.get("others"))]
    if len(others) == 1:
        yield Tile(_picture(others[0], folders), others[0].name, tr("the other one"))


def _picture(path: Path, folders: AllowedFolders) -> Path | None:
    """The picture, or the one beside a caption; none that lies outside."""
    found = path if is_picture(path) else next((one for one in map(path.with_suffix, PICTURES) if one.is_file()), None)
    return found if found is not None and folders.holds(found) else None


def _list(value: object) -> list[object]:
    return value if is_list(value) else []


def _text(values: dict[str, object], key: str) -> str:
    return str(values.get(key) or "")
