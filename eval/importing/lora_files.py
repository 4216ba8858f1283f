"""The LoRA files that pictures name: found in folders by hash, or by name where none is told.

The hashes that tools tell: of the file (A1111's AutoV2, Civitai), of the file behind its header (A1111's `Lora hashes`
and SwarmUI, from Additional Networks' `addnet_hash_safetensors`), what the header says itself (`sshs_model_hash`,
`sshs_legacy_hash`), and the old one of Additional Networks (64 KiB from 1 MiB on). All are told by their beginning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from eval.importing.metadata.told import ToldLora
from foundation.errors import LoraFileError, MissingFileError
from foundation.files import sha256_of
from foundation.progress import counted
from foundation.safetensors_header import read_metadata

SUFFIX = ".safetensors"
SHORTEST_HASH = 8
STATED = ("sshs_model_hash", "sshs_legacy_hash")
LEGACY_START, LEGACY_SIZE = 0x100000, 0x10000
_EPOCH = re.compile(r"(?P<run>.+)-(?P<epoch>\d{6})")
_ONE_TRAINERS = "save-"


@dataclass
class LoraFolders:
    """LoRA files by name. `doubts`: what stands in the way of taking a file for a LoRA that pictures name."""

    files: dict[str, list[Path]] = field(default_factory=dict[str, list[Path]])
    doubts: dict[str, str] = field(default_factory=dict[str, str])
    _found: dict[tuple[str, str], Path | None] = field(default_factory=dict[tuple[str, str], "Path | None"])

    def find(self, lora: ToldLora) -> Path | None:
        """The file that a picture means, or None; why not is then among the `doubts`."""
        key = (lora.name, lora.hash)
        if key not in self._found:
            self._found[key] = self._look(lora)
        return self._found[key]

    def _look(self, lora: ToldLora) -> Path | None:
        named = self._named(lora)
        if len(lora.hash) < SHORTEST_HASH:
            return self._only(lora, named)
        if sound := [path for path in named if has_hash(path, lora.hash)]:
            return sound[0]
        others = [path for paths in self.files.values() for path in paths if path not in named]
        looked = counted(others, f"looking for the LoRA {lora.stem} by its hash", len(others))
        if found := next((path for path in looked if has_hash(path, lora.hash)), None):
            return found
        if named:
            self.doubts[lora.name] = f"{named[0]} is called so, and is another file: pictures tell the hash {lora.hash}"
        return None

    def _only(self, lora: ToldLora, named: Sequence[Path]) -> Path | None:
        if len(named) > 1 and len({sha256_of(path) for path in named}) > 1:
            self.doubts[lora.name] = f"several files are called so: {', '.join(map(str, named))}"
            return None
        return named[0] if named else None

    def _named(self, lora: ToldLora) -> list[Path]:
        """Of that name, in the folders that the name tells; else a run's last file, or one that is called so within."""
        found = self.files.get(lora.stem, [])
        parts = PurePosixPath(lora.name).parts
        within = [path for path in found if path.with_suffix("").parts[-len(parts) :] == parts]
        return within or found or self._last_of_run(lora.stem) or self._called_so_within(lora.stem)

    def _last_of_run(self, stem: str) -> list[Path]:
        """kohya gives its last file no number, and samples of it have one."""
        if stem.startswith(_ONE_TRAINERS):
            return [path for name, paths in self.files.items() if name.endswith(f"-{stem}") for path in paths]
        if (told := _EPOCH.fullmatch(stem)) is None:
            return []
        return [path for path in self.files.get(told["run"], []) if _says(path, "ss_epoch") == str(int(told["epoch"]))]

    def _called_so_within(self, stem: str) -> list[Path]:
        """A1111 may name a file by its header's `ss_output_name`."""
        return [path for paths in self.files.values() for path in paths if _says(path, "ss_output_name") == stem]


def lora_folders(folders: Iterable[Path]) -> LoraFolders:
    """The LoRA files below `folders`. Raises MissingFileError for one that is not there."""
    found = LoraFolders()
    for folder in folders:
        if not folder.exists():
            raise MissingFileError(f"{folder}: no such folder; --loras names folders of LoRA files")
        for path in sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else [folder]:
            if path.is_file() and path not in found.files.setdefault(path.stem, []):
                found.files[path.stem].append(path)
    return found


def has_hash(path: Path, told: str) -> bool:
    """Whether a file has the hash of which `told` is the beginning."""
    stated = [_says(path, key) for key in STATED]
    if any(one.startswith(told) for one in stated if len(one) >= SHORTEST_HASH):
        return True
    return any(one.startswith(told) for one in _hashes_of(path))


@lru_cache(maxsize=4096)
def _hashes_of(path: Path) -> tuple[str, str, str]:
    """Of the whole file, of what lies behind the header, and Additional Networks' old one."""
    with path.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(LEGACY_START)
        legacy = hashlib.sha256(stream.read(LEGACY_SIZE)).hexdigest()[:SHORTEST_HASH]
        stream.seek(start)
        behind = hashlib.file_digest(stream, "sha256").hexdigest()
    return sha256_of(path), behind, legacy


@lru_cache(maxsize=65536)
def _says(path: Path, key: str) -> str:
    try:
        return read_metadata(path).get(key, "")
    except (LoraFileError, MissingFileError):
        return ""
