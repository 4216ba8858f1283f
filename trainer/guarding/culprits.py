"""Which pictures broke a step: each is tried alone, with the noise and the timestep that it had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite

from torch.nn.utils import get_total_norm

from foundation.typed.typed_torch import backward
from foundation.wording.said import say
from trainer.data.plan import Step
from trainer.guarding.update import Limits, Updater
from trainer.learning.batch_loss import Batch, batch_losses

# Pictures from elsewhere in the data, tried as well: where most break, it is not the pictures.
CONTROLS = 4


@dataclass(frozen=True)
class Culprits:
    """Samples that break alone, with what is wrong with each; `everything_breaks` where most pictures do."""

    faults: dict[int, str]
    everything_breaks: bool


def find_culprits(updater: Updater, step: Step, left_out: Collection[int], limits: Limits) -> Culprits:
    """Try the pictures of a step that broke, at the weights before it. Gradients are gone afterwards."""
    own = {sample: (number, place) for number, one in enumerate(step.batches) for place, sample in enumerate(one)}
    faults: dict[int, str] = {}
    for sample, (number, place) in own.items():
        if sample in left_out:
            continue
        batch = Batch(step, number, step.batches[number], (place,))
        if fault := _try(updater, batch, sample, limits):
            faults[sample] = fault
    others = [at for at in range(len(updater.setup.inputs.names)) if at not in own and at not in left_out]
    controls = [_try(updater, Batch(step, at, (at,), (0,)), at, limits) for at in others[:CONTROLS]]
    tried = len([sample for sample in own if sample not in left_out]) + len(controls)
    # Where most pictures break, wherever they come from, it is the weights that break them.
    everything = tried > 1 and 2 * (len(faults) + sum(fault is not None for fault in controls)) > tried
    updater.weights.clear_gradients()
    # A latent that is broken is broken, whatever else is.
    latents = updater.setup.inputs.latents
    named = {
        sample: fault for sample, fault in faults.items() if not everything or not latents[sample].isfinite().all()
    }
    return Culprits(named, everything and not named)


def _try(updater: Updater, batch: Batch, sample: int, limits: Limits) -> str | None:
    if not updater.setup.inputs.latents[sample].isfinite().all():
        return say("its latent is not finite")
    updater.weights.clear_gradients()
    loss = batch_losses(updater.setup, batch).mean()
    backward(loss)
    norm, value = get_total_norm(updater.weights.gradients()).item(), loss.item()
    if not isfinite(value):
        return say("its loss is not finite")
    if not isfinite(norm):
        return say("its gradient is not finite")
    if value > limits.loss or norm > limits.gradient:
        return say(
            "its loss is {loss} (limit {limit}), its gradient {norm} (limit {norm_limit})",
            loss=f"{value:.3g}",
            limit=f"{limits.loss:.3g}",
            norm=f"{norm:.3g}",
            norm_limit=f"{limits.gradient:.3g}",
        )
    return None
