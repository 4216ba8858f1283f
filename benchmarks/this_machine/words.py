"""What machine a figure was measured on, in words: a figure of arithmetic means nothing without the vectors' width."""

from __future__ import annotations

import os
import platform
from pathlib import Path

WIDTHS = {"avx512f": 512, "avx2": 256, "asimd": 128, "sse2": 128}
# By these, libraries are kept from the processor's widest vectors.
NARROWED = ("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "DNNL_MAX_CPU_ISA")


def machine_in_words(*more: str) -> str:
    """The processor, its cores, its vectors' width in bits and what narrows it, then what else the figures hang on."""
    narrowed = [f"{name}={os.environ[name]}" for name in NARROWED if name in os.environ]
    vectors = " ".join([f"vectors of {vector_bits(_features())} bits", *narrowed])
    return ", ".join((platform.processor() or platform.machine(), f"{os.cpu_count()} cores", vectors, *more))


def vector_bits(features: set[str]) -> int | str:
    """The width of the widest vectors among a processor's features as Linux names them."""
    return next((bits for feature, bits in WIDTHS.items() if feature in features), "unknown")


def _features() -> set[str]:
    """The first core's line of flags; empty where the system has no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line.partition(":") for line in text.splitlines())
    return next((set(said.split()) for name, _, said in lines if name.strip() in ("flags", "Features")), set())
