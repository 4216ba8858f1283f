"""What checkpoints are called: by their files' names, and by their folders' too where these do not tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# Files that are called alike in every folder; what they are is in the folder's name.
CALLED_ALIKE = frozenset(["pytorch_lora_weights", "adapter_model", "lora", "pytorch_model", "model"])


def speaking_name(path: Path) -> str:
    """The file's name without suffix; of a file that is called as others are, its folder's."""
    return _speaking_parts(path)[-1]


def names_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each path, no two alike: as short as that allows."""
    listed = list(dict.fromkeys(paths))
    names = {path: path.stem for path in listed}
    doubled = _doubled(names)
    names |= {path: speaking_name(path) for path in doubled}
    for depth in range(2, 2 + max((len(path.absolute().parts) for path in doubled), default=0)):
        if not (again := _doubled(names)):
            break
        names |= {path: "/".join(_speaking_parts(path)[-depth:]) for path in again}
    # `a/lora.safetensors` and `a.safetensors` are both called `a`, however many folders are named.
    return names | {path: str(path.absolute().with_suffix("")) for path in _doubled(names)}


def _doubled(names: dict[Path, str]) -> list[Path]:
    counted = Counter(names.values())
    return [path for path, name in names.items() if counted[name] > 1]


def _speaking_parts(path: Path) -> list[str]:
    """The folders, then the file's name; files that are called alike are their folder."""
    above = [part for part in path.absolute().parent.parts if part != path.anchor]
    parts = [*above, path.stem]
    while len(parts) > 1 and parts[-1] in CALLED_ALIKE:
        parts.pop()
    return parts
