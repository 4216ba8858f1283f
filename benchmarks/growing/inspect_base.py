"""`eval inspect LORA --base BASE` of a whole base of FLUX.1's size: 11.8 billion weights in bfloat16, a file of 24 GB.

The base is written here, of one pool of random numbers that is begun elsewhere for each weight, and needs that much
disk; `--share` writes and measures the first blocks of each kind alone. The last line is one JSON object: `seconds` and
`peak_mib` of a process of its own with the header and every weight's norm read, and `header_seconds`, `header_peak_mib`
without the base; `weights` and `modules` were held against each other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from foundation.safetensors_stream import Entry, write_stream

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from blend import Shapes, flux_targets, random_lora, timed_command
from this_machine.words import machine_in_words

SIDES = {"img_in": (3072, 64), "txt_in": (3072, 4096), "final_layer.linear": (64, 3072)}  # what shows that it is FLUX.1
LAYERS = {"attn_qkv": "attn.qkv", "attn_proj": "attn.proj", "mlp_0": "mlp.0", "mlp_2": "mlp.2", "mod_lin": "mod.lin"}
POOL = 2**27 + 7919  # numbers: more than the largest weight has, and no multiple of one


def some(shapes: Shapes, share: float) -> Shapes:
    """Of each kind of block the first `share`."""
    kept: Shapes = {}
    for name, shape in shapes.items():
        number = next(int(part) for part in name.split("_") if part.isdigit())
        if number < max(1, share * (19 if "double" in name else 38)):
            kept[name] = shape
    return kept


def key_of(name: str) -> str:
    """A weight's key in the original layout, by sd-scripts' name of the module."""
    words = name.removeprefix("lora_unet_")
    for ours, theirs in LAYERS.items():
        if "double" in words and words.endswith(ours):
            *_, number, side = words.removesuffix(f"_{ours}").split("_")
            return f"double_blocks.{number}.{side}_{theirs}.weight"
    *_, number, layer = words.replace("modulation_lin", "modulation.lin").split("_")
    return f"single_blocks.{number}.{layer}.weight"


def write_base(shapes: Shapes, path: Path) -> int:
    """Write the base of those modules; how many weights it has."""
    entries = [Entry(f"{key}.weight", "BF16", shape) for key, shape in SIDES.items()]
    entries += [Entry(key_of(name), "BF16", shape) for name, shape in shapes.items()]
    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(0)).mul_(0.02).bfloat16()
    shape_of = {entry.key: entry.shape for entry in entries}
    starts: Iterator[int] = iter(range(0, 10**9, 997))

    def tensor_of(key: str) -> Tensor:
        shape, start = shape_of[key], next(starts)
        return pool[start : start + prod(shape)].reshape(shape)

    write_stream(path, entries, {}, tensor_of)
    return sum(prod(entry.shape) for entry in entries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the blocks, for a quick look")
    asked = parser.parse_args()
    shapes = some(flux_targets(), asked.share)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights = write_base(shapes, place / "flux.safetensors")
        lora = random_lora(shapes, 16, 1, place / "kat.safetensors")
        header_seconds, header_peak = timed_command("inspect", str(lora))
        seconds, peak = timed_command("inspect", str(lora), "--base", str(place / "flux.safetensors"))
    print(
        json.dumps(
            {
                "weights": weights,
                "modules": len(shapes),
                "seconds": round(seconds, 1),
                "peak_mib": round(peak),
                "header_seconds": round(header_seconds, 1),
                "header_peak_mib": round(header_peak),
                "machine": machine_in_words(f"{torch.get_num_threads()} threads, no GPU"),
            }
        )
    )


if __name__ == "__main__":
    main()
