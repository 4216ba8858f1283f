"""How many threads torch spreads its operations over, for a while.

Where OpenMP's threads sleep until they are needed, waking one takes some 50 microseconds: more than most operations on
an adapter's weights take, of which a step makes hundreds. AdamW's fused step over the miniature's 204 tensors takes
12 ms on two threads and 1 ms on one; over SD1.5's at rank 128, as long on either.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def on_threads(count: int) -> Generator[None]:
    """Have torch use `count` threads of the CPU, as long as the block lasts. It holds for the calling thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
