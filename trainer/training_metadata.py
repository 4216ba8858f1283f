"""The header of a trained file: kohya's `ss_*` keys, Stability's `modelspec.*`, and our own recipe."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from trainer.config import TrainConfig
from trainer.dataset import Dataset, Sample
from trainer.plan import Plan, Step

MODELSPEC_PREDICTION = {"epsilon": "epsilon", "v_prediction": "v"}


def run_metadata(config: TrainConfig, dataset: Dataset, plan: Plan, optimizer: str, prediction: str) -> dict[str, str]:
    """What all files of a run share, named and written as by sd-scripts' train_network.py.

    Times are left out, so that the same run writes the same header.
    """
    settings, side = config.training, config.data.resolution
    facts: dict[str, object] = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": config.lora.rank,
        "ss_network_alpha": config.lora.alpha,
        "ss_v2": False,
        "ss_base_model_version": "sd_v1" + ("_v" if prediction == "v_prediction" else ""),
        "ss_sd_model_name": Path(config.model.base).name,
        "ss_learning_rate": settings.unet_lr,
        "ss_unet_lr": settings.unet_lr,
        "ss_text_encoder_lr": settings.te_lr,
        "ss_lr_scheduler": settings.lr_scheduler,
        "ss_lr_warmup_steps": settings.lr_warmup_steps,
        "ss_optimizer": optimizer,
        "ss_num_epochs": settings.epochs,
        "ss_max_train_steps": len(plan.steps),
        "ss_num_batches_per_epoch": sum(len(step.batches) for step in plan.steps if step.epoch == 1),
        "ss_batch_size_per_device": settings.batch_size,
        "ss_total_batch_size": settings.batch_size * settings.gradient_accumulation,
        "ss_gradient_accumulation_steps": settings.gradient_accumulation,
        "ss_num_train_images": sum(sample.repeats for sample in dataset.train),
        "ss_num_reg_images": sum(plan.reg_uses) // settings.epochs,
        "ss_noise_offset": settings.noise_offset or None,
        "ss_prior_loss_weight": settings.prior_loss_weight,
        "ss_resolution": f"({side}, {side})",
        "ss_enable_bucket": False,
        "ss_cache_latents": True,
        "ss_mixed_precision": "bf16" if config.model.dtype == "bfloat16" else "no",
        "ss_seed": settings.seed,
        "ss_dataset_dirs": _folders(dataset.train),
        "ss_reg_dataset_dirs": _folders(dataset.reg),
        "ss_tag_frequency": _tag_frequency(dataset.samples),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.prediction_type": MODELSPEC_PREDICTION[prediction],
    }
    return {key: str(value) for key, value in facts.items()}


def epoch_metadata(step: Step, stem: str) -> dict[str, str]:
    """What is one file's own. A1111 takes `ss_output_name` for the alias, so it must not be shared between files."""
    return {
        "ss_output_name": stem,
        "ss_epoch": str(step.epoch),
        "ss_steps": str(step.number),
        "modelspec.title": stem,
    }


def _folders(samples: Sequence[Sample]) -> str:
    counts = Counter((sample.folder, sample.repeats) for sample in samples)
    return json.dumps({name: {"n_repeats": repeats, "img_count": n} for (name, repeats), n in counts.items()})


def _tag_frequency(samples: Sequence[Sample]) -> str:
    """Tags (a caption's parts between commas, lower case) by folder; a picture counts once, whatever its repeats."""
    frequency: dict[str, Counter[str]] = {}
    for sample in samples:
        tags = (tag.strip().lower() for tag in sample.caption.split(","))
        frequency.setdefault(sample.folder, Counter()).update(tag for tag in tags if tag)
    return json.dumps(frequency)
