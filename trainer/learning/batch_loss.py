"""What a batch loses: the forward pass through the base model with adapters on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import torch
from torch import Tensor

from base_models.base_model import BaseModel
from foundation.typed.typed_torch import manual_seed
from trainer.config.data_section import DataSection
from trainer.data.captions import varied
from trainer.data.plan import Step
from trainer.data.training_inputs import CaptionReader, TrainingInputs
from trainer.learning.losses import NoiseSchedule, Weighting, noised, sample_losses, snr_weights, target_of
from trainer.learning.noise import Noise, draw_noise


@dataclass(frozen=True)
class TrainingSetup:
    """A base model with adapters on it, and what they learn from. `dtype` is what the frozen weights are held in.

    `text_steps`: after so many steps the text encoders stay as they are. `draws_inside`: adapters have dropout. The
    inputs's first `of_subject` samples show the subject. `timesteps`: from the first up to, and without, the second.
    """

    base: BaseModel
    schedule: NoiseSchedule
    inputs: TrainingInputs
    reader: CaptionReader
    data: DataSection
    weighting: Weighting
    dtype: torch.dtype
    noise: Noise
    seed: int
    text_steps: int
    draws_inside: bool = False
    of_subject: int = 0
    timesteps: tuple[int, int] = (0, 1000)

    @property
    def drawn_timesteps(self) -> tuple[int, int]:
        """The first that is drawn, and the one after the last."""
        return self.timesteps[0], min(self.timesteps[1], len(self.schedule.kept))


@dataclass(frozen=True)
class Batch:
    """One forward pass of a step: `number` is its place in the step, `samples` are indices into the inputs.

    `kept` are the places in `samples` that are learned from. The others still get their noise, so that leaving a
    picture out changes nothing for its neighbours.
    """

    step: Step
    number: int
    samples: tuple[int, ...]
    kept: tuple[int, ...]


@dataclass(frozen=True)
class UnetInputs:
    """What the UNet is asked, B times: latents (B, C, h, w), noise of their shape, timesteps (B,), captions."""

    samples: Sequence[int]
    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    captions: Sequence[str]

    def cut(self, parts: int) -> list[UnetInputs]:
        """The same in so many parts, or in as many as there are samples, of sizes that differ by one at most."""
        count = len(self.samples)
        edges = [count * part // parts for part in range(parts + 1)] if parts < count else list(range(count + 1))
        return [
            UnetInputs(self.samples[a:b], self.latents[a:b], self.noise[a:b], self.timesteps[a:b], self.captions[a:b])
            for a, b in pairwise(edges)
        ]


def batch_seed(setup: TrainingSetup, batch: Batch) -> int:
    """A seed of the batch's own: whatever came before, in whichever process, it draws the same."""
    return Random(f"{setup.seed}/noise/{batch.step.number}/{batch.number}").getrandbits(63)


def unet_inputs_of(setup: TrainingSetup, batch: Batch) -> UnetInputs:
    """What the UNet is asked of the samples that are kept: each at a timestep and a noise of its own."""
    seed, kept = batch_seed(setup, batch), list(batch.kept)
    generator = torch.Generator().manual_seed(seed)
    rng = Random(seed)
    mirror = [setup.data.flip_aug and rng.random() < 0.5 for _ in batch.samples]
    captions = [varied(setup.inputs.captions[at], setup.data, batch.step.epoch, rng) for at in batch.samples]
    latents = setup.inputs.latents_of(batch.samples, mirror)
    noise = draw_noise(latents, setup.noise, generator)
    timesteps = torch.randint(*setup.drawn_timesteps, (len(batch.samples),), generator=generator)
    samples, captions = [batch.samples[at] for at in kept], [captions[at] for at in kept]
    return UnetInputs(samples, latents[kept], noise[kept], timesteps[kept], captions)


def batch_losses(setup: TrainingSetup, batch: Batch) -> Tensor:
    """(K,) weighted losses of the samples that are kept."""
    manual_seed(batch_seed(setup, batch))  # for what draws inside the model, such as dropout
    return losses_of(setup, unet_inputs_of(setup, batch), text_learns=text_learns(setup, batch.step))


def text_learns(setup: TrainingSetup, step: Step) -> bool:
    """Whether the text encoders are still trained at that step."""
    return step.number <= setup.text_steps


def losses_at(setup: TrainingSetup, samples: Sequence[int], noise: Tensor, timesteps: Tensor) -> Tensor:
    """(B,) weighted losses of `samples` with `noise` (B, C, h, w) at `timesteps` (B,), both on the CPU."""
    inputs = setup.inputs
    captions = [inputs.captions[at] for at in samples]
    question = UnetInputs(samples, inputs.latents_of(samples), noise, timesteps, captions)
    return losses_of(setup, question, text_learns=True)


def losses_of(setup: TrainingSetup, asked: UnetInputs, *, text_learns: bool) -> Tensor:
    """(B,) weighted losses of the question's samples. Nothing here waits for the device."""
    device, family = setup.base.device, setup.base.family
    noisy = noised(setup.schedule, asked.latents, asked.noise, asked.timesteps)
    target = target_of(setup.schedule, asked.latents, asked.noise, asked.timesteps)
    with torch.autocast(device.type, setup.dtype, enabled=setup.dtype != torch.float32):
        with torch.set_grad_enabled(text_learns and torch.is_grad_enabled()):
            words = setup.reader.read(asked.captions)
        added = family.added(words.pooled, [setup.inputs.frames[at].time_ids() for at in asked.samples])
        noisy = noisy.to(device, setup.dtype, non_blocking=True, memory_format=torch.channels_last)
        predicted = setup.base.unet(noisy, asked.timesteps.to(device, non_blocking=True), words.text, **added).sample
    weights = setup.inputs.weights[list(asked.samples)]
    weights = weights * snr_weights(setup.schedule, asked.timesteps, setup.weighting)
    return sample_losses(predicted, target.to(device, non_blocking=True), weights.to(device, non_blocking=True))
