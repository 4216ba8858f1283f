"""Training on a GPU: SD1.5's shapes, random weights, 512 px, bfloat16, rank 128 and 32, against diffusers' example.

The peer is `benchmarks/train.py`'s: a plain loop over diffusers, peft and accelerate as the DreamBooth-LoRA example
makes it, on the same modules, batches of 4 and optimizer, text encoder trained, (a) with the VAE in every step and
(b) given latents. Ours has all guards on. Each is loaded alone, warms up for a window, and is timed over `--windows`.

The last line is one JSON object. `rank_128` and `rank_32` hold, for `guarded`, `example` and `cached`, `steps_a_second`
and `peak_gib` (what torch has allocated at most), further `ratio` and `ratio_cached` (ours over theirs), `flops_a_step`
(counted by torch over one step of ours) and `share_of_peak`: those a second over what a large product of bfloat16
reaches on the same GPU in the same run (`peak_tflops`). `batch_1_checkpointed_gib` is the peak at batch 1 with gradient
checkpointing at rank 128; `host_syncs` how often the host waited for the GPU in a window's updates (the one look at a
window's end is not among them). Without a GPU nothing is measured, and the line says so; `--rehearse` goes all the way
on a CPU with a tiny model, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import peft
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from base_models.families.known import FAMILIES
from base_models.threads import on_threads
from foundation.command_line import quieten
from foundation.progress import Silent
from miniature.paths import SUBJECT, folder_of
from train import Block, Peer, as_the_example, guarded, windows, with_latents, work_of
from trainer.config.config import TrainConfig, parse_config
from trainer.data.plan import Step
from trainer.guarding.update import Limits, update
from trainer.learning.batch_loss import Batch
from trainer.learning.batch_parts import add_gradients
from trainer.learning.processes import Processes
from trainer.learning.run_state import RunState
from trainer.running.session import Session
from trainer.running.training import make_session

RANKS, GIB = (128, 32), 2**30
SD1 = FAMILIES["sd1"]
# What a rehearsal changes of the public configurations.
TINY_UNET = {
    "block_out_channels": (16, 16, 16, 16),
    "norm_num_groups": 8,
    "cross_attention_dim": 32,
    "attention_head_dim": 2,
}
TINY_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_VAE = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}


@dataclass(frozen=True)
class Setting:
    """Where and at what size it is measured; `changes` are those of UNet, text encoder and VAE."""

    device: str
    resolution: int
    ranks: tuple[int, ...]
    windows: int
    changes: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"


def random_base(folder: Path, setting: Setting) -> Path:
    """A whole SD1.5 in diffusers' layout: public shapes, random weights, CLIP's tokenizer."""
    unet, text, vae = setting.changes
    clip = CLIPTextConfig(**{**SD1.text[0].public, **text})
    StableDiffusionPipeline(
        vae=AutoencoderKL(**{**SD1.vae, **vae}),
        text_encoder=CLIPTextModel(clip),
        tokenizer=CLIPTokenizer.from_pretrained(folder_of("base", "miniature") / "tokenizer"),
        unet=UNet2DConditionModel(**{**SD1.unet, **unet}),
        scheduler=DDPMScheduler(**SD1.schedule),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def config_of(base: Path, setting: Setting, rank: int, batch: int, checkpointing: bool) -> TrainConfig:
    """The shipped subject's pictures, scaled up; AdamW, which the peer has too."""
    return parse_config(
        {
            "preset": "portrait",
            "model": {
                "base": str(base),
                "device": setting.device,
                "dtype": "bfloat16",
                "gradient_checkpointing": checkpointing,
            },
            "data": {"train": "Train", "reg": "Reg", "resolution": setting.resolution, "enable_bucket": False},
            "lora": {"rank": rank, "alpha": float(rank)},
            "training": {"epochs": 4, "batch_size": batch, "optimizer": "AdamW"},
            "output": {"folder": str(base / "out"), "name": "random"},
        },
        SUBJECT / "train.toml",
    )


def session_of(config: TrainConfig) -> Session:
    dataset, plan = work_of(config)
    session, _ = make_session(config, dataset, plan, config.model.device, Silent(), Processes())
    return session


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def settled(setting: Setting) -> None:
    """Nothing is under way, and nothing lies about."""
    gc.collect()
    if setting.on_gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def timed(make: Callable[[], Block], turns: Sequence[Sequence[Step]], setting: Setting) -> dict[str, Any]:
    """Steps a second (median of the turns after the first) and the peak of memory in training, making apart."""
    block = make()
    settled(setting)
    seconds: list[float] = []
    for turn in turns:
        began = time.perf_counter()
        block(turn)
        if setting.on_gpu:
            torch.cuda.synchronize()
        seconds.append((time.perf_counter() - began) / len(turn))
    peak = round(torch.cuda.max_memory_allocated() / GIB, 2) if setting.on_gpu else None
    return {"steps_a_second": round(1 / median(seconds[1:] or seconds), 3), "peak_gib": peak}


