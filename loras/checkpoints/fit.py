"""Whether a LoRA file fits a base model, told from the headers of both: nothing is loaded.

What is compared are the outputs and inputs of each module, whatever kind its tensors make up. A fit here is no proof:
`loras.module_tensors` looks at every tensor when the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from base_models.base_source import BaseSource
from foundation.errors import LoraFileError
from loras.checkpoints.checkpoint_layout import Checkpoint, open_checkpoint
from loras.lora_family import OTHER_BASE, Shape, made_for
from loras.lora_file import OpenedLora, open_lora

Sides = tuple[int, int]  # outputs; inputs, a convolution's with its kernel


def check_fit(paths: list[Path], base: BaseSource) -> None:
    """Raise LoraFileError for the first of the files that names a module, or has sides, which the base does not have.

    Raises CheckpointError for a base whose layout is not understood.
    """
    checkpoint = open_checkpoint(base.path)
    for path in paths:
        with open_lora(path) as lora:
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


def sides_of(shapes: Mapping[str, Shape]) -> Sides | None:
    """Outputs and inputs of the module that these tensors make up, by suffix; None where they do not tell."""
    if {"lora_up.weight", "lora_down.weight"} <= shapes.keys():
        down, kernel = shapes["lora_down.weight"], shapes.get("lora_mid.weight", ())[2:]
        return shapes["lora_up.weight"][0], prod(down[1:]) * prod(kernel)
    if {"hada_w1_a", "hada_w1_b"} <= shapes.keys():
        return _product(shapes, "hada_w1", shapes.get("hada_t1", ()))
    if "diff" in shapes:
        return shapes["diff"][0], prod(shapes["diff"][1:])
    halves = [_half(shapes, f"lokr_w{number}", f"lokr_t{number}") for number in (1, 2)]
    if halves[0] is None or halves[1] is None:
        return None
    return halves[0][0] * halves[1][0], halves[0][1] * halves[1][1]


def _half(shapes: Mapping[str, Shape], name: str, core: str) -> Sides | None:
    """Of a Kronecker product: whole, or factored."""
    if name in shapes:
        return shapes[name][0], prod(shapes[name][1:])
    return _product(shapes, name, shapes.get(core, ())) if f"{name}_b" in shapes else None


def _product(shapes: Mapping[str, Shape], name: str, core: Shape) -> Sides:
    """`a` (out, r) @ `b` (r, columns); around a core (r, r, k, k), `a` is (r, out)."""
    a, b = shapes[f"{name}_a"], shapes[f"{name}_b"]
    return a[1 if core else 0], prod(b[1:]) * prod(core[2:])
