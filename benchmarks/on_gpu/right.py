"""Is it right on the device? Pictures, ranking, a training step, weights, waiting, and short memory, beside the CPU's.

`grid`: the miniature's grid in float32 and bfloat16 against the CPU's float32: the greatest and the mean difference of
a level of 255, and how the cells' mean likeness agrees (Spearman); float32 without TensorFloat-32 as well. `step`: the
gradients of one training step in float32 against the CPU's, relative; bar 1e-4. `bits`: after how many changes of the
LoRA the weights are what they were. `syncs_a_render`: how often the host waits while a batch is drawn. `halving`: what
was said where memory was made short, and how far the pictures then are from those with room.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eval.rendering.cell_lora import lora_of
from eval.rendering.patching import PatchedModel
from eval.request.plan import Batch
from loras.lora_file import LoraFile, LoraModule, read_lora, write_lora
from miniature.paths import SUBJECT
from on_gpu.bench import Bench, say, tried
from on_gpu.grid_plans import Asked, Grid

CHANGES = 1000
# Names, types, and whether TensorFloat-32 is switched off.
WAYS = (("float32", "float32", False), ("float32_exact", "float32", True), ("bfloat16", "bfloat16", False))
BATCH = 16


def measured(bench: Bench, folder: Path) -> Iterator[tuple[str, Any]]:
    """Figure by figure, so that one that fails loses no other."""
    if bench.is_rehearsal:
        asked = Asked(
            "miniature", shipped_loras(folder, 2), "cpu", "float32", (1.0,), te=(1.0,), prompts=1, seeds=1, steps=2
        )
    else:
        asked = Asked("miniature", shipped_loras(folder, 3), "cpu", "float32")
    yield "grid", tried(lambda: against_the_cpu(asked, bench, folder))
    yield "step", tried(lambda: training_step(bench))
    yield "bits", tried(lambda: bits_after_changes(asked, bench, folder))
    yield "syncs_a_render", tried(lambda: syncs_of_a_render(asked, bench, folder))
    yield "halving", tried(lambda: halving(asked, bench, folder))


def shipped_loras(folder: Path, count: int) -> tuple[Path, ...]:
    """The shipped LoRA, a little stronger each time, so that cells differ."""
    shipped = read_lora(SUBJECT / "first.safetensors")
    paths: list[Path] = []
    for number in range(count):
        modules = {
            name: LoraModule(module.down, module.up, module.alpha * (0.6 + 0.3 * number))
            for name, module in shipped.modules.items()
            if isinstance(module, LoraModule)
        }
        paths.append(folder / f"shipped-{number + 1:06}.safetensors")
        write_lora(LoraFile(modules, {"ss_epoch": str(number + 1)}), paths[-1])
    return tuple(paths)


def against_the_cpu(asked: Asked, bench: Bench, folder: Path) -> dict[str, Any]:
    """Each type's pictures and ranking beside those of the CPU in float32."""
    here = Grid.of(asked, folder)
    wanted = here.drawn(here.batches(BATCH))
    faces = tried(lambda: _likenesses(here, wanted))
    figures: dict[str, Any] = {"pictures": len(wanted), "cells": len(here.plan.cells)}
    for name, dtype, exact in WAYS:
        with _tensor_float(not exact):
            grid = Grid.of(replace(asked, device=bench.device, dtype=dtype), folder)
            made = grid.drawn(grid.batches(BATCH if bench.on_gpu else 1))
        figures[name] = _levels(wanted, made)
        if isinstance(faces, np.ndarray):
            figures[name]["ranking"] = tried(lambda grid=grid, made=made: _agree(faces, _likenesses(grid, made)))
        say("grid,", name, figures[name])
    if not isinstance(faces, np.ndarray):
        figures["ranking"] = faces
    return figures


def _levels(wanted: dict[str, np.ndarray], made: dict[str, np.ndarray]) -> dict[str, Any]:
    """Ids differ with the type, so the plan's order says which are the same."""
    pairs = zip(wanted.values(), made.values(), strict=True)
    differences = [np.abs(one.astype(int) - other) for one, other in pairs]
    means = [float(one.mean()) for one in differences]
    return {
        "level_max": max(int(one.max()) for one in differences),
        "level_mean": round(float(np.mean(means)), 4),
        "worst_picture_mean": round(max(means), 4),
    }


