"""Modules whose outputs diffusers keeps in another order than the original: shift and scale, the two halves.

Inside the program a module is always in the original's order, whatever file it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from loras.spelling.sides import sides_of
from loras.spelling.spelling import NotUnderstoodError

# Tensors that have a row for each output.
_BY_OUTPUT = ("lora_up.weight", "hada_w1_a", "hada_w2_a", "diff", "diff_b", "dora_scale", "b1.weight")
# A Kronecker product's first factor runs over its outputs slowest: its halves are the product's.
_KRONECKER = ("lokr_w1", "lokr_w1_a")
# Kinds of which neither their tensors' sides nor their halves can be told, by a tensor that each has.
_OTHER = {
    "oft_blocks": "an OFT or BOFT",
    "ia3_weight": "an IA3",
    "hada_t1": "a LoHa with a Tucker core",
    "lokr_t1": "a LoKr with a Tucker core",
    "lokr_t2": "a LoKr with a Tucker core",
}


def in_original_order(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The module's tensors with the two halves of its outputs exchanged, where it has twice as many as inputs.

    Raises NotUnderstoodError for a kind of which the halves cannot be told.
    """
    sides = sides_of({suffix: tuple(tensor.shape) for suffix, tensor in tensors.items()})
    if sides is not None and sides[0] != 2 * sides[1]:
        return dict(tensors)
    firsts = [tensors[suffix] for suffix in _KRONECKER if suffix in tensors]
    other = next((kind for suffix, kind in _OTHER.items() if suffix in tensors), None)
    if sides is None or other is not None or any(len(first) % 2 for first in firsts):
        raise NotUnderstoodError(
            f"`{name}`: diffusers keeps its outputs in another order than the original, into which "
            f"{other or 'a module of this kind'} cannot be put; leave that module out, or save the file as a plain LoRA"
        )
    moved = (*_BY_OUTPUT, *_KRONECKER)
    return {
        suffix: tensor.roll(len(tensor) // 2, 0) if suffix in moved and len(tensor) > 1 else tensor
        for suffix, tensor in tensors.items()
    }
