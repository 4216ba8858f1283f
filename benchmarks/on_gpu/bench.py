"""What all parts of `benchmarks/gpu.py` share: where they run and how large, waiting for the device, its peak."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

GIB = 2**30
PRODUCT_SIDE, REHEARSED_SIDE = 8192, 256


@dataclass(frozen=True)
class Bench:
    """Where it is measured. A rehearsal goes all the way on the CPU with tiny models; its figures mean nothing."""

    device: str
    is_rehearsal: bool

    @property
    def on_gpu(self) -> bool:
        """Whether there is memory of its own to count, and work that goes on by itself."""
        return self.device == "cuda"

    def wait(self) -> None:
        """Until what was asked of the device is done."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def settle(self) -> None:
        """Nothing is under way, nothing lies about, and the peak of memory begins anew."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float | None:
        """The most that torch had allocated since `settle`."""
        return round(torch.cuda.max_memory_allocated() / GIB, 2) if self.on_gpu else None

    def seconds(self, work: Callable[[], object]) -> float:
        """Of the wall clock, until the device is done."""
        self.wait()
        began = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - began

    def median_seconds(self, work: Callable[[], object], times: int) -> float:
        """After one that is not counted."""
        work()
        return median(self.seconds(work) for _ in range(times))

    def peak_flops(self) -> float:
        """Operations a second of a large product of bfloat16 here, the best of ten: what a share of the peak is of."""
        side = PRODUCT_SIDE if self.on_gpu else REHEARSED_SIDE
        one, other = (torch.randn(side, side, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        torch.mm(one, other)
        return 2 * side**3 / min(self.seconds(lambda: torch.mm(one, other)) for _ in range(10))

    @property
    def card(self) -> dict[str, Any]:
        """What it ran on, for the last line."""
        name = torch.cuda.get_device_name() if self.on_gpu else "no GPU: a rehearsal on the CPU"
        return {"machine": name, "torch": torch.__version__}


def bench_here(rehearse: bool) -> Bench | None:
    """None where there is no CUDA device and none is to be rehearsed for."""
    if rehearse:
        return Bench("cpu", is_rehearsal=True)
    return Bench("cuda", is_rehearsal=False) if torch.cuda.is_available() else None


def say(*words: object) -> None:
    """To stderr: stdout has figures alone."""
    print(*words, file=sys.stderr, flush=True)


def in_words(error: BaseException) -> str:
    """An error as a figure's place holds it: its kind and the beginning of what it says."""
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def tried(measure: Callable[[], Any]) -> Any:
    """What `measure` answers, or the words of its failure: one figure that cannot be had must not lose the others."""
    try:
        return measure()
    except Exception as error:
        found = in_words(error)
        say(found)
        return found
