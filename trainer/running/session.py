"""A run made ready: the base model with adapters on it, the data encoded, the optimizer chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

from base_models.base_model import BaseModel
from base_models.malloc_settings import keep_freed_memory
from base_models.onednn_layers import use_onednn
from foundation.errors import ConfigurationError
from foundation.progress import Reporter
from foundation.typed.untyped import untyped
from trainer.config.config import LoraSection, TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.latents import PictureEncoder
from trainer.data.plan import Plan, Step
from trainer.data.training_inputs import CaptionReader, TrainingInputs
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.guarding.update import Updater
from trainer.guarding.weight_change import WeightChangeGauge
from trainer.learning.adapters import Adapters, attach, parameters_of, paths_of, text_encoder_targets, unet_targets
from trainer.learning.batch_loss import TrainingSetup
from trainer.learning.losses import NoiseSchedule, Weighting, noise_schedule
from trainer.learning.lr_schedule import lr_factor, span_of
from trainer.learning.noise import Noise
from trainer.learning.norm_limit import NormLimit
from trainer.learning.optimizers import Built, Group, build_optimizer
from trainer.learning.processes import Processes
from trainer.learning.starting_lora import StartingLora, read_starting_lora, require_known, start_from
from trainer.records.training_metadata import run_metadata


@dataclass(frozen=True)
class Session:
    """Everything of a run that is ready to go: made once, then stepped through.

    `rate_names` names the learning rate of each of the optimizer's groups, as the log does. `notes` are of how the
    adapters begin.
    """

    config: TrainConfig
    dataset: Dataset
    plan: Plan
    updater: Updater
    adapters: Adapters
    gauge: WeightChangeGauge
    built: Built
    metadata: dict[str, str]
    rate_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def prepare(
    config: TrainConfig,
    dataset: Dataset,
    plan: Plan,
    base: BaseModel,
    reporter: Reporter,
    processes: Processes = Processes(),  # noqa: B008 (it is frozen)
) -> Session:
    """Load the data through `base` and put adapters on it, in place.

    Raises UnusablePicturesError for pictures that cannot be used, BaseModelError for a base that cannot be trained.
    """
    settings = config.training
    keep_freed_memory()
    schedule = noise_schedule(base.scheduler_config, settings.zero_terminal_snr)
    inputs = _material(config, dataset, plan, base, reporter)
    dtype: torch.dtype = getattr(torch, config.model.dtype)
    with reporter.waiting("putting adapters on the model"):
        _settle(base, dtype, config.model.gradient_checkpointing)
        groups, notes = _started(config, base)
    parameters = [one for adapters, _ in groups.values() for one in parameters_of(adapters)]
    weights = GuardedWeights(parameters, settings.ema_decay)
    twins = [Group(weights.twins_of(parameters_of(adapters)), rate) for adapters, rate in groups.values()]
    built = build_optimizer(settings.optimizer, twins, settings.optimizer_args)
    run_state = span_of(settings, len(plan.steps))

    def rates_at(step: Step) -> Sequence[float]:
        factor = lr_factor(settings.lr_scheduler, step.number - 1, run_state)
        return [rate * factor for _, rate in groups.values()]

    with reporter.waiting("making captions ready"):
        setup = replace(_setup(config, plan, base, schedule, inputs), of_subject=len(dataset.train))
    scales_loss = dtype == torch.float16
    adapters = {name: one for part, _ in groups.values() for name, one in part.items()}
    norms = _norm_limit(settings.scale_weight_norms, adapters, weights)
    updater = Updater(setup, weights, built.optimizer, rates_at, settings.max_grad_norm, processes, scales_loss, norms)
    metadata = run_metadata(config, dataset, plan, base.family, built.kind, schedule.prediction)
    gauge = WeightChangeGauge(adapters, base.modules)
    return Session(config, dataset, plan, updater, adapters, gauge, built, metadata, tuple(groups), notes)


def _setup(
    config: TrainConfig, plan: Plan, base: BaseModel, schedule: NoiseSchedule, inputs: TrainingInputs
) -> TrainingSetup:
    settings = config.training
    text_learns = any(rate for part, rate in settings.rates.items() if part != "unet")
    return TrainingSetup(
        base=base,
        schedule=schedule,
        inputs=inputs,
        reader=_reader(config, base, frozen=not text_learns and not config.data.captions_vary),
        data=config.data,
        weighting=Weighting(
            settings.min_snr_gamma, settings.debiased_estimation_loss, settings.scale_v_pred_loss_like_noise_pred
        ),
        dtype=getattr(torch, config.model.dtype),
        noise=Noise.of(settings),
        timesteps=(settings.min_timestep, settings.max_timestep),
        seed=settings.seed,
        text_steps=int(settings.te_stop_at * len(plan.steps)),
        draws_inside=any((config.lora.dropout, config.lora.rank_dropout, config.lora.module_dropout)),
    )


def _reader(config: TrainConfig, base: BaseModel, *, frozen: bool) -> CaptionReader:
    """Captions that vary are as many as there are steps, so their answers are not kept."""
    return CaptionReader(base, config.model.clip_skip, frozen, config.data.cache, config.data.chunks)


def _material(config: TrainConfig, dataset: Dataset, plan: Plan, base: BaseModel, reporter: Reporter) -> TrainingInputs:
    samples = dataset.samples
    weights = torch.ones(len(samples))
    weights[len(dataset.train) : len(dataset.train) + len(dataset.reg)] = config.training.prior_loss_weight
    encoder = PictureEncoder(base, config.data.cache, reporter)
    latents = encoder.encode(samples, plan.frames)
    mirrored = encoder.encode(samples, plan.frames, mirror=True) if config.data.flip_aug else []
    # The run's identity says which pictures it saw, and they were hashed before they were read.
    dataset.require_unchanged()
    return TrainingInputs(
        latents=latents,
        mirrored=mirrored,
        captions=[sample.caption for sample in samples],
        weights=weights,
        names=[f"{sample.folder}/{sample.path.name}" for sample in samples],
        frames=plan.frames,
    )


def _settle(base: BaseModel, dtype: torch.dtype, checkpointing: bool) -> None:
    """The frozen weights as and where training wants them. The VAE's work is done: on a GPU, its room comes first."""
    unet, encoders = cast(nn.Module, base.unet), [cast(nn.Module, encoder) for encoder in base.text_encoders]
    cast(nn.Module, base.vae).to("cpu")
    for model in (unet, *encoders):
        model.to(base.device, dtype)
    unet.to(memory_format=torch.channels_last)
    for model in (unet, *encoders):
        use_onednn(model)
    if checkpointing:
        untyped(base.unet).enable_gradient_checkpointing()
        for encoder in base.text_encoders:
            untyped(encoder).gradient_checkpointing_enable({"use_reentrant": False})
        for model in (unet, *encoders):
            model.train()  # checkpoints are made in training mode alone; none of these models has dropout of its own


