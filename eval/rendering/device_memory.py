"""How much memory a device has left, and what may be kept in it."""

from __future__ import annotations

import psutil
import torch

SHARE = 0.25  # of the free memory that kept products may take: batches, decoding and the system have the rest


def free_bytes(device: torch.device) -> int:
    """Bytes free on a GPU; anywhere else, what the system can give without swapping."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return psutil.virtual_memory().available


def has_room(needed: int, device: torch.device) -> bool:
    """Whether `needed` bytes are at most `SHARE` of what is free now."""
    return needed <= SHARE * free_bytes(device)
