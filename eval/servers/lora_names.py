"""LoRA files as a server knows them: by its own list, and never another file of the same name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PureWindowsPath

from base_models.kohya_names import part_of
from eval.request.cells import Cell, Checkpoint
from eval.servers.faults import ServerRefusedError
from foundation.safetensors_header import read_header, read_metadata
from foundation.typed.json_values import is_table
from loras.key_spellings import spelling_of
from loras.weights import TEXT_PARTS, Weights

MOST_NAMED = 3


def name_on_server(path: Path, listed: Iterable[str]) -> str | None:
    """The listed name of a file: one of its file name; of several, the one whose folders are most like the file's.

    None where there is none. Raises ServerRefusedError where two are as near.
    """
    found = [(_folders_shared(path, one), one) for one in listed if PureWindowsPath(one).name == path.name]
    if not found:
        return None
    nearest = max(shared for shared, _ in found)
    names = [one for shared, one in found if shared == nearest]
    if len(names) > 1:
        raise ServerRefusedError(
            f"{path}: the server has several of that name: {', '.join(sorted(names)[:MOST_NAMED])}; keep one of them"
        )
    return names[0]


def _folders_shared(path: Path, name: str) -> int:
    """How many folders stand above both, counted from the file up."""
    shared = 0
    for own, theirs in zip(path.parts[-2::-1], PureWindowsPath(name).parts[-2::-1], strict=False):
        if own != theirs:
            break
        shared += 1
    return shared


def names_of(
    checkpoints: Iterable[Checkpoint], listed: Sequence[str], url: str, where: str, kept: Callable[[str], object]
) -> dict[str, str]:
    """The server's name of each file, by the hash of its content. `kept`: the metadata that a file has there, or None.

    Raises ServerRefusedError for files that it lacks, all at once, and for one that is another there.
    """
    found: dict[str, str] = {}
    lacking: list[Path] = []
    for one in checkpoints:
        name = name_on_server(one.path, listed)
        if name is None:
            lacking.append(one.path)
            continue
        check_same(one.path, name, kept(name), url)
        found[one.sha256] = name
    if lacking:
        more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
        raise ServerRefusedError(
            f"{url} has no {', '.join(path.name for path in lacking[:MOST_NAMED])}{more}: copy or link {lacking[0]} "
            f"to {where}"
        )
    return found


def check_same(path: Path, name: str, kept: object, url: str) -> None:
    """Raise ServerRefusedError where a file's metadata is another there; where it is not told, nothing is known."""
    own, theirs = read_metadata(path), kept if is_table(kept) else {}
    # A1111 tells some values parsed, and leaves a few out.
    if differing := [key for key in own if isinstance(theirs.get(key), str) and theirs[key] != own[key]]:
        raise ServerRefusedError(
            f"{url}: its {name} is another file than {path} ({differing[0]} differs); copy it there under a name "
            "of its own"
        )


def check_strengths(cells: Iterable[Cell], tool: str, *, words: bool) -> None:
    """Raise ServerRefusedError for weights that a loader there cannot put on. `words`: it acts on text encoders."""
    for cell in cells:
        for use in cell.acting:
            one_for_all = {use.weights.on(part) for part in TEXT_PARTS} == {use.weights.te1}
            if not one_for_all or use.weights.adapter is not None:
                raise ServerRefusedError(
                    f"{use}: {tool} has one strength for all text encoders, and one for the model; write te and unet"
                )
            if not words and use.weights.te1 and _reads_words(use.checkpoint.path):
                raise ServerRefusedError(
                    f"{use}: the workflow's loader acts on the model alone, and the file on text encoders, too; write "
                    "te = [0.0], or put a LoraLoader that takes CLIP into the workflow"
                )


def _reads_words(path: Path) -> bool:
    header = read_header(path)
    return any(part_of(one) in TEXT_PARTS for one in spelling_of(header.shapes, path, header.metadata).modules)


def strengths(weights: Weights) -> tuple[float, float]:
    """On the model, and on the text encoders."""
    return weights.unet, weights.te1
