"""The LoRAs that pictures name as checkpoints, and their weights as cells: in the order of training, as in a grid."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.importing.lora_files import SUFFIX, LoraFolders
from eval.importing.metadata.told import Told, ToldLora
from eval.request.cells import Cell, Checkpoint, Use
from eval.request.checkpoints import find_checkpoints
from eval.request.epochs.checkpoint_names import names_apart
from eval.request.epochs.saved_when import run_called, when_by_name, with_units
from eval.request.epochs.training_order import in_training_order
from loras.weights import Weights

# The LoRAs of a picture that move anything, by who they are: what a row is known by. Empty is the base model.
Key = frozenset[tuple[str, float, float]]


@dataclass(frozen=True)
class KnownLoras:
    """Every LoRA that pictures name, by its key; `found`: those of which the file is there."""

    checkpoints: Mapping[str, Checkpoint]
    found: frozenset[str]
    keys: Mapping[tuple[str, str], str]

    def key_of(self, lora: ToldLora) -> str:
        """Who a LoRA is: its file where it is there, else the name and the hash that are told."""
        return self.keys[(lora.name, lora.hash)]

    def cell_key(self, told: Told) -> Key:
        """Which row a picture is of."""
        return frozenset((self.key_of(lora), lora.unet, lora.te) for lora in told.loras if lora.acts)


def know_loras(loras: Iterable[ToldLora], folders: LoraFolders) -> KnownLoras:
    """Find the files, and make checkpoints of them; of what is not there, of the name and the hash that are told."""
    told = {(lora.name, lora.hash): lora for lora in loras}
    paths = {key: folders.find(lora) for key, lora in told.items()}
    files = sorted({path for path in paths.values() if path is not None})
    read = find_checkpoints([str(path) for path in files]) if files else None
    by_path = {one.path: one for one in read.checkpoints} if read else {}
    for path, fault in (read.damaged if read else {}).items():
        folders.doubts[path.stem] = f"{path}: {fault}"
    keys = {key: str(path) if (path := paths[key]) in by_path else _told_key(told[key]) for key in told}
    missing = {keys[key]: told[key] for key in told if paths[key] not in by_path}
    checkpoints = {str(path): one for path, one in by_path.items()} | _of_names(missing)
    names = names_apart(one.path for one in checkpoints.values())
    named = {key: replace(one, name=names[one.path]) for key, one in checkpoints.items()}
    return KnownLoras(named, frozenset(map(str, by_path)), keys)


def _told_key(lora: ToldLora) -> str:
    return f"told {lora.name} {lora.hash}"


def _of_names(missing: Mapping[str, ToldLora]) -> dict[str, Checkpoint]:
    """Files that are not here, by what is told of them: enough to be ranked, not to be exported."""
    paths = {key: Path(f"{lora.name}{SUFFIX}") for key, lora in missing.items()}
    whens = with_units({path: when_by_name(path) for path in paths.values()})
    return {
        key: Checkpoint(path, path.stem, _told_hash(key), whens[path].epoch, step=whens[path].step)
        for key, path in paths.items()
    }


def _told_hash(key: str) -> str:
    """A hash of what is told: that of the file itself is not known whole."""
    return hashlib.sha256(key.encode()).hexdigest()


def cells_of(keys: Mapping[Key, Told], loras: KnownLoras, dtype: str) -> dict[Key, Cell]:
    """A cell for each row, in the order of a grid. `keys`: each with a picture of it, whose LoRAs say the order."""
    runs: dict[str, set[str]] = {}
    for key in keys:
        for who, _, _ in key:
            runs.setdefault(_run(loras.checkpoints[who]), set()).add(who)
    cells = {key: _cell(told, loras, runs, dtype) for key, told in keys.items()}
    ordered = in_training_order(dict.fromkeys(cell.use.checkpoint for cell in cells.values()), lambda one: one.trained)
    place = {one: at for at, one in enumerate(ordered)}

    def order(key: Key) -> tuple[list[str], int, float, float]:
        cell = cells[key]
        others = [str(use) for use in cell.also]
        return others, place[cell.use.checkpoint], cell.use.weights.te1, cell.use.weights.unet

    return {key: cells[key] for key in sorted(cells, key=order)}


def _cell(told: Told, loras: KnownLoras, runs: Mapping[str, set[str]], dtype: str) -> Cell:
    """The LoRA that is judged is the one of the run that most files are of; all others are blended in.

    Where nothing acts it is the base model as it was shown the trigger.
    """
    acting = [lora for lora in told.loras if lora.acts] or list(told.loras[:1])
    uses = [Use(loras.checkpoints[loras.key_of(one)], Weights.of(one.unet, one.te)) for one in acting]
    first, *also = sorted(uses, key=lambda use: -len(runs.get(_run(use.checkpoint), ())))
    return Cell(first, tuple(also), dtype)


def _run(checkpoint: Checkpoint) -> str:
    return run_called(checkpoint.name)


def all_loras(told: Sequence[Told]) -> list[ToldLora]:
    """Every LoRA of all pictures, as often as it is named."""
    return [lora for one in told for lora in one.loras]