def _likenesses(grid: Grid, made: dict[str, np.ndarray]) -> np.ndarray:
    """(C,) mean cosine of each cell's faces to the references; a picture without one counts 0."""
    from base_models.pictures.picture_file import load_picture
    from base_models.vision.faces import load_faces
    from base_models.vision.likeness import centroid

    model = load_faces("miniature", "cpu")
    known = [
        model.read(np.asarray(load_picture(path))).embedding for path in sorted((SUBJECT / "references").glob("*.png"))
    ]
    subject = centroid(np.stack([one for one in known if one is not None]))
    found: list[float] = []
    for cell in grid.plan.cells:
        pictures = [made[grid.plan.picture(cell, unit).id] for unit in grid.plan.units]
        seen = [one.embedding for one in model.read_all(pictures)]
        found.append(float(np.mean([0.0 if one is None else one @ subject for one in seen])))
    return np.array(found)


def _agree(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    from scipy.stats import spearmanr

    rank: Any = spearmanr(one, other)
    return {
        "spearman": round(float(rank.statistic), 4),
        "same_first": float(one.argmax() == other.argmax()),
        "identity_off": round(float(np.abs(one - other).max()), 4),
    }


@contextmanager
def _tensor_float(allowed: bool) -> Iterator[None]:
    """With or without TensorFloat-32, which rounds float32 factors to ten bits."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    if not allowed:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def training_step(bench: Bench) -> dict[str, Any]:
    """|device - CPU| / |CPU| of the first step's gradients, with TensorFloat-32 as it comes and without."""
    from on_gpu.steps import first_gradients

    loss, wanted = first_gradients("cpu")
    figures: dict[str, Any] = {"loss": loss}
    for name, allowed in (("as_it_comes", True), ("exact", False)):
        with _tensor_float(allowed):
            other, made = first_gradients(bench.device)
        figures[name] = {
            "gradients_off": float(f"{float((made - wanted).norm() / wanted.norm()):.2e}"),
            "loss_off": float(f"{abs(other - loss) / loss:.2e}"),
        }
    return figures


def bits_after_changes(asked: Asked, bench: Bench, folder: Path) -> int:
    """How many changes leave the weights as they were, to the bit; 0 where they are not."""
    grid = Grid.of(replace(asked, device=bench.device), folder)
    base = grid.renderer.base
    before = {name: module.get_parameter("weight").clone() for name, module in base.modules.items()}
    patched, cells = PatchedModel(base), grid.plan.cells
    count = CHANGES // 50 if bench.is_rehearsal else CHANGES
    for number in range(count):
        patched.put_on(lora_of(cells[number * 7 % len(cells)]).modules)
    patched.take_off()
    same = all(torch.equal(before[name], module.get_parameter("weight")) for name, module in base.modules.items())
    return count if same else 0


def syncs_of_a_render(asked: Asked, bench: Bench, folder: Path) -> dict[str, Any] | None:
    """How often the host waits in a batch whose texts are read already, by place; for the pictures it has to."""
    grid = Grid.of(replace(asked, device=bench.device), folder)
    batch = grid.batches(8)[-1]
    grid.renderer.render(batch)
    if not bench.on_gpu:
        return None
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            grid.renderer.render(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = [f"{Path(one.filename).name}:{one.lineno}" for one in caught if "synchron" in str(one.message)]
    return {"times": len(places), "places": {one: places.count(one) for one in sorted(set(places))}}


def halving(asked: Asked, bench: Bench, folder: Path) -> dict[str, Any]:
    """Memory is made short for a whole batch and enough for a quarter of it: nothing is lost."""
    said: list[str] = []
    grid = Grid.of(replace(asked, device=bench.device, seeds=4), folder)
    batch = max(grid.batches(BATCH), key=lambda one: len(one.pictures))
    wanted = grid.renderer.render(batch)
    grid.renderer._fitting._say = said.append
    with _short_memory(grid, batch, bench):
        made = grid.renderer.render(batch)
    return {"said": said, "pictures": len(made), "off": float(np.abs(made - wanted).max() * 255)}


@contextmanager
def _short_memory(grid: Grid, batch: Batch, bench: Bench) -> Iterator[None]:
    if bench.on_gpu:
        peaks = [
            _peak(grid, Batch(batch.pictures[:count])) for count in (len(batch.pictures), len(batch.pictures) // 4)
        ]
        bench.settle()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(sum(peaks) / 2 / total)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return
    fitting = grid.renderer._fitting
    draw: Callable[..., np.ndarray] = fitting._render

    def short(pictures: Any) -> np.ndarray:
        if len(pictures) > len(batch.pictures) // 4:
            raise torch.OutOfMemoryError("planted")
        return draw(pictures)

    fitting._render = short
    try:
        yield
    finally:
        fitting._render = draw


def _peak(grid: Grid, batch: Batch) -> int:
    """Bytes that torch had reserved at most."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    grid.renderer.render(batch)
    return torch.cuda.max_memory_reserved()
