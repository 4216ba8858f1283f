"""One update of the adapters: gradients, candidate weights, and the flag that lets them through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from base_models.threads import on_threads
from foundation.typed.typed_torch import listed
from trainer.data.plan import Step
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.learning.batch_loss import Batch, TrainingSetup, text_learns
from trainer.learning.batch_parts import add_gradients
from trainer.learning.norm_limit import NormLimit
from trainer.learning.processes import Processes
from trainer.learning.run_state import RunState


@dataclass(frozen=True)
class Limits:
    """The loss and the norm of the gradient beyond which a step explodes."""

    loss: float = inf
    gradient: float = inf


@dataclass(frozen=True)
class Updater:
    """What an update works with: `rates` gives each of the optimizer's groups its learning rate at a step.

    `max_grad_norm` is what gradients are clipped to; 0 leaves them as they are. `scales_loss`: gradients are made of
    the loss times the state's `loss_scale`, because float16 loses those below 6e-8, and then divided by it. `norms`
    holds the candidates. `learned` is what was found out of which live weights learn, by whether the text encoders do.
    """

    setup: TrainingSetup
    weights: GuardedWeights
    optimizer: torch.optim.Optimizer
    rates: Callable[[Step], Sequence[float]]
    max_grad_norm: float
    processes: Processes
    scales_loss: bool = False
    norms: NormLimit | None = None
    learned: dict[bool, list[bool]] = field(default_factory=dict)


def update(updater: Updater, step: Step, run_state: RunState, limits: Limits, sound: Tensor) -> Tensor:
    """Make one update, unless it is broken; returns (3,) loss, norm of the gradient, and whether it was let through.

    `run_state` says what rollbacks left of the learning rates, and which samples are left out. `sound` (a flag,
    0-dim, on the device) says whether all updates before were: after a broken one none is made. Nothing here waits
    for the device. The loss is the mean over the step's batches.
    """
    for group, rate in zip(updater.optimizer.param_groups, updater.rates(step), strict=True):
        group["lr"] = rate * run_state.rate
    scale = run_state.loss_scale if updater.scales_loss else 1.0
    loss = accumulate_gradients(updater, step, run_state.left_out, scale)
    with on_threads(1):
        return _stepped(updater, step, run_state, limits, sound & loss.isfinite(), loss)


def _stepped(updater: Updater, step: Step, run_state: RunState, limits: Limits, sound: Tensor, loss: Tensor) -> Tensor:
    """Step from the gradients that there are; what `update` returns."""
    gradients = updater.weights.gradients()
    # Of no gradients, where all pictures are left out, it is the CPU's.
    norm = get_total_norm(gradients).to(loss.device)
    if updater.max_grad_norm > 0:
        clip_grads_with_norm_(updater.weights.candidates, updater.max_grad_norm, norm)
    # Comparisons with NaN are false, so what is not finite does not pass either.
    allowed = sound & (loss <= limits.loss) & (norm <= limits.gradient) & norm.isfinite()
    updater.optimizer.step()
    if run_state.rate != 1 and any(group.get("relative_step") for group in updater.optimizer.param_groups):
        updater.weights.shorten(run_state.rate)  # Adafactor's own steps, which no learning rate reaches
    if updater.norms:
        updater.norms.hold()
    accepted = updater.weights.accept(allowed)
    updater.weights.average(accepted, step.number)
    return torch.stack([loss, norm, accepted.float()])


def accumulate_gradients(updater: Updater, step: Step, left_out: Collection[int], scale: float = 1.0) -> Tensor:
    """Leave the step's gradients, over all processes, on the live weights; returns the mean loss (0-dim).

    They are made of `scale` times the loss and divided by it again, which a power of two leaves exact.
    """
    weights = updater.weights
    weights.clear_gradients()
    total = torch.zeros((), device=weights.live[0].device)
    for number, samples in updater.processes.share(step.batches):
        kept = tuple(place for place, sample in enumerate(samples) if sample not in left_out)
        if kept:
            # An epoch's last group may be short of batches; its mean is over those it has.
            batch, share = Batch(step, number, samples, kept), 1 / len(step.batches)
            total += share * add_gradients(updater.setup, batch, weights.live, scale * share)
    for parameter in weights.live if scale != 1 else ():
        parameter.grad = None if parameter.grad is None else parameter.grad / scale
    if updater.processes.count > 1:
        learned = _learned_somewhere(updater, step)
        for parameter in learned:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        updater.processes.add_up([total, *(parameter.grad for parameter in learned if parameter.grad is not None)])
    return total


def _learned_somewhere(updater: Updater, step: Step) -> list[nn.Parameter]:
    """Live weights of which some process has a gradient. The others get none: on one of zeros momentum would go on.

    Which they are hangs on whether the text encoders learn, and is asked once for either answer, since asking waits for
    the device; a process without a batch of its own knows nothing. With module dropout it is asked at every step.
    """
    live, phase = updater.weights.live, text_learns(updater.setup, step)
    if not any(updater.learned.get(phase, ())) or updater.setup.draws_inside:  # or all pictures had been left out
        flags = torch.tensor([float(parameter.grad is not None) for parameter in live]).to(live[0].device)
        updater.processes.add_up([flags])
        updater.learned[phase] = [bool(flag) for flag in listed(flags)]
    return [parameter for parameter, known in zip(live, updater.learned[phase], strict=True) if known]
