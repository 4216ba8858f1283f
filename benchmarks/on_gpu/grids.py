"""Rendering grids on the device, SD1.5's and SDXL's shapes in bfloat16, against loops over diffusers in the same run.

`ours`: planned batches drawn, their files encoded, hashed and written beside; the model is loaded before, as the peers'
is. `loop`: `set_adapters` and a picture at a time, over some of the units. `fused`: `fuse_lora` and `unfuse_lora` a
cell, its pictures batched. Each in pictures a second, further the peak of memory, ours over theirs, and
`share_of_peak`: operations counted by torch over a batch of ours, over what a large product of bfloat16 reaches here.
`hours_of_1024`: what a grid of 8 checkpoints x 4 x 4 x 8 pictures would take at that rate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from base_models.base_model import load_base
from base_models.base_source import find_base
from base_models.drawing.batch_size import batch_size, device_facts
from eval.rendering.render_cost import picture_shape
from eval.request.plan import Batch, make_plan
from on_gpu.bench import Bench, say, tried
from on_gpu.diffusers_peer import Peer
from on_gpu.grid_plans import Asked, Grid, spec_of
from on_gpu.random_bases import random_base, random_loras

RANK, LOOP_SHARE = 32, 12
WHOLE_GRID = 8 * 4 * 4 * 8


@dataclass(frozen=True)
class Slice:
    """Of a family's grid, as much as time allows; `side` in pixels."""

    key: str
    side: int
    loras: int
    te: tuple[float, ...]
    prompts: int
    seeds: int
    steps: int


SLICES = {
    "sd15": Slice("sd1", 512, 2, (0.0, 1.0), 4, 4, 30),
    "sdxl": Slice("sdxl", 1024, 1, (1.0,), 2, 2, 30),
}


def measured(bench: Bench, folder: Path, only: str) -> Iterator[tuple[str, Any]]:
    """One family's figures."""
    chosen = SLICES[only]
    if bench.is_rehearsal:
        chosen = Slice(chosen.key, 64, 1, (0.0, 1.0), 1, 2, 2)
    base = random_base(folder / "base", chosen.key, bench, torch.bfloat16)
    loaded = load_base(find_base(str(base)), torch.bfloat16, "cpu")
    loras = tuple(random_loras(folder, loaded, chosen.loras, 4 if bench.is_rehearsal else RANK))
    del loaded
    peak = bench.peak_flops()
    yield "peak_tflops", round(peak / 1e12, 3)
    asked = Asked(
        str(base), loras, bench.device, "bfloat16", te=chosen.te, prompts=chosen.prompts, seeds=chosen.seeds,
        steps=chosen.steps, side=chosen.side,
    )  # fmt: skip
    ours = tried(lambda: _ours(asked, bench, folder, peak))
    yield "ours", ours
    theirs = tried(lambda: _theirs(asked, bench, folder))
    yield "theirs", theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ("loop", "fused"):
            yield f"ratio_{name}", round(ours["pictures_a_second"] / theirs[name], 3)


def _ours(asked: Asked, bench: Bench, folder: Path, peak: float) -> dict[str, Any]:
    grid = Grid.of(asked, folder)
    size = _size(grid)
    batches = grid.batches(size)
    operations = _operations(grid, batches[-1])  # the first time, kernels are chosen too
    grid.renderer.render(batches[0])
    bench.settle()
    began = time.perf_counter()
    count = grid.draw_and_save(batches, folder / "ours")
    bench.wait()
    rate = count / (time.perf_counter() - began)
    say("ours:", rate, "pictures a second in batches of", size)
    return {
        "pictures": count,
        "batch": size,
        "pictures_a_second": round(rate, 4),
        "peak_gib": bench.peak_gib(),
        "operations_a_picture": operations,
        "share_of_peak": round(operations * rate / peak, 4),
        "hours_of_1024": round(WHOLE_GRID / rate / 3600, 3),
    }


def _size(grid: Grid) -> int:
    model, sampling = grid.spec.model, grid.plan.sampling
    shape = picture_shape(find_base(model.base, model.overrides), sampling)
    return batch_size("auto", shape, device_facts(grid.renderer.base.device))


def _operations(grid: Grid, batch: Batch) -> float:
    """Floating-point operations of one picture, counted over a whole batch."""
    with FlopCounterMode(display=False) as counter:
        grid.renderer.render(batch)
    return counter.get_total_flops() / len(batch.pictures)


def _theirs(asked: Asked, bench: Bench, folder: Path) -> dict[str, Any]:
    """Pictures a second of both loops; cells at weight 0 of the text encoder count as any."""
    plan = make_plan(spec_of(asked, folder))
    units = [(unit.prompt, unit.seed) for unit in plan.units]
    peer = Peer.of(
        Path(asked.base), asked.loras, torch.bfloat16, steps=asked.steps, cfg=9.0, device=bench.device, side=asked.side
    )
    place = folder / "theirs"
    place.mkdir(exist_ok=True)
    peer.choose(plan.cells[0])
    peer.render([units[0][0]], [units[0][1]], place)  # the first call chooses kernels
    bench.settle()
    looped, began = 0, time.perf_counter()
    for cell in plan.cells:
        peer.choose(cell)
        for prompt, seed in units[::LOOP_SHARE]:
            peer.render([prompt], [seed], place)
            looped += 1
    bench.wait()
    loop = looped / (time.perf_counter() - began)
    say("loop:", loop, "pictures a second")
    peer.render([prompt for prompt, _ in units], [seed for _, seed in units], place)
    bench.settle()
    began = time.perf_counter()
    for cell in plan.cells:
        peer.fuse(cell)
        peer.render([prompt for prompt, _ in units], [seed for _, seed in units], place)
        peer.unfuse()
    bench.wait()
    fused = len(plan.cells) * len(units) / (time.perf_counter() - began)
    say("fused:", fused, "pictures a second in batches of", len(units))
    return {"loop": round(loop, 4), "fused": round(fused, 4), "peak_gib": bench.peak_gib(), "batch": len(units)}
