"""A batch's gradients from parts of it, side by side on a CPU's cores.

torch spreads every operation over all threads and has them meet after each. A small model's step has thousands of
operations too small for that: where OpenMP's threads sleep while they wait, two of them gain less than nothing.
Samples meet only in the sum of their losses, so each thread takes some of them through the whole model.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial

import torch
from torch import Tensor, nn

from foundation.typed.typed_torch import backward, manual_seed
from trainer.learning.batch_loss import (
    Batch,
    TrainingSetup,
    UnetInputs,
    batch_seed,
    losses_of,
    text_learns,
    unet_inputs_of,
)

Gradients = tuple[Tensor | None, ...]


def add_gradients(setup: TrainingSetup, batch: Batch, parameters: Sequence[nn.Parameter], factor: float) -> Tensor:
    """Add the gradients of `factor` times the batch's mean loss to those of `parameters`; returns that mean (0-dim)."""
    question, learns = unet_inputs_of(setup, batch), text_learns(setup, batch.step)
    threads = torch.get_num_threads()
    parts = question.cut(threads if _may_be_cut(setup) else 1)
    if len(parts) == 1:
        manual_seed(batch_seed(setup, batch))  # for what draws inside the model, such as dropout
        loss = losses_of(setup, question, text_learns=learns).mean()
        backward(loss * factor)
        return loss.detach()
    setup.reader.make_ready(question.captions)  # tokenizers are not for several threads
    work = partial(_part, setup, learns, parameters, factor / len(question.samples), threads // len(parts))
    try:
        tasks = [_workers(len(parts)).submit(work, part) for part in parts]
        wait(tasks)
        found = [task.result() for task in tasks]
    finally:
        torch.set_num_threads(threads)
    for gradients in zip(parameters, *(one for _, one in found), strict=True):
        _add(*gradients)
    return torch.cat([losses for losses, _ in found]).mean()


def _may_be_cut(setup: TrainingSetup) -> bool:
    """Dropout draws from the one generator that all threads share; without it, parts do not know of each other."""
    return setup.base.device.type == "cpu" and not setup.draws_inside


def _part(
    setup: TrainingSetup,
    learns: bool,
    parameters: Sequence[nn.Parameter],
    factor: float,
    threads: int,
    part: UnetInputs,
) -> tuple[Tensor, Gradients]:
    torch.set_num_threads(threads)
    losses = losses_of(setup, part, text_learns=learns)
    return losses.detach(), torch.autograd.grad(losses.sum() * factor, list(parameters), allow_unused=True)


def _add(parameter: nn.Parameter, *gradients: Tensor | None) -> None:
    """In the parts' order, whichever was ready first: the sum has the same bits every time."""
    for gradient in gradients:
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="batch-part")
