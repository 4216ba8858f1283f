"""What a change of weights costs against rendering: SD1.5's and SDXL's shapes, random weights, rank 128, CFG, 30 steps.

On paper: operations of a whole new LoRA (products, scaling, adding, casting) against 60 UNet forwards, at 512 px
and SDXL's 1024 px. Measured: seconds of putting one on (all modules, nothing kept; then at another weight from kept
products) against one forward x 60: SD1.5 in full in float32; SDXL at half width and 1024 px.
The bits of the miniature are compared after 1,000 changes, and a change is timed against diffusers' `fuse_lora`.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from base_models.base_model import BaseModel, kohya_modules, load_base
from base_models.families.known import FAMILIES
from base_models.public_models import on_meta
from eval.rendering.cell_lora import lora_of
from eval.rendering.patching import PatchedModel
from eval.request.cells import Cell, Checkpoint, Use
from foundation.files import sha256_of
from grid import checkpoints, peer_of
from loras.lora_file import LoraModule
from loras.weights import Weights
from this_machine.words import machine_in_words

RANK, FORWARDS, CHANGES = 128, 60, 1000
HALF_SDXL = {"block_out_channels": (160, 320, 640), "attention_head_dim": (5, 5, 10)}


@dataclass(frozen=True)
class Shape:
    """A family at a size: `latents` its side in latents; `changes` of the UNet's public configuration when measured."""

    family: str
    latents: int
    changes: dict[str, Any]


SHAPES = {"sd15": Shape("sd1", 64, {}), "sdxl": Shape("sdxl", 128, HALF_SDXL)}


def targets(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Weights that kohya trains by default: transformers and text encoders, no 3x3 convolutions."""
    chosen = {}
    for name, module in modules.items():
        inside = "_attentions_" in name or "_transformer_blocks_" in name or name.startswith("lora_te")
        if inside and getattr(module, "kernel_size", (1, 1)) == (1, 1):
            chosen[name] = module.get_parameter("weight")
    return chosen


def forward(unet: UNet2DConditionModel, latents: int) -> None:
    """One UNet forward of one picture."""
    config: Any = unet.config
    place = {"device": unet.device, "dtype": unet.dtype}
    added: dict[str, Any] = {}
    if config.addition_embed_type:
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = {"text_embeds": torch.zeros(1, pooled, **place), "time_ids": torch.zeros(1, 6, **place)}
    text = torch.zeros(1, 77, config.cross_attention_dim, **place)
    noisy = torch.zeros(1, 4, latents, latents, **place)
    with torch.no_grad():
        unet(noisy, torch.zeros(1, device=unet.device), text, added_cond_kwargs=added)


def on_paper(shape: Shape) -> float:
    """Operations of a change over those of 60 forwards, at the public width."""
    unet, encoders = on_meta(shape.family)
    with FlopCounterMode(display=False) as counter:
        forward(unet, shape.latents)
    weights = targets(kohya_modules(FAMILIES[shape.family], unet, encoders)).values()
    change = sum(weight.numel() * (2 * RANK + 3) for weight in weights)
    return change / (FORWARDS * counter.get_total_flops())


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def random_model(shape: Shape, around: BaseModel) -> BaseModel:
    """Random float32 parts of the family's shape; `around` lends what is not rendered with."""
    family = FAMILIES[shape.family]
    unet = UNet2DConditionModel(**{**family.unet, **shape.changes}).requires_grad_(False).eval()
    encoders = []
    for part in family.text:
        build = CLIPTextModelWithProjection if "projection_dim" in part.public else CLIPTextModel
        encoders.append(build(CLIPTextConfig(**part.public)).requires_grad_(False).eval())
    modules = kohya_modules(family, unet, encoders)
    return replace(around, family=family, unet=unet, text_encoders=tuple(encoders), modules=modules)


def random_lora(base: BaseModel) -> dict[str, LoraModule]:
    made = {}
    for name, weight in targets(base.modules).items():
        out, ins, *kernel = weight.shape
        down, up = torch.randn(RANK, ins, *kernel), torch.randn(out, RANK, *kernel)
        made[name] = LoraModule(down.half() / 100, up.half() / 100, float(RANK))
    return made


def measured(shape: Shape) -> dict[str, float]:
    """Seconds of a forward and of changes, and their ratio at worst: a whole new LoRA, nothing kept."""
    base = random_model(shape, load_base("miniature"))
    lora = random_lora(base)
    other = {name: replace(module, alpha=module.alpha / 2) for name, module in lora.items()}
    figures: dict[str, float] = {}
    for name, keeps in (("kept", True), ("new", False)):
        patched = PatchedModel(base, lambda needed, device, keeps=keeps: keeps)
        patched.put_on(lora)  # pristine copies exist from here on
        figures[name] = seconds(partial(patched.put_on, other))
        patched.take_off()
    forward(base.unet, shape.latents // 4)  # the first call makes what later ones reuse
    figures["forward"] = seconds(lambda: forward(base.unet, shape.latents))
    return {**figures, "share": figures["new"] / (FORWARDS * figures["forward"])}


def miniature_cells(folder: Path) -> list[Cell]:
    made = [Checkpoint(path, path.stem, sha256_of(path), None) for path in checkpoints(folder)]
    return [Cell(Use(one, Weights.of(unet, te)), (), "float16") for one in made for unet in (0.6, 1.0) for te in (0, 1)]


def bit_identical(cells: list[Cell]) -> int:
    """After how many changes the miniature's weights are what they were, to the bit; 0 where they are not."""
    base = load_base("miniature")
    before = {name: module.get_parameter("weight").clone() for name, module in base.modules.items()}
    patched = PatchedModel(base)
    for number in range(CHANGES):
        patched.put_on(lora_of(cells[number * 7 % len(cells)]).modules)
    patched.take_off()
    same = all(torch.equal(before[name], module.get_parameter("weight")) for name, module in base.modules.items())
    return CHANGES if same else 0


def against_fusing(cells: list[Cell]) -> float:
    """How many times faster a change is than diffusers' `fuse_lora` and `unfuse_lora`, over the miniature's cells."""
    peer = peer_of(list(dict.fromkeys(cell.use.checkpoint.path for cell in cells)), torch.float32)

    def fuse_all() -> None:
        for cell in cells:
            peer.fuse(cell)
            peer.unfuse()

    patched = PatchedModel(load_base("miniature"))

    def put_on_all() -> None:
        for cell in cells:
            patched.put_on(lora_of(cell).modules)

    fuse_all(), put_on_all()
    return seconds(fuse_all) / seconds(put_on_all)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.manual_seed(0)
    figures: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        figures[f"{name}_paper"] = round(on_paper(shape), 5)
        figures[f"{name}_seconds"] = {key: round(value, 4) for key, value in measured(shape).items()}
        figures[f"{name}_measured"] = figures[f"{name}_seconds"].pop("share")
        print(name, figures, file=sys.stderr)
        gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        cells = miniature_cells(Path(folder))
        figures["bit_identical_after"] = bit_identical(cells)
        figures["ratio_fuse"] = round(against_fusing(cells), 2)
    figures["against"] = f"60 forwards of the same UNet; diffusers {diffusers.__version__} fuse_lora"
    figures["machine"] = machine_in_words(f"{torch.get_num_threads()} threads, no GPU")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
