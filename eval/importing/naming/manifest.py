"""A manifest: a CSV that says of each picture which LoRAs at which weights, which prompt and which seed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePosixPath

from eval.importing.containers.picture_sources import SourcePicture
from eval.importing.metadata.told import (
    Told,
    ToldLora,
    UnclearPictureError,
    lora_name,
    plain_words,
    seed_of,
    weight_of,
)
from foundation.errors import ConfigurationError, UserError
from foundation.text_files import MOST_OF_TABLES, read_text
from loras.weights import Weights

# A column's names, by what it holds.
COLUMNS = {
    "file": "file", "picture": "file", "image": "file", "filename": "file", "path": "file", "checkpoint": "checkpoint",
    "lora": "checkpoint", "model": "checkpoint", "weight": "weight", "strength": "weight", "unet": "unet", "te": "te",
    "text_encoder": "te", "clip": "te", "also": "also", "prompt": "prompt", "text": "prompt", "seed": "seed",
    "negative": "negative", "negative_prompt": "negative", "hash": "hash", "sha256": "hash",
}  # fmt: skip
NEEDED = ("file", "checkpoint", "prompt", "seed")
MOST_ROWS = 1_000_000
BETWEEN = ";"


@dataclass
class Manifest:
    """The rows by the file's name; `used`: those that a picture was found for."""

    path: Path
    rows: Mapping[str, list[dict[str, str]]]
    used: set[str] = field(default_factory=set[str])

    def told(self, picture: SourcePicture) -> Told | None:
        """What the manifest says of a picture; None where it is not in it. Raises UnclearPictureError."""
        named = self.rows.get(picture.name, [])
        place = (*picture.folder, picture.name)
        meant = [row for row in named if place[-len(parts := PurePosixPath(row["file"]).parts) :] == parts]
        if not meant:
            return None
        if len(meant) > 1:
            raise UnclearPictureError(f"{self.path.name} has {len(meant)} rows for it")
        self.used.add(meant[0]["file"])
        return _told_by(meant[0])

    @property
    def unused(self) -> list[str]:
        """The files of rows for which there was no picture."""
        return sorted({row["file"] for rows in self.rows.values() for row in rows} - self.used)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; commas, semicolons or tabs. Raises ConfigurationError."""
    text = read_text(path, MOST_OF_TABLES)
    first = text.partition("\n")[0]
    between = max(",;\t", key=first.count)
    rows = csv.DictReader(StringIO(text), delimiter=between, strict=True)
    try:
        columns = {name: COLUMNS.get(name.strip().lower().replace(" ", "_")) for name in rows.fieldnames or ()}
        missing = [name for name in NEEDED if name not in columns.values()]
        if missing:
            raise ConfigurationError(f"{path}: has no column {', '.join(missing)}; it needs {', '.join(NEEDED)}")
        found: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            said = {kind: (row[name] or "").strip() for name, kind in columns.items() if kind}
            said["file"] = said["file"].replace("\\", "/").removeprefix("./")
            found.setdefault(PurePosixPath(said["file"]).name, []).append(said)
    except csv.Error as error:
        raise ConfigurationError(f"{path}: is no CSV that can be read ({error}); mend that line") from error
    return Manifest(path, found)


def _told_by(row: Mapping[str, str]) -> Told:
    loras = [*_first(row), *_also(row.get("also", ""))]
    if not row["prompt"]:
        raise UnclearPictureError("the manifest tells no prompt of it")
    negative = plain_words(row.get("negative", ""))
    return Told(plain_words(row["prompt"]), seed_of(row["seed"]), tuple(loras), "manifest", negative)


def _first(row: Mapping[str, str]) -> list[ToldLora]:
    if not row["checkpoint"]:
        return []
    name = lora_name(row["checkpoint"])
    both = row.get("weight") or None
    unet = weight_of(row.get("unet") or both, f"`{name}`")
    return [ToldLora(name, unet, weight_of(row.get("te") or both, f"`{name}`"), row.get("hash", "").lower())]


def _also(text: str) -> list[ToldLora]:
    """`first:unet=0.5,te=0.5; other:unet=0.2,te=0`: as `eval blend` takes files."""
    found: list[ToldLora] = []
    for part in filter(None, (one.strip() for one in text.split(BETWEEN))):
        name, _, weights = part.rpartition(":")
        try:
            read = Weights.parse(weights)
        except UserError as error:
            raise UnclearPictureError(f"the manifest's `also`: {error}") from error
        found.append(ToldLora(lora_name(name), read.unet, read.te1))
    return found
