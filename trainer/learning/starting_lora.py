"""A LoRA file that a run begins with (kohya's `network_weights`): any spelling is read, and its delta is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from base_models.kohya_names import part_of
from foundation.errors import ConfigurationError
from loras.lora_file import LoraModule, read_lora
from trainer.learning.adapters import Adapters, Factors, Strength

PARTS = {"unet": "the UNet", "te1": "the text encoder", "te2": "the second text encoder"}


class StartingLoraError(ConfigurationError):
    """A LoRA file that this run cannot begin with."""


@dataclass(frozen=True)
class StartingLora:
    """The plain factors of `path`, by kohya name."""

    path: Path
    modules: Mapping[str, LoraModule]

    @property
    def strengths(self) -> dict[str, Strength]:
        """Rank and alpha of each module."""
        return {name: Strength(one.rank, one.alpha) for name, one in self.modules.items()}

    def of(self, part: str) -> set[str]:
        """Names of its modules of a part: "unet", "te1" or "te2"."""
        return {name for name in self.modules if part_of(name) == part}


def read_starting_lora(path: Path) -> StartingLora:
    """Read the file whole.

    Raises what `read_lora` does, and StartingLoraError for modules that are no plain factors.
    """
    read = read_lora(path).modules
    plain = {name: one for name, one in read.items() if isinstance(one, LoraModule)}
    if others := [name for name in read if name not in plain]:
        raise StartingLoraError(
            f"{path}: `{others[0]}` is of the kind {read[others[0]].kind}, which is not trained here; begin with a "
            f"plain LoRA (`eval blend {path.name}:1 -o plain.safetensors` makes one of what adds up)"
        )
    return StartingLora(path, plain)


def require_known(lora: StartingLora, modules: Mapping[str, object], base: str) -> None:
    """Raise StartingLoraError where the file has modules that the base model has not."""
    if strange := sorted(lora.modules.keys() - modules.keys()):
        raise StartingLoraError(
            f"{lora.path}: has {len(strange)} modules that {base} has not, the first is `{strange[0]}`; it was trained "
            "on another family of base models"
        )


def start_from(lora: StartingLora, adapters: Adapters) -> list[str]:
    """Give the adapters the file's factors, so that they move the weights by what the file does; returns notes.

    The file's alpha / rank goes into the second factor where it is not the adapters' own. Raises StartingLoraError for
    shapes that do not fit, and where nothing of the file is trained.
    """
    plain = {name: one for name, one in adapters.items() if isinstance(one, Factors)}
    shared = sorted(plain.keys() & lora.modules.keys())
    if not shared:
        raise StartingLoraError(f"{lora.path}: has nothing of what this run trains; leave lora.network_weights out")
    for name in shared:
        _require_same_shape(lora.path, name, lora.modules[name], plain[name])
    for name in shared:
        _copy(lora.modules[name], plain[name])
    return [*_left_out(lora, adapters), *_without(lora, adapters)]


def _require_same_shape(path: Path, name: str, theirs: LoraModule, ours: Factors) -> None:
    rank = len(ours.down)
    if theirs.rank != rank:
        raise StartingLoraError(
            f"{path}: `{name}` is of rank {theirs.rank}, and this run's of {rank}; set lora.rank (3x3: lora.conv_rank) "
            "to the file's, or lora.dim_from_weights = true"
        )
    there, here = ((len(one.up), one.down[0].numel()) for one in (theirs, ours))
    if there != here:
        raise StartingLoraError(
            f"{path}: `{name}` moves a weight of {there[0]} x {there[1]}, the base model has {here[0]} x {here[1]}; "
            "it was trained on another family of base models"
        )


@torch.no_grad()
def _copy(theirs: LoraModule, ours: Factors) -> None:
    ours.down.copy_(theirs.down.reshape(ours.down.shape))
    ours.up.copy_(theirs.up.float().reshape(ours.up.shape) * (theirs.scale / ours.scale))


def _left_out(lora: StartingLora, adapters: Adapters) -> list[str]:
    counts = Counter(part_of(name) for name in lora.modules.keys() - adapters.keys())
    return [
        f"{lora.path}: {count} modules of {PARTS[part]} are not trained by this run, and will not be in its files"
        for part, count in sorted(counts.items())
    ]


def _without(lora: StartingLora, adapters: Adapters) -> list[str]:
    count = len(adapters.keys() - lora.modules.keys())
    return [f"{lora.path}: has nothing for {count} of {len(adapters)} modules; these begin anew"] if count else []
