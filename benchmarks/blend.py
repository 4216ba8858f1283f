"""Blending two full-size LoRAs to a smaller rank: ours end to end, and its arithmetic against PEFT's own, same tensors.

Random factors on the modules that kohya trains, shapes from the public configurations. PEFT is given each module as
a model of its own, so that neither reading, writing nor its own loading is timed: `add_weighted_adapter` alone.
`flux_..`: two LoRAs of rank 32 on all of FLUX.1's 19 double and 38 single blocks, summed and compressed to rank 32.
`seconds` is a process of its own, start and imports included; `concat_seconds` is the exact sum with reading, writing
and the check of its error, in a process that has torch loaded, and `concat_process_seconds` with a process's start.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from base_models.architecture import public_architecture
from foundation.progress import Silent
from loras.blend import Term, summed
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.side_by_side import side_by_side
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora
from loras.low_rank import Product
from this_machine.words import machine_in_words

WEIGHTS = (0.8, 0.3)
Shapes = dict[str, tuple[int, ...]]


def targets(family: str) -> Shapes:
    """Shapes of the modules that kohya trains by default: transformer blocks and text encoder layers."""
    found: Shapes = {}
    for name, module in public_architecture(family).by_kohya.items():
        inside = ".attentions." in module.diffusers or ".layers." in module.diffusers
        if inside and len(module.shape) in (2, 4) and "norm" not in name:
            found[name] = module.shape
    return found


def flux_targets() -> Shapes:
    """Shapes of what sd-scripts trains of FLUX.1: every linear layer of its 19 double and 38 single blocks."""
    width = 3072
    double = {"attn_qkv": (3, 1), "attn_proj": (1, 1), "mlp_0": (4, 1), "mlp_2": (1, 4), "mod_lin": (6, 1)}
    single = {"linear1": (7, 1), "linear2": (1, 5), "modulation_lin": (3, 1)}
    found: Shapes = {}
    for number, side, (name, (out, ins)) in product(range(19), ("img", "txt"), double.items()):
        found[f"lora_unet_double_blocks_{number}_{side}_{name}"] = (out * width, ins * width)
    for number, (name, (out, ins)) in product(range(38), single.items()):
        found[f"lora_unet_single_blocks_{number}_{name}"] = (out * width, ins * width)
    return found


def flux_figures(place: Path) -> dict[str, float]:
    """Seconds and peak MiB of blending two LoRAs of rank 32 and FLUX.1's size: the exact sum, and to rank 32 again."""
    shapes = flux_targets()
    parts = [f"{random_lora(shapes, 32, seed, place / f'flux{seed}.safetensors')}:unet={weight}"
             for seed, weight in zip((1, 2), WEIGHTS, strict=True)]  # fmt: skip
    os.sync()
    exact, exact_peak = timed_command("blend", *parts, "-o", str(place / "flux.safetensors"))
    (place / "flux.safetensors").unlink()
    small, small_peak = timed_command("blend", *parts, "--rank", "32", "-o", str(place / "flux.safetensors"))
    return {
        "flux_seconds": round(small, 2),
        "flux_peak_mib": round(small_peak),
        "flux_concat_seconds": round(exact, 2),
        "flux_concat_peak_mib": round(exact_peak),
        "flux_modules": len(shapes),
    }


def random_lora(shapes: Shapes, rank: int, seed: int, path: Path) -> Path:
    draw = torch.Generator().manual_seed(seed)
    modules = {
        name: LoraModule(
            torch.randn(rank, *shape[1:], generator=draw) * 0.05,
            torch.randn(shape[0], rank, *shape[2:], generator=draw) * 0.05,
            rank / 2,
        )
        for name, shape in shapes.items()
    }
    write_lora(LoraFile(modules, {}), path)
    return path


def timed_command(*words: str) -> tuple[float, float]:
    """Seconds and peak MiB of `python -m eval` in a process of its own, start and imports included."""
    script = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "subprocess.run([sys.executable, '-m', 'eval', *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); "
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True, text=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class OneModule(nn.Module):
    """A model of one linear layer without weights of its own to speak of: PEFT's merge reads the factors alone."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.to_q = nn.Linear(shape[1], shape[0], bias=False)


def peft_model(factors: list[LoraModule]) -> PeftModel:
    """PEFT's model with one adapter for each of `factors`."""
    rank = factors[0].rank
    config = LoraConfig(r=rank, lora_alpha=factors[0].alpha, target_modules=["to_q"])
    model = get_peft_model(OneModule(factors[0].shape), config, "a")
    model.add_adapter("b", config)
    layer = model.base_model.model.to_q
    for adapter, module in zip("ab", factors, strict=True):
        layer.lora_A[adapter].weight.data.copy_(module.down.flatten(1))
        layer.lora_B[adapter].weight.data.copy_(module.up.flatten(1))
    return model


