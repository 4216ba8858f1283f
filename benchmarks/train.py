"""Training steps a second on the miniature: ours against a loop as diffusers' DreamBooth-LoRA example makes it.

The peer is a plain loop over diffusers, peft and accelerate on the same modules, batches and optimizer, text encoder
trained: (a) as the example does it, pictures read, encoded by the VAE and captions tokenized in every step; (b) given
latents made beforehand. The peers run in processes of their own, which ours sleeps beside, so that nothing which we
set for a whole process (memory that stays, threads) reaches them. Ours has all guards on (windows looked at, candidate
weights, snapshots), then none, for their cost. All take turns of a window of steps, ours twice in every turn, in the
order guarded, unguarded, the peers, unguarded, guarded, so that a drift of the machine meets all alike. Each figure is
the median of the turns' own ratios, and `guard_cost_quartiles` says how far those of the guards' cost lie apart.

How OpenMP's threads wait decides much for the peers. `ratio` and `ratio_cached` are against peers whose threads sleep
(OMP_WAIT_POLICY=passive), as our commands have it and as is wise beside other work; `against_spinning` has both against
peers whose threads spin, as OpenMP has it by itself, which is fastest on a machine with nothing else to do. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

if __name__ == "__main__":  # as our commands do, before torch is loaded; the peers' processes have what they are given
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import diffusers
import numpy as np
import peft
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.optimization import get_scheduler
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from base_models.base_model import load_base
from base_models.threads import on_threads
from foundation.command_line import quieten
from foundation.progress import Silent
from miniature.paths import SUBJECT, folder_of
from this_machine.words import machine_in_words
from trainer.config.config import TrainConfig, read_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import Dataset, Sample, read_dataset
from trainer.data.plan import Plan, Step, make_plan
from trainer.guarding.guarded_steps import GuardedSteps
from trainer.guarding.state_file import take_snapshot
from trainer.learning.adapters import text_encoder_targets, unet_targets
from trainer.learning.batch_loss import Batch
from trainer.learning.batch_parts import add_gradients
from trainer.learning.run_state import RunState
from trainer.running.execution import STEPS_A_WINDOW
from trainer.running.session import Session, prepare

Block = Callable[[Sequence[Step]], None]


def our_session(config: TrainConfig, dataset: Dataset) -> Session:
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    return prepare(config, dataset, plan, load_base(config.model.base), Silent())


def guarded(session: Session) -> Block:
    snapshot = take_snapshot(RunState(), session.updater.weights, session.updater.optimizer)
    steps = GuardedSteps(session.updater, session.gauge, session.config.guards, RunState(), lambda: snapshot)

    def block(window: Sequence[Step]) -> None:
        steps.make(window)

    return block


def unguarded(session: Session) -> Block:
    """The same optimizer and clipping, stepped without a look at anything."""
    updater, live = session.updater, session.updater.weights.live
    optimizer = torch.optim.AdamW([{"params": live}], fused=True)

    def block(window: Sequence[Step]) -> None:
        for step in window:
            for group in optimizer.param_groups:
                group["lr"] = updater.rates(step)[0]
            optimizer.zero_grad(set_to_none=True)
            for number, samples in enumerate(step.batches):
                batch = Batch(step, number, samples, tuple(range(len(samples))))
                add_gradients(updater.setup, batch, live, 1 / len(step.batches))
            with on_threads(1):
                if updater.max_grad_norm > 0:
                    clip_grad_norm_(live, updater.max_grad_norm)
                optimizer.step()

    return block


@dataclass
class Peer:
    """diffusers' modules with peft's adapters on them, an optimizer and a schedule, all prepared by accelerate."""

    accelerator: Accelerator
    tokenizer: Any
    text_encoder: Any
    vae: Any
    unet: Any
    noise: Any
    optimizer: Any
    schedule: Any
    samples: tuple[Sample, ...]
    side: int

    @classmethod
    def of(cls, folder: Path, config: TrainConfig, dataset: Dataset, steps: int, accelerator: Accelerator) -> Peer:
        """The base model in `folder`, its frozen weights in the accelerator's precision, the adapters in float32."""
        pipeline: Any = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        unet, text, lora = pipeline.unet, pipeline.text_encoder, config.lora
        dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
        for model in (unet, text, pipeline.vae):
            model.requires_grad_(False)
            model.to(accelerator.device, dtype)
        for model, targets in ((unet, unet_targets(unet)), (text, text_encoder_targets(text))):
            model.add_adapter(
                LoraConfig(r=lora.rank, lora_alpha=lora.alpha, init_lora_weights="gaussian", target_modules=targets)
            )
        cast_training_params([unet, text], dtype=torch.float32)
        learned = [one for model in (unet, text) for one in model.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(learned, lr=config.training.unet_lr)
        schedule = get_scheduler("cosine_with_restarts", optimizer, None, 0, steps)
        unet, text, optimizer, schedule = accelerator.prepare(unet, text, optimizer, schedule)
        unet.train()
        text.train()
        noise = DDPMScheduler.from_config(pipeline.scheduler.config)
        return cls(
            accelerator,
            pipeline.tokenizer,
            text,
            pipeline.vae,
            unet,
            noise,
            optimizer,
            schedule,
            dataset.samples,
            config.data.resolution,
        )

    def pixels(self, samples: Sequence[int]) -> Tensor:
        pictures = [ImageOps.fit(Image.open(self.samples[at].path).convert("RGB"), (self.side,) * 2) for at in samples]
        stacked = np.stack([np.asarray(picture, dtype=np.float32) for picture in pictures])
        return torch.from_numpy(stacked).permute(0, 3, 1, 2) / 127.5 - 1

    @torch.no_grad()
    def latents(self, samples: Sequence[int]) -> Tensor:
        pixels = self.pixels(samples).to(self.accelerator.device, self.vae.dtype)
        return self.vae.encode(pixels).latent_dist.sample() * self.vae.config.scaling_factor

    def tokens(self, samples: Sequence[int]) -> Tensor:
        captions = [self.samples[at].caption for at in samples]
        length = self.tokenizer.model_max_length
        encoded = self.tokenizer(
            captions, truncation=True, padding="max_length", max_length=length, return_tensors="pt"
        )
        return encoded.input_ids.to(self.accelerator.device)

    def learn(self, latents: Tensor, tokens: Tensor) -> float:
        noise = torch.randn_like(latents)
        steps = self.noise.config.num_train_timesteps
        timesteps = torch.randint(0, steps, (len(latents),), device=latents.device).long()
        noisy = self.noise.add_noise(latents, noise, timesteps)
        words = self.text_encoder(tokens)[0]
        predicted = self.unet(noisy, timesteps, words, return_dict=False)[0]
        loss = mse_loss(predicted.float(), noise.float(), reduction="mean")
        self.accelerator.backward(loss)
        if self.accelerator.sync_gradients:
            learned = [one for group in self.optimizer.param_groups for one in group["params"]]
            self.accelerator.clip_grad_norm_(learned, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.detach().item()


def as_the_example(peer: Peer) -> Block:
    def block(window: Sequence[Step]) -> None:
        for step in window:
            for samples in step.batches:
                peer.learn(peer.latents(samples), peer.tokens(samples))

    return block


def with_latents(peer: Peer) -> Block:
    latents = [peer.latents([at])[0] for at in range(len(peer.samples))]

    def block(window: Sequence[Step]) -> None:
        for step in window:
            for samples in step.batches:
                peer.learn(torch.stack([latents[at] for at in samples]), peer.tokens(samples))

    return block


def windows(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Whole windows of full batches, so that every block is the same amount of work."""
    size = len(steps[0].batches[0])
    full = [step for step in steps if all(len(batch) == size for batch in step.batches)]
    yield from (
        full[start : start + STEPS_A_WINDOW] for start in range(0, len(full) - STEPS_A_WINDOW + 1, STEPS_A_WINDOW)
    )


PEERS = ("example", "cached")
SPINNING = "spinning "  # before a peer's name
ORDER = ("guarded", "unguarded", *PEERS, *(SPINNING + name for name in PEERS), "unguarded", "guarded")


def timed(block: Block, window: Sequence[Step]) -> float:
    """Seconds a step."""
    began = time.perf_counter()
    block(window)
    return (time.perf_counter() - began) / len(window)


def serve_peers(connection: Connection, config: TrainConfig, threads: int) -> None:
    """The peers' process: told a peer and a turn, answers with seconds a step."""
    torch.set_num_threads(threads)
    dataset, plan = work_of(config)
    turns = list(windows(plan.steps))
    example, cached = (
        Peer.of(folder_of("base", "miniature"), config, dataset, len(plan.steps), Accelerator(cpu=True)) for _ in PEERS
    )
    blocks = {"example": as_the_example(example), "cached": with_latents(cached)}
    connection.send("ready")
    while (asked := connection.recv()) is not None:
        name, turn = asked
        connection.send(timed(blocks[name], turns[turn]))


@contextmanager
def peers(config: TrainConfig, policy: str | None) -> Iterator[dict[str, Callable[[int], float]]]:
    """A function of a turn for each peer; both live in one process of their own, under that OMP_WAIT_POLICY."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_peers, args=(theirs, config, torch.get_num_threads()), daemon=True)
    os.environ.pop("OMP_WAIT_POLICY", None)
    if policy is not None:
        os.environ["OMP_WAIT_POLICY"] = policy
    process.start()
    theirs.close()
    ours.recv()

    def asked(name: str, turn: int) -> float:
        ours.send((name, turn))
        return ours.recv()

    try:
        yield {name: partial(asked, name) for name in PEERS}
    finally:
        ours.send(None)
        process.join()


def seconds_of(blocks: dict[str, Callable[[int], float]], turns: int) -> list[dict[str, float]]:
    """Seconds a step of each block, a turn each; a turn before the first warms up."""
    found: list[dict[str, float]] = []
    for turn in [0, *range(turns)]:
        spent: dict[str, list[float]] = {name: [] for name in blocks}
        for name in ORDER:
            spent[name].append(blocks[name](turn))
        found.append({name: fmean(each) for name, each in spent.items()})
        print(turn, {name: round(one, 4) for name, one in found[-1].items()}, file=sys.stderr)
    return found[1:]


def work_of(config: TrainConfig) -> tuple[Dataset, Plan]:
    """The configuration's pictures, and the steps that they make."""
    dataset = read_dataset(config.data.train, config.data.reg)
    return dataset, make_plan(dataset, config.training, frames_of(dataset, config.data))


def ratios(turns: Sequence[dict[str, float]], of: str, to: str) -> list[float]:
    return [turn[of] / turn[to] for turn in turns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=8, help=f"turns of {STEPS_A_WINDOW} steps each")
    turns = parser.parse_args().turns
    if turns < 2:
        parser.error("--turns: quartiles take two at least")
    quieten()
    config = read_config(SUBJECT / "train.toml")
    # With reg pictures, which the shipped run goes without: they are part of what a step costs.
    data = config.data.model_copy(update={"reg": SUBJECT / "Reg"})
    training = config.training.model_copy(update={"epochs": 4})
    config = config.model_copy(update={"data": data, "training": training})
    dataset, plan = work_of(config)
    each = list(windows(plan.steps))
    ours = {"guarded": guarded(our_session(config, dataset)), "unguarded": unguarded(our_session(config, dataset))}
    with peers(config, "passive") as theirs, peers(config, None) as spinning:
        blocks = {name: lambda turn, block=block: timed(block, each[turn]) for name, block in ours.items()}
        alike = {SPINNING + name: one for name, one in spinning.items()}
        found = seconds_of({**blocks, **theirs, **alike}, min(turns, len(each)))
    cost = [one - 1 for one in ratios(found, "guarded", "unguarded")]
    figures = {
        "ratio": round(median(ratios(found, "example", "guarded")), 3),
        "ratio_cached": round(median(ratios(found, "cached", "guarded")), 3),
        "guard_cost": round(median(cost), 4),
        "guard_cost_quartiles": [round(one, 4) for one in quantiles(cost, n=4)[::2]],
        "seconds_a_step": {name: round(median(turn[name] for turn in found), 4) for name in found[0]},
        "turns": len(found),
        "against_spinning": {
            "ratio": round(median(ratios(found, SPINNING + "example", "guarded")), 3),
            "ratio_cached": round(median(ratios(found, SPINNING + "cached", "guarded")), 3),
        },
        "batch": config.training.batch_size,
        "against": f"diffusers {diffusers.__version__}, peft {peft.__version__}, as train_dreambooth_lora.py",
        "machine": machine_in_words(f"{torch.get_num_threads()} threads, no GPU"),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
