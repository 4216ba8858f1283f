"""A run made ready: the base model with adapters on it, the data encoded, the optimizer chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from trainer.adapters import Adapters, attach, parameters_of, text_encoder_targets, unet_targets
from trainer.base_model import BaseModel
from trainer.config import TrainConfig
from trainer.dataset import Dataset
from trainer.latents import encode_pictures, tokenize
from trainer.learner import Learner, Material
from trainer.losses import noise_schedule
from trainer.optimizers import Built, Group, build_optimizer
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.training_metadata import run_metadata


@dataclass(frozen=True)
class Session:
    """Everything of a run that is ready to go: made once, then stepped through."""

    config: TrainConfig
    plan: Plan
    learner: Learner
    adapters: Adapters
    groups: list[Group]
    built: Built
    metadata: dict[str, str]


def prepare(config: TrainConfig, dataset: Dataset, plan: Plan, base: BaseModel, reporter: Reporter) -> Session:
    """Load the data through `base` and put adapters on it, in place.

    Raises DatasetError for a picture that cannot be used, BaseModelError for a base that cannot be trained.
    """
    schedule = noise_schedule(base.scheduler_config)
    material = _material(config, dataset, base, reporter)
    dtype: torch.dtype = getattr(torch, config.model.dtype)
    _settle(base, dtype)
    unet, text = _attach(config, base)
    rates = [(unet, config.training.unet_lr), (text, config.training.te_lr)]
    groups = [Group(parameters_of(adapters), rate) for adapters, rate in rates if adapters]
    built = build_optimizer(config.training.optimizer, groups)
    parameters = [parameter for group in groups for parameter in group.parameters]
    settings = config.training
    learner = Learner(base, schedule, material, parameters, dtype, settings.noise_offset, settings.seed)
    metadata = run_metadata(config, dataset, plan, built.kind, schedule.prediction)
    return Session(config, plan, learner, {**unet, **text}, groups, built, metadata)


def _material(config: TrainConfig, dataset: Dataset, base: BaseModel, reporter: Reporter) -> Material:
    samples = dataset.samples
    latents = encode_pictures(base.vae, samples, config.data.resolution, reporter)
    weights = torch.ones(len(samples))
    weights[len(dataset.train) :] = config.training.prior_loss_weight
    tokens = tokenize(base.tokenizer, [sample.caption for sample in samples])
    return Material(latents, tokens, weights, [f"{sample.folder}/{sample.path.name}" for sample in samples])


def _settle(base: BaseModel, dtype: torch.dtype) -> None:
    """The frozen weights as training wants them. The VAE's work is done, and on a GPU its room is needed."""
    if dtype != torch.float32:  # what the base was loaded in
        cast(nn.Module, base.unet).to(dtype)
        cast(nn.Module, base.text_encoder).to(dtype)
    cast(nn.Module, base.unet).to(memory_format=torch.channels_last)
    cast(nn.Module, base.vae).to("cpu")


def _attach(config: TrainConfig, base: BaseModel) -> tuple[Adapters, Adapters]:
    unet, text = base.unet, base.text_encoder
    settings = config.training
    on_unet = attach(unet, "lora_unet", unet_targets(unet), config.lora, settings.seed) if settings.unet_lr else {}
    on_text = attach(text, "lora_te", text_encoder_targets(text), config.lora, settings.seed) if settings.te_lr else {}
    return on_unet, on_text
