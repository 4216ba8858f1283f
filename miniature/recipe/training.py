"""One training loop for every model of the miniature: resumable at any instant, repeatable, with averaged weights."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from miniature.recipe.untyped import untyped

SAVE_EVERY_SECONDS = 120.0
# One batch's loss, from the step's own generator: a resumed run draws what the uninterrupted one would have drawn.
Loss = Callable[[torch.Generator], Tensor]


@dataclass(frozen=True)
class Course:
    """How long and how fast: one-cycle learning rate up to `rate` over `steps`; `decay` of the averaged weights."""

    name: str
    steps: int
    rate: float
    warm_up: float = 0.05
    weight_decay: float = 1e-3
    decay: float = 0.999
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a finished course says of itself; it goes into the record beside the weights."""

    steps: int
    seconds: float
    loss: float
    seed: int


def run_course(course: Course, model: nn.Module, loss_of: Loss, work: Path, begun: int = 0) -> Outcome:
    """Train `model` in place, leaving the averaged weights in it. State lands in `work` every two minutes.

    Without state there, `begun` steps count as done already: `model` holds weights that an earlier sitting shipped.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=course.rate, betas=(0.9, 0.98), weight_decay=course.weight_decay, fused=True
    )
    average = {key: value.detach().clone() for key, value in model.state_dict().items()}
    path = work / f"{course.name}.state.pt"
    start, seconds, smooth = begun, 0.0, float("nan")
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, start, seconds, smooth = state["average"], state["step"], state["seconds"], state["loss"]
        print(f"{course.name}: resuming after step {start}", flush=True)

    def save(step: int, spent: float) -> None:
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
                "step": step,
                "seconds": spent,
                "loss": smooth,
            },
            partial,
        )
        os.replace(partial, path)

    model.train()
    began = saved = time.monotonic()
    for step in range(start, course.steps):
        for group in optimizer.param_groups:
            group["lr"] = course.rate * one_cycle(step / course.steps, course.warm_up)
        loss = loss_of(torch.Generator().manual_seed(course.seed * 10_000_019 + step))
        optimizer.zero_grad()
        untyped(loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        untyped(optimizer).step()
        _average_in(average, model, min(course.decay, (1 + step) / (10 + step)))
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        spent = seconds + time.monotonic() - began
        if step % 100 == 0 or step == course.steps - 1:
            left = (time.monotonic() - began) / (step + 1 - start) * (course.steps - step - 1) / 60
            print(f"{course.name}: step {step} loss {smooth:.5f}, {left:.0f} min left", flush=True)
        if time.monotonic() - saved > SAVE_EVERY_SECONDS or step == course.steps - 1:
            save(step + 1, spent)
            saved = time.monotonic()
    model.load_state_dict(average)
    model.eval()
    return Outcome(course.steps, round(seconds + time.monotonic() - began), smooth, course.seed)


def one_cycle(progress: float, warm_up: float) -> float:
    """Share of the peak learning rate at `progress` (0..1): half a cosine up over `warm_up`, half a cosine down to 0.

    Smith & Topin 2018, "Super-Convergence"; the shape is that of torch's OneCycleLR. A pure function of the step, so
    that a resumed course needs no schedule of its own.
    """
    if progress < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm_up)) / 2
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


@torch.no_grad()
def _average_in(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for key, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def as_input(pixels: Tensor) -> Tensor:
    """(N, 64, 64, 3) uint8 to (N, 3, 64, 64) float in -1..1."""
    return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()