def peak_tflops(setting: Setting) -> float:
    """What a large product of bfloat16 reaches here, in 10^12 operations a second."""
    side = 8192 if setting.on_gpu else 256
    one, other = (torch.randn(side, side, device=setting.device, dtype=torch.bfloat16) for _ in range(2))
    seconds: list[float] = []
    for _ in range(12):
        settled(setting)
        began = time.perf_counter()
        torch.mm(one, other)
        if setting.on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds) / 1e12


def flops_of_a_step(session: Session, step: Step) -> float:
    """As torch counts those of a step's forward and backward; without the optimizer's."""
    batch = Batch(step, 0, step.batches[0], tuple(range(len(step.batches[0]))))
    with on_threads(1), FlopCounterMode(display=False) as counter:  # it does not see into other threads
        add_gradients(session.updater.setup, batch, session.updater.weights.live, 1.0)
    session.updater.weights.clear_gradients()
    return counter.get_total_flops()


def host_syncs(session: Session, steps: Sequence[Step]) -> int:
    """How often the host waits for the GPU in the updates of these steps, as torch's own debug mode sees it."""
    sound = torch.ones((), dtype=torch.bool, device=session.updater.weights.live[0].device)
    for step in steps:  # the first time, kernels are loaded
        update(session.updater, step, RunState(), Limits(), sound)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for step in steps:
                update(session.updater, step, RunState(), Limits(), sound)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = [str(one.message) for one in caught if "synchron" in str(one.message)]
    say("host syncs:", len(found), sorted({f"{one.filename}:{one.lineno}" for one in caught}))
    return len(found)


def at_rank(base: Path, setting: Setting, rank: int, peak: float) -> dict[str, Any]:
    """Ours and both peers at a rank, one after the other."""
    config = config_of(base, setting, rank, 4, checkpointing=False)
    dataset, plan = work_of(config)
    turns = list(islice(windows(plan.steps), setting.windows + 1))
    figures: dict[str, Any] = {}

    def peer() -> Peer:
        accelerator = Accelerator(cpu=not setting.on_gpu, mixed_precision="bf16")
        return Peer.of(base, config, dataset, len(plan.steps), accelerator)

    makers: dict[str, Callable[[], Block]] = {
        "guarded": lambda: guarded(session_of(config)),
        "example": lambda: as_the_example(peer()),
        "cached": lambda: with_latents(peer()),
    }
    for name, make in makers.items():
        figures[name] = timed(make, turns, setting)
        settled(setting)
        say(f"rank {rank}, {name}:", figures[name])
    ours = figures["guarded"]["steps_a_second"]
    figures["ratio"] = round(ours / figures["example"]["steps_a_second"], 3)
    figures["ratio_cached"] = round(ours / figures["cached"]["steps_a_second"], 3)
    session = session_of(config)
    figures["flops_a_step"] = flops_of_a_step(session, turns[0][0])
    figures["share_of_peak"] = round(figures["flops_a_step"] * ours / 1e12 / peak, 4)
    figures["host_syncs"] = host_syncs(session, turns[0]) if setting.on_gpu else None
    del session
    settled(setting)
    return figures


def checkpointed(base: Path, setting: Setting) -> dict[str, Any]:
    """Ours at batch 1 with gradient checkpointing, at the largest rank."""
    config = config_of(base, setting, max(setting.ranks), 1, checkpointing=True)
    turns = list(islice(windows(work_of(config)[1].steps), 2))
    return timed(lambda: guarded(session_of(config)), turns, setting)


def measured(setting: Setting) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        say("making a random model")
        base = random_base(Path(folder) / "base", setting)
        figures["peak_tflops"] = round(peak := peak_tflops(setting), 4)
        for rank in setting.ranks:
            figures[f"rank_{rank}"] = at_rank(base, setting, rank, peak)
            print(json.dumps(figures), flush=True)  # a borrowed machine may be taken away
        figures["batch_1_checkpointed_gib"] = checkpointed(base, setting)["peak_gib"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=3, help="timed windows of 8 steps each, after one to warm up")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with a tiny model: no figure means anything")
    asked = parser.parse_args()
    quieten()
    torch.manual_seed(0)
    if asked.rehearse:
        setting = Setting("cpu", 64, (4,), 1, (TINY_UNET, TINY_TEXT, TINY_VAE))
        figures: dict[str, Any] = {"rehearsal": True, **measured(setting)}
    elif torch.cuda.is_available():
        figures = measured(Setting("cuda", 512, RANKS, asked.windows))
        figures["machine"] = torch.cuda.get_device_name()
    else:
        figures = {"not_measured": "there is no CUDA device here: steps a second, memory and share of the peak"}
    figures["against"] = f"diffusers {diffusers.__version__}, peft {peft.__version__}, as train_dreambooth_lora.py"
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
