"""Rendering a LoRA grid on the miniature: ours against loops over diffusers, same pictures, one run, two CPU cores.

(a) `set_adapters` and a picture at a time, as users script it (over a share of the pictures; seconds a picture).
(b) `set_adapters`, `fuse_lora` and `unfuse_lora` a cell, its pictures batched.
(c) our own rendering of the same batches with no change of weights, nothing saved or scored: what is not overhead.
In bfloat16 as well where the processor knows it: elsewhere a convolution takes fifty times as long.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from base_models.drawing.guidance import read_prompts
from base_models.drawing.render import render
from base_models.onednn_layers import linear
from eval.grid.run_grid import run_grid
from eval.rendering.renderer import Renderer
from eval.request.cells import Cell
from eval.request.plan import Plan, batches_of, make_plan
from eval.request.spec import GridSpec, read_spec
from eval.store.store import create_store
from foundation.progress import Silent
from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora
from miniature.paths import folder_of
from on_gpu.diffusers_peer import Peer
from this_machine.words import machine_in_words

PROMPTS = [
    "photo of a ohwx person, smiling, looking at viewer, red hoodie, blue background",
    "photo of a ohwx person, serious, wearing glasses, green t-shirt, white background",
    "photo of a ohwx person, eyes closed, yellow sweater, purple background",
    "photo of a person, red afro hair, dark skin, smiling, orange t-shirt, green background",
]
SUBJECT = Path(__file__).resolve().parents[1] / "miniature" / "subject"
CHECKPOINTS, UNET, TE, SEEDS = 3, (0.6, 1.0), (0.0, 1.0), 4
STEPS, CFG = 30, 9.0


def checkpoints(folder: Path) -> list[Path]:
    """Files of different contents: the shipped LoRA, a little stronger each time."""
    shipped = read_lora(SUBJECT / "first.safetensors")
    paths = []
    for number in range(CHECKPOINTS):
        modules = {
            name: LoraModule(module.down, module.up, module.alpha * (1 + 0.2 * number))
            for name, module in shipped.modules.items()
            if isinstance(module, LoraModule)
        }
        paths.append(folder / f"c{number}.safetensors")
        write_lora(LoraFile(modules, {"ss_epoch": str(number)}), paths[-1])
    return paths


def types_here() -> list[str]:
    """What is measured in: bfloat16 only where oneDNN has instructions for it (AVX-512 or AMX)."""
    return ["float32", *(["bfloat16"] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else [])]


def spec_for(folder: Path, paths: list[Path], dtype: str, seeds: int, variant: str = "") -> GridSpec:
    listed = ", ".join(f'"{path}"' for path in paths)
    (folder / f"{dtype}{variant}.toml").write_text(
        f"""
[model]
base = "miniature"
device = "cpu"
dtype = "{dtype}"
[lora]
checkpoints = [{listed}]
unet = {list(UNET)}
te = {list(TE)}
[sampler]
batch = {len(PROMPTS) * seeds}
[prompts]
texts = {json.dumps(PROMPTS)}
seeds = {seeds}
trigger = "ohwx person"
class = "person"
[references]
held_out = "{SUBJECT / "references"}"
[score]
faces = "miniature"
clip = "miniature"
[store]
path = "{folder / (dtype + variant)}"
"""
    )
    return read_spec(folder / f"{dtype}{variant}.toml")


def peer_of(paths: list[Path], dtype: torch.dtype) -> Peer:
    """diffusers' pipeline of the miniature, with every checkpoint as an adapter."""
    return Peer.of(folder_of("base", "miniature"), paths, dtype, steps=STEPS, cfg=CFG)


def looped(peer: Peer, cells: list[Cell], units: list[tuple[str, int]], folder: Path, share: int) -> float:
    """Seconds a picture, one at a time, over every `share`-th unit of every cell."""
    done, began = 0, time.perf_counter()
    for cell in cells:
        peer.choose(cell)
        for prompt, seed in units[::share]:
            peer.render([prompt], [seed], folder)
            done += 1
    return (time.perf_counter() - began) / done


def fused(peer: Peer, cells: list[Cell], units: list[tuple[str, int]], folder: Path) -> tuple[float, list[np.ndarray]]:
    """Seconds a picture with each cell fused and its pictures in one batch, and the pictures by cell."""
    made, began = [], time.perf_counter()
    for cell in cells:
        peer.fuse(cell)
        made.append(peer.render([prompt for prompt, _ in units], [seed for _, seed in units], folder))
        peer.unfuse()
    return (time.perf_counter() - began) / (len(cells) * len(units)), made


def batch_of(spec: GridSpec) -> int:
    assert isinstance(spec.sampler.batch, int)
    return spec.sampler.batch


