"""One training step on a device, for comparing: the miniature, the shipped subject, float32."""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from foundation.progress import Silent
from miniature.paths import SUBJECT
from train import work_of
from trainer.config.config import parse_config
from trainer.learning.batch_loss import Batch
from trainer.learning.batch_parts import add_gradients
from trainer.learning.processes import Processes
from trainer.running.training import make_session


def first_gradients(device: str) -> tuple[float, Tensor]:
    """Loss of the first step's first batch, and all adapters' gradients as one vector on the CPU."""
    config = parse_config(
        {
            "preset": "miniature",
            "model": {"base": "miniature", "device": device},
            "data": {"train": "Train"},
            "lora": {"rank": 16, "alpha": 16.0},
            "training": {"epochs": 1, "batch_size": 4, "optimizer": "AdamW"},
            "output": {"folder": "out", "name": "step"},
        },
        SUBJECT / "train.toml",
    )
    dataset, plan = work_of(config)
    session, _ = make_session(config, dataset, plan, device, Silent(), Processes())
    updater, step = session.updater, plan.steps[0]
    # Of adapters as they begin, one factor is zero, and so is the other's gradient: nothing would be compared.
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in updater.weights.live:
            weight.copy_((torch.randn(weight.shape, generator=draw) / 20).to(weight.device))
    batch = Batch(step, 0, step.batches[0], tuple(range(len(step.batches[0]))))
    loss = add_gradients(updater.setup, batch, updater.weights.live, 1.0)
    gradients = torch.cat([weight.grad.flatten().cpu() for weight in updater.weights.live if weight.grad is not None])
    value = float(loss.mean())
    del session, updater
    gc.collect()
    return value, gradients