def _norm_limit(most: float, adapters: Adapters, weights: GuardedWeights) -> NormLimit | None:
    """What holds the candidates' norms; None where nothing is to."""
    if not most:
        return None
    twins = [one.with_parameters(tuple(weights.twins_of(one.parameters))) for one in adapters.values()]
    return NormLimit(most, twins)


Groups = dict[str, tuple[Adapters, float]]


def _started(config: TrainConfig, base: BaseModel) -> tuple[Groups, tuple[str, ...]]:
    """Adapters as the run begins with them, and notes on what of a LoRA file they were given."""
    path = config.lora.network_weights
    if path is None:
        return _groups(config, base), ()
    lora = read_starting_lora(path)
    require_known(lora, base.modules, base.name)
    groups = _groups(config, base, lora if config.lora.dim_from_weights else None)
    notes = start_from(lora, {name: one for part, _ in groups.values() for name, one in part.items()})
    return groups, tuple(notes)


def _groups(config: TrainConfig, base: BaseModel, own: StartingLora | None = None) -> Groups:
    """Adapters on every part that has a learning rate, with that rate, by the rate's name in the log.

    `own` says which modules are trained, and at which ranks.
    """
    rates, lora, seed = config.training.rates, config.lora, config.training.seed
    strengths = own.strengths if own else None
    groups: Groups = {}
    if rates["unet"] and (targets := _targets(base.unet, "unet", base, lora, own)):
        groups["unet_lr"] = (attach(base.unet, base.modules, targets, lora, seed, strengths), rates["unet"])
    for number, text in enumerate(base.text_encoders, 1):
        part = f"te{number}"
        if (rate := rates[part]) and (targets := _targets(text, part, base, lora, own)):
            name = f"{part}_lr" if len(base.text_encoders) > 1 else "te_lr"
            groups[name] = (attach(text, base.modules, targets, lora, seed, strengths), rate)
    if not groups:
        nothing = f"{own.path} has nothing for a part that has one" if own else f"for a part that {base.name} has"
        raise ConfigurationError(f"training: no learning rate is left {nothing}; set unet_lr")
    return groups


def _targets(model: nn.Module, part: str, base: BaseModel, lora: LoraSection, own: StartingLora | None) -> list[str]:
    if own:
        return paths_of(model, base.modules, own.of(part))
    if part == "unet":
        return unet_targets(model, with_convolutions=lora.conv_rank > 0)
    return text_encoder_targets(model)