def unchanged(spec: GridSpec, plan: Plan) -> float:
    """Seconds a picture of our renderer where nothing changes and nothing is kept."""
    renderer = Renderer(spec.model, plan.sampling, print)
    batches = list(batches_of(plan, batch_of(spec)))
    shown = sorted({picture.prompt for picture in plan})
    encoded = dict(zip(shown, read_prompts(renderer.base, shown), strict=True))
    began, done = time.perf_counter(), 0
    for batch in batches:
        guidance = [encoded[picture.prompt] for picture in batch.pictures]
        render(renderer.base, renderer.unet, plan.sampling, guidance, [picture.seed for picture in batch.pictures])
        done += len(batch.pictures)
    return (time.perf_counter() - began) / done


def operations_a_picture(spec: GridSpec, plan: Plan) -> float:
    """Floating-point operations of one picture, counted by torch over a whole batch."""
    renderer = Renderer(spec.model, plan.sampling, print)
    batch = next(iter(batches_of(plan, batch_of(spec))))
    guidance = read_prompts(renderer.base, [picture.prompt for picture in batch.pictures])
    with FlopCounterMode(display=False) as counter:
        render(renderer.base, renderer.unet, plan.sampling, guidance, [one.seed for one in batch.pictures])
    return counter.get_total_flops() / len(batch.pictures)


def matrix_peak(product: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Operations a second of a float32 product of two 2048 x 2048 matrices, best of ten."""
    one, other = (torch.randn(2048, 2048) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        product(one, other)
        best = min(best, time.perf_counter() - began)
    return 2 * 2048**3 / best


def ours(spec: GridSpec, plan: Plan) -> tuple[float, list[np.ndarray]]:
    """Seconds a picture of the whole grid, from loading the base to the last score; pictures by cell."""
    began = time.perf_counter()
    outcome = run_grid(spec, Silent())
    spent = (time.perf_counter() - began) / outcome.rendered
    store = create_store(outcome.store)
    by_cell = []
    for cell in plan.cells:
        paths = [store.picture_path(plan.picture(cell, unit).id) for unit in plan.units]
        by_cell.append(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths]))
    store.close()
    return spent, by_cell


@dataclass(frozen=True)
class Theirs:
    """Seconds a picture of both loops over diffusers, and the fused one's pictures by cell."""

    loop: float
    fuse: float
    pictures: list[np.ndarray]


def measure_theirs(dtype: str, paths: list[Path], folder: Path, share: int, seeds: int) -> Theirs:
    """The peers in one type; their loading is not timed."""
    plan = make_plan(spec_for(folder, paths, dtype, seeds))
    units = [(unit.prompt, unit.seed) for unit in plan.units]
    peer = peer_of(paths, getattr(torch, dtype))
    peer.choose(plan.cells[0])
    peer.render([PROMPTS[0]], [1], folder)  # the first call compiles kernels
    loop = looped(peer, plan.cells, units, folder, share)
    return Theirs(loop, *fused(peer, plan.cells, units, folder))


def measure_ours(dtype: str, paths: list[Path], folder: Path, seeds: int, theirs: Theirs) -> dict[str, float]:
    """Ours in one type, beside theirs; a first, small grid loads the models, so loading is not timed."""
    spec = spec_for(folder, paths, dtype, seeds)
    plan = make_plan(spec)
    run_grid(spec_for(folder, paths[:1], dtype, seeds, "warm"), Silent())
    mine, pictures = ours(spec, plan)
    bare = unchanged(spec, plan)
    operations = operations_a_picture(spec, plan)
    figures = {
        "loop": theirs.loop,
        "fuse": theirs.fuse,
        "ours": mine,
        "bare": bare,
        "difference": max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(theirs.pictures, pictures, strict=True)),
        "peak_share": operations / bare / matrix_peak(torch.mm),
        "peak_share_onednn": operations / bare / matrix_peak(linear),
    }
    print(dtype, figures, file=sys.stderr)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=int, default=5, help="the loop renders every n-th picture only")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="a cell has so many times the prompts' pictures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = checkpoints(folder)
        # Theirs before ours: what ours sets for the whole process (how memory is kept) must not help them or harm them.
        theirs = {dtype: measure_theirs(dtype, paths, folder, asked.share, asked.seeds) for dtype in types_here()}
        measured = {dtype: measure_ours(dtype, paths, folder, asked.seeds, found) for dtype, found in theirs.items()}
    whole, half = measured["float32"], measured.get("bfloat16")
    figures = {
        "ratio_loop": round(whole["loop"] / whole["ours"], 2),
        "ratio_fuse": round(whole["fuse"] / whole["ours"], 2),
        "ratio_loop_bf16": round(half["loop"] / half["ours"], 2) if half else "this processor has no bfloat16",
        "overhead": round(whole["ours"] / whole["bare"] - 1, 3),
        "max_difference": whole["difference"],
        "peak_share": round(whole["peak_share"], 3),
        "peak_share_onednn": round(whole["peak_share_onednn"], 3),
        "seconds_a_picture": measured,
        "against": f"diffusers {diffusers.__version__}",
        "machine": machine_in_words(f"{torch.get_num_threads()} threads, no GPU"),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
