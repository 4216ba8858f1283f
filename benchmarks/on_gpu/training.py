"""Training on a GPU: SD1.5's shapes, random weights, 512 px, bfloat16, rank 128 and 32, against diffusers' example.

The peer is `benchmarks/train.py`'s: a plain loop over diffusers, peft and accelerate as the DreamBooth-LoRA example
makes it, on the same modules, batches of 4 and optimizer, text encoder trained, (a) with the VAE in every step and
(b) given latents. Ours has all guards on. Each is loaded alone, warms up for a window, and is timed over `windows`.

`rank_128` and `rank_32` hold, for `guarded`, `example` and `cached`, `steps_a_second` and `peak_gib` (what torch has
allocated at most), further `ratio` and `ratio_cached` (ours over theirs), `flops_a_step` (counted by torch over one
step of ours), `share_of_peak`: those a second over what a large product of bfloat16 reaches on the same GPU in the same
run, `host_syncs`: how often the host waited for the GPU in a window's updates (the one look at a window's end is not
among them), and `guard_cost`: what all guards add to a step. `batch_1_checkpointed_gib` is the peak at batch 1 with
gradient checkpointing at rank 128.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.flop_counter import FlopCounterMode

from base_models.threads import on_threads
from foundation.progress import Silent
from miniature.paths import SUBJECT
from on_gpu.bench import Bench, say, tried
from on_gpu.random_bases import random_base
from train import Block, Peer, as_the_example, guarded, unguarded, windows, with_latents, work_of
from trainer.config.config import TrainConfig, parse_config
from trainer.data.plan import Plan, Step
from trainer.guarding.update import Limits, update
from trainer.learning.batch_loss import Batch
from trainer.learning.batch_parts import add_gradients
from trainer.learning.processes import Processes
from trainer.learning.run_state import RunState
from trainer.running.execution import STEPS_A_WINDOW
from trainer.running.session import Session
from trainer.running.training import make_session

RANKS, WINDOWS = (128, 32), 3


@dataclass(frozen=True)
class Setting:
    """Where and at what size it is measured."""

    bench: Bench
    resolution: int
    ranks: tuple[int, ...]
    windows: int
    steps: int  # of a window, at most

    @property
    def device(self) -> str:
        """As torch names it."""
        return self.bench.device


def setting_of(bench: Bench) -> Setting:
    """As the bar has it; of a rehearsal the least."""
    if bench.is_rehearsal:
        return Setting(bench, 64, (4,), 1, 2)
    return Setting(bench, 512, RANKS, WINDOWS, STEPS_A_WINDOW)


def turns_of(setting: Setting, plan: Plan) -> list[Sequence[Step]]:
    """The first windows of a plan: one to warm up, and those that are timed."""
    return [one[: setting.steps] for one in islice(windows(plan.steps), setting.windows + 1)]


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


def timed(make: Callable[[], Block], turns: Sequence[Sequence[Step]], setting: Setting) -> dict[str, Any]:
    """Steps a second (median of the turns after the first) and the peak of memory in training, making apart."""
    block = make()
    setting.bench.settle()
    seconds: list[float] = []
    for turn in turns:
        began = time.perf_counter()
        block(turn)
        setting.bench.wait()
        seconds.append((time.perf_counter() - began) / len(turn))
    return {"steps_a_second": round(1 / median(seconds[1:] or seconds), 3), "peak_gib": setting.bench.peak_gib()}


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
    turns = turns_of(setting, plan)
    figures: dict[str, Any] = {}

    def peer() -> Peer:
        accelerator = Accelerator(cpu=not setting.bench.on_gpu, mixed_precision="bf16")
        return Peer.of(base, config, dataset, len(plan.steps), accelerator)

    makers: dict[str, Callable[[], Block]] = {
        "guarded": lambda: guarded(session_of(config)),
        "unguarded": lambda: unguarded(session_of(config)),
        "example": lambda: as_the_example(peer()),
        "cached": lambda: with_latents(peer()),
    }
    for name, make in makers.items():
        figures[name] = timed(make, turns, setting)
        setting.bench.settle()
        say(f"rank {rank}, {name}:", figures[name])
    ours = figures["guarded"]["steps_a_second"]
    figures["ratio"] = round(ours / figures["example"]["steps_a_second"], 3)
    figures["guard_cost"] = round(figures["unguarded"]["steps_a_second"] / ours - 1, 4)
    figures["ratio_cached"] = round(ours / figures["cached"]["steps_a_second"], 3)
    session = session_of(config)
    figures["flops_a_step"] = flops_of_a_step(session, turns[0][0])
    figures["share_of_peak"] = round(figures["flops_a_step"] * ours / peak, 4)
    figures["host_syncs"] = host_syncs(session, turns[0]) if setting.bench.on_gpu else None
    del session
    setting.bench.settle()
    return figures


def checkpointed(base: Path, setting: Setting) -> dict[str, Any]:
    """Ours at batch 1 with gradient checkpointing, at the largest rank."""
    config = config_of(base, setting, max(setting.ranks), 1, checkpointing=True)
    turns = turns_of(setting, work_of(config)[1])[:2]
    return timed(lambda: guarded(session_of(config)), turns, setting)


def measured(bench: Bench, folder: Path) -> Iterator[tuple[str, Any]]:
    """Figure by figure: a rank that fails loses no other."""
    setting = setting_of(bench)
    base = random_base(folder / "base", "sd1", bench, torch.float32)
    peak = bench.peak_flops()
    for rank in setting.ranks:
        yield f"rank_{rank}", tried(lambda rank=rank: at_rank(base, setting, rank, peak))
        bench.settle()
    yield "batch_1_checkpointed_gib", tried(lambda: checkpointed(base, setting)["peak_gib"])
