"""Whether a LoRA file fits a base model, told from the headers of both: nothing is loaded.

What is compared are the outputs and inputs of each module, whatever kind its tensors make up. A fit here is no proof:
`loras.module_tensors` looks at every tensor when the file is read.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from base_models.base_source import BaseSource
from foundation.errors import LoraFileError
from loras.checkpoints.checkpoint_layout import Checkpoint, open_checkpoint
from loras.lora_family import OTHER_BASE, made_for
from loras.lora_file import OpenedLora, open_lora
from loras.spelling.sides import sides_of
from loras.spelling.transformer_family import TransformerFamily


def check_fit(paths: list[Path], base: BaseSource) -> None:
    """Raise LoraFileError for the first of the files that names a module, or has sides, which the base does not have.

    Raises CheckpointError for a base whose layout is not understood.
    """
    checkpoint = open_checkpoint(base.path)
    for path in paths:
        with open_lora(path) as lora:
            if isinstance(lora.family, TransformerFamily):
                raise LoraFileError(
                    f"{path}: {made_for(lora.family)}; models that are drawn are Stable Diffusion 1, 2 and XL, and the "
                    f"base {base.name} is {base.family.name}: leave this file out"
                )
            if fault := _misfit(lora, checkpoint):
                same = base.family in lora.family.may_be
                made = f"this LoRA is for a {base.family.name} of other sizes" if same else made_for(lora.family)
                raise LoraFileError(
                    f"{path}: {made}, but {fault} in the base {base.name}, which is {base.family.name}; {OTHER_BASE}"
                )


def _misfit(lora: OpenedLora, checkpoint: Checkpoint) -> str | None:
    """The first module that does not fit, in words."""
    for name in lora.names:
        place = checkpoint.places.get((name, "weight"))
        if place is None:
            return f"`{name}` is not"
        ours = sides_of({suffix: lora.header.shapes[key] for suffix, key in lora.spelling.modules[name].items()})
        theirs = (place.shape[0], prod(place.shape[1:]))
        if ours is not None and ours != theirs:
            return f"`{name}` is {ours[0]} x {ours[1]} there and {theirs[0]} x {theirs[1]}"
    return None