def merged_by_peft(model: PeftModel, rank: int, full: bool) -> Tensor:
    model.add_weighted_adapter(
        ["a", "b"], list(WEIGHTS), "merged", combination_type="svd", svd_rank=rank, svd_full_matrices=full
    )
    return model.base_model.model.to_q.get_delta_weight("merged")


def merged_by_us(factors: list[LoraModule], rank: int) -> LoraModule:
    terms = [Term(module, weight) for module, weight in zip(factors, WEIGHTS, strict=True)]
    return Product.of(summed(terms, "module")).spectrum().truncated(rank)


def all_merged_by_us(factors: Mapping[str, list[LoraModule]], rank: int) -> dict[str, LoraModule]:
    """As `eval blend` does it: each of torch's threads takes whole modules, the largest first."""
    sizes = {name: sum(one.down.numel() + one.up.numel() for one in found) for name, found in factors.items()}
    return side_by_side(lambda name: merged_by_us(factors[name], rank), sizes, lambda done: None)


def compare(one: Path, other: Path, rank: int, every: int) -> dict[str, float]:
    """Seconds of the arithmetic alone, over every `every`-th module; PEFT's operations have all threads, one by one."""
    files = [read_lora(path).modules for path in (one, other)]
    factors: dict[str, list[LoraModule]] = {}
    for name in sorted(files[0])[::every]:
        found = (modules[name] for modules in files)
        factors[name] = [LoraModule(module.down.float(), module.up.float(), module.alpha)
                         for module in found if isinstance(module, LoraModule)]  # fmt: skip
    spent = {"ours": timed(lambda: all_merged_by_us(factors, rank)), "peft": 0.0, "peft_thin": 0.0}
    for number, found in enumerate(factors.values()):
        for key, full in (("peft_thin", False), ("peft", True)):
            model = peft_model(found)
            spent[key] += timed(lambda model=model, full=full: merged_by_peft(model, rank, full))
        if number % 24 == 0:
            print(f"{number} of {len(factors)} modules: {spent}", file=sys.stderr)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="compare every n-th module only, for a quick look")
    parser.add_argument("--flux", action="store_true", help="FLUX.1's figures alone")
    asked = parser.parse_args()
    every, machine = asked.every, machine_in_words(f"{torch.get_num_threads()} threads, no GPU")
    if asked.flux:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({**flux_figures(Path(folder)), "machine": machine}))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sd1, sdxl = targets("sd1"), targets("sdxl")
        one, other = (str(random_lora(sd1, 128, seed, place / f"{seed}.safetensors")) for seed in (1, 2))
        os.sync()  # the parents lie on the disk, not on their way to it
        parts = [f"{one}:unet=0.8,te=0.8", f"{other}:unet=0.3,te=0.3"]
        seconds, peak = timed_command("blend", *parts, "--rank", "64", "-o", str(place / "small.safetensors"))
        exact = place / "exact.safetensors"
        concat_process, concat_peak = timed_command("blend", *parts, "-o", str(exact))
        request = BlendRequest(tuple(map(WeightedLora.parse, parts)), exact)
        concat = timed(lambda: write_blend(request, Silent()))
        spent = compare(Path(one), Path(other), 64, every)
        Path(one).unlink(), Path(other).unlink()
        big = [str(random_lora(sdxl, 64, seed, place / f"xl{seed}.safetensors")) for seed in (1, 2)]
        flux = flux_figures(place)
        sdxl_seconds, sdxl_peak = timed_command("blend", *big, "--rank", "64", "-o", str(place / "xl.safetensors"))
    figures = {
        "ratio": round(spent["peft"] / spent["ours"], 1),
        "ratio_thin": round(spent["peft_thin"] / spent["ours"], 1),
        "seconds": round(seconds, 2),
        "peak_mib": round(peak),
        "concat_seconds": round(concat, 2),
        "concat_process_seconds": round(concat_process, 2),
        "concat_peak_mib": round(concat_peak),
        "sdxl_seconds": round(sdxl_seconds, 2),
        "sdxl_peak_mib": round(sdxl_peak),
        "arithmetic_seconds": {name: round(value, 2) for name, value in spent.items()},
        "modules": len(sd1),
        "sdxl_modules": len(sdxl),
        "against": f"peft {peft.__version__}",
        **flux,
        "machine": machine,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
