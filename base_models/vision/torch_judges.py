"""What judging models of torch have in common: where they run, unit vectors in batches, a hash of what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

BATCH = 32
Item = TypeVar("Item")


def device_of(device: str) -> torch.device:
    """`device` "auto" is CUDA where there is one."""
    return torch.device(device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def unit_vectors(encode: Callable[[Sequence[Item]], torch.Tensor], items: Sequence[Item]) -> np.ndarray:
    """What `encode` makes of the items, batch by batch: (N, E) float32, each of length 1."""
    batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    vectors = [torch.nn.functional.normalize(encode(batch).float(), dim=-1).cpu() for batch in batches]
    return torch.cat(vectors).numpy() if vectors else np.empty((0, 0), dtype=np.float32)


def digest_of(model: torch.nn.Module, prepare: object) -> str:
    """The content of the weights, whatever file or hub they came from, and the picture preparation."""
    digest = hashlib.sha256(repr(prepare).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
