"""Rendering a LoRA grid on the miniature: ours against loops over diffusers, same pictures, one run, two CPU cores.

(a) `set_adapters` and a picture at a time, as users script it (over a share of the pictures; seconds a picture).
(b) `set_adapters`, `fuse_lora` and `unfuse_lora` a cell, its pictures batched.
(c) our own rendering of the same batches with no change of weights, nothing saved or scored: what is not overhead.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from eval.cells import Cell
from eval.grid import run_grid
from eval.plan import Plan, make_plan
from eval.render import encode_prompts, render
from eval.renderer import Renderer
from eval.spec import GridSpec, read_spec
from eval.store import create_store
from miniature.paths import folder_of
from trainer.lora_file import LoraFile, LoraModule, read_lora, write_lora
from trainer.progress import Silent

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


def spec_for(folder: Path, paths: list[Path], dtype: str, variant: str = "") -> GridSpec:
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
batch = {len(PROMPTS) * SEEDS}
[prompts]
texts = {json.dumps(PROMPTS)}
seeds = {SEEDS}
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


@dataclass(frozen=True)
class Peer:
    """A diffusers pipeline with every checkpoint loaded as an adapter."""

    pipeline: Any

    @classmethod
    def of(cls, paths: list[Path], dtype: torch.dtype) -> Peer:
        made: Any = StableDiffusionPipeline.from_pretrained(
            folder_of("base", "miniature"), torch_dtype=dtype, safety_checker=None
        )
        made.scheduler = EulerAncestralDiscreteScheduler.from_config(made.scheduler.config, timestep_spacing="linspace")
        made.set_progress_bar_config(disable=True)
        for path in paths:
            made.load_lora_weights(path, adapter_name=path.stem)
        return cls(made)

    def choose(self, cell: Cell) -> None:
        weights = {"unet": cell.use.weights.unet, "text_encoder": cell.use.weights.te1}
        self.pipeline.set_adapters([cell.use.checkpoint.name], [weights])

    def render(self, prompts: list[str], seeds: list[int], folder: Path) -> np.ndarray:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        pictures = self.pipeline(
            prompts, num_inference_steps=STEPS, guidance_scale=CFG, generator=generators, output_type="np"
        ).images
        levels = (pictures * 255).round().astype(np.uint8)
        for number, picture in enumerate(levels):
            Image.fromarray(picture).save(folder / f"{number}.png")
        return levels


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
        peer.choose(cell)
        peer.pipeline.fuse_lora(adapter_names=[cell.use.checkpoint.name])
        made.append(peer.render([prompt for prompt, _ in units], [seed for _, seed in units], folder))
        peer.pipeline.unfuse_lora()
    return (time.perf_counter() - began) / (len(cells) * len(units)), made


def unchanged(spec: GridSpec, plan: Plan, folder: Path) -> float:
    """Seconds a picture of our renderer where nothing changes and nothing is kept."""
    store = create_store(folder / f"unchanged-{spec.model.dtype}")
    renderer = Renderer(spec, plan, store)
    batches = [batch for batch in plan.batches if batch.cell is not None]
    encoded = {prompt: encode_prompts(renderer.base, [prompt], 1) for prompt in (*PROMPTS, "")}
    began, done = time.perf_counter(), 0
    for batch in batches:
        wanted = torch.cat([encoded[picture.prompt] for picture in batch.pictures])
        render(renderer.base, plan.sampling, wanted, encoded[""], [picture.seed for picture in batch.pictures])
        done += len(batch.pictures)
    spent = time.perf_counter() - began
    store.close()
    return spent / done


def operations_a_picture(spec: GridSpec, plan: Plan, folder: Path) -> float:
    """Floating-point operations of one picture, counted by torch over a whole batch."""
    store = create_store(folder / "counted")
    base = Renderer(spec, plan, store).base
    batch = next(batch for batch in plan.batches if batch.cell is not None)
    wanted = encode_prompts(base, [picture.prompt for picture in batch.pictures], 1)
    with FlopCounterMode(display=False) as counter:
        render(base, plan.sampling, wanted, encode_prompts(base, [""], 1), [one.seed for one in batch.pictures])
    store.close()
    return counter.get_total_flops() / len(batch.pictures)


def matrix_peak(dtype: torch.dtype) -> float:
    """Operations a second of a product of two 2048 x 2048 matrices, best of ten."""
    one, other = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(one, other)
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
        paths = [store.picture_path(plan.picture_id(cell, unit)) for unit in plan.units]
        by_cell.append(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths]))
    store.close()
    return spent, by_cell


def measure(dtype: str, paths: list[Path], folder: Path, share: int) -> dict[str, float]:
    """All of it in one type. Nobody's loading is timed: a first, small grid loads our models, `Peer.of` theirs."""
    spec = spec_for(folder, paths, dtype)
    plan = make_plan(spec)
    units = [(unit.prompt, unit.seed) for unit in plan.units]
    peer = Peer.of(paths, getattr(torch, dtype))
    peer.choose(plan.cells[0])
    peer.render([PROMPTS[0]], [1], folder)  # the first call compiles kernels
    loop = looped(peer, plan.cells, units, folder, share)
    fuse, theirs = fused(peer, plan.cells, units, folder)
    run_grid(spec_for(folder, paths[:1], dtype, "warm"), Silent())
    mine, pictures = ours(spec, plan)
    bare = unchanged(spec, plan, folder)
    figures = {
        "loop": loop,
        "fuse": fuse,
        "ours": mine,
        "bare": bare,
        "difference": max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(theirs, pictures, strict=True)),
        "peak_share": operations_a_picture(spec, plan, folder) / bare / matrix_peak(torch.float32),
    }
    print(dtype, figures, file=sys.stderr)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=int, default=5, help="the loop renders every n-th picture only")
    share = parser.parse_args().share
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = checkpoints(folder)
        whole = measure("float32", paths, folder, share)
        half = measure("bfloat16", paths, folder, share)
    figures = {
        "ratio_loop": round(whole["loop"] / whole["ours"], 2),
        "ratio_fuse": round(whole["fuse"] / whole["ours"], 2),
        "ratio_loop_bf16": round(half["loop"] / half["ours"], 2),
        "overhead": round(whole["ours"] / whole["bare"] - 1, 3),
        "max_difference": whole["difference"],
        "peak_share": round(whole["peak_share"], 3),
        "seconds_a_picture": {"float32": whole, "bfloat16": half},
        "against": f"diffusers {diffusers.__version__}",
        "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, no GPU",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
