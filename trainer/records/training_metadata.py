"""The header of a trained file: kohya's `ss_*` keys, Stability's `modelspec.*`, and our own recipe."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from base_models.families.family import Family
from foundation.files import sha256_of
from loras.serialised_tensors import LEGACY_LENGTH, LEGACY_OFFSET
from trainer.config.config import LoraSection, TrainConfig
from trainer.data.dataset import Dataset, Sample
from trainer.data.pictures import Size
from trainer.data.plan import Plan, Step
from trainer.learning.processes import process_count
from trainer.records.record import RunRecord

MODELSPEC_PREDICTION = {"epsilon": "epsilon", "v_prediction": "v"}
# What kohya can do and is never done here, as kohya writes that it was not.
NEVER_DONE: dict[str, object] = {
    "ss_color_aug": False,
    "ss_random_crop": False,
    "ss_face_crop_aug_range": None,
    "ss_full_fp16": False,
    "ss_lowram": False,
    "ss_ip_noise_gamma": None,
}
OF_LOKR = ("factor", "decompose_both", "full_matrix")
MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def run_metadata(
    config: TrainConfig, dataset: Dataset, plan: Plan, family: Family, optimizer: str, prediction: str
) -> dict[str, str]:
    """What all files of a run share, named and written as by sd-scripts' train_network.py."""
    facts = {
        **_network(config.lora),
        **_base(config, family, prediction),
        **_hashed("sd_model", Path(config.model.base)),
        **(_hashed("vae", config.model.vae) if config.model.vae else {}),
        **NEVER_DONE,
        **_recipe(config, plan, optimizer),
        **_data(config, dataset, plan),
    }
    return {key: str(value) for key, value in facts.items()}


def _network(lora: LoraSection) -> dict[str, object]:
    extra = {"conv_dim": str(lora.conv_rank), "conv_alpha": str(lora.conv_alpha)} if lora.conv_rank else {}
    extra |= {key: str(rate) for key in ("rank_dropout", "module_dropout") if (rate := getattr(lora, key))}
    if lora.algo != "lora":
        extra |= {"algo": lora.algo, "preset": "attn-mlp" if not lora.conv_rank else "full"}
        extra |= {key: str(getattr(lora, key)) for key in OF_LOKR} if lora.algo == "lokr" else {}
    return {
        "ss_network_module": "networks.lora" if lora.algo == "lora" else "lycoris.kohya",
        # kohya's word for modules of several ranks
        "ss_network_dim": "Dynamic" if lora.dim_from_weights else lora.rank,
        "ss_network_alpha": "Dynamic" if lora.dim_from_weights else lora.alpha,
        "ss_network_dropout": lora.dropout or None,
        **({"ss_network_args": json.dumps(extra)} if extra else {}),
    }


def _base(config: TrainConfig, family: Family, prediction: str) -> dict[str, object]:
    velocity = prediction == "v_prediction"
    # kohya counts SD2's two public models as two architectures, by their prediction.
    architecture = family.architecture if velocity else family.architecture.replace("-v2-768-v", "-v2-512")
    return {
        "ss_v2": family.v2,
        "ss_base_model_version": family.base_version + ("_v" if velocity and not family.own_names else ""),
        "ss_v_parameterization": velocity,
        "ss_clip_skip": config.model.clip_skip if config.model.clip_skip > 1 else None,
        "ss_mixed_precision": MIXED_PRECISION[config.model.dtype],
        "ss_gradient_checkpointing": config.model.gradient_checkpointing,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": architecture,
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.resolution": f"{config.data.resolution}x{config.data.resolution}",
        "modelspec.prediction_type": MODELSPEC_PREDICTION[prediction],
    }


def _hashed(what: str, path: Path) -> dict[str, object]:
    """A model's name; of a single file both hashes, by which A1111's and Civitai's pages find it."""
    name: dict[str, object] = {f"ss_{what}_name": path.name}
    if not path.is_file():
        return name
    return {**name, f"ss_{what}_hash": old_model_hash(path), f"ss_new_{what}_hash": sha256_of(path)}


def old_model_hash(path: Path) -> str:
    """A1111's hash of its first months: 8 hex digits of the sha256 of 64 KiB at 1 MiB."""
    with path.open("rb") as stream:
        stream.seek(LEGACY_OFFSET)
        return hashlib.sha256(stream.read(LEGACY_LENGTH)).hexdigest()[:8]


def _recipe(config: TrainConfig, plan: Plan, optimizer: str) -> dict[str, object]:
    settings = config.training
    options = ",".join(f"{key}={value}" for key, value in settings.optimizer_args.items())
    return {
        "ss_learning_rate": settings.unet_lr,
        "ss_unet_lr": settings.unet_lr,
        "ss_text_encoder_lr": settings.te_lr,
        "ss_lr_scheduler": settings.lr_scheduler,
        "ss_lr_warmup_steps": settings.warmup(len(plan.steps)),
        "ss_optimizer": optimizer + (f"({options})" if options else ""),
        "ss_num_epochs": settings.epochs,
        "ss_max_train_steps": len(plan.steps),
        "ss_num_batches_per_epoch": sum(len(step.batches) for step in plan.steps if step.epoch == 1),
        "ss_batch_size_per_device": settings.batch_size,
        "ss_total_batch_size": settings.batch_size * process_count() * settings.gradient_accumulation,
        "ss_gradient_accumulation_steps": settings.gradient_accumulation,
        "ss_max_grad_norm": settings.max_grad_norm,
        "ss_noise_offset": settings.noise_offset or None,
        "ss_noise_offset_random_strength": settings.noise_offset_random_strength,
        "ss_adaptive_noise_scale": settings.adaptive_noise_scale or None,
        "ss_multires_noise_iterations": settings.multires_noise_iterations or None,
        "ss_multires_noise_discount": settings.multires_noise_discount,
        "ss_scale_weight_norms": settings.scale_weight_norms or None,
        "ss_min_snr_gamma": settings.min_snr_gamma or None,
        "ss_debiased_estimation": settings.debiased_estimation_loss,
        "ss_zero_terminal_snr": settings.zero_terminal_snr,
        "ss_prior_loss_weight": settings.prior_loss_weight,
        "ss_seed": settings.seed,
        "ss_training_comment": config.output.comment or None,
        **({"lora_studio.ema_decay": settings.ema_decay} if settings.ema_decay else {}),
    }


def _data(config: TrainConfig, dataset: Dataset, plan: Plan) -> dict[str, object]:
    data, side = config.data, config.data.resolution
    low, high, _ = data.bucket_range if data.enable_bucket else (None, None, None)
    return {
        "ss_num_train_images": sum(sample.repeats for sample in dataset.train),
        "ss_num_reg_images": sum(plan.reg_uses) // config.training.epochs,
        "ss_resolution": f"({side}, {side})",
        "ss_enable_bucket": data.enable_bucket,
        "ss_bucket_no_upscale": data.bucket_no_upscale,
        "ss_min_bucket_reso": low,
        "ss_max_bucket_reso": high,
        "ss_bucket_info": _buckets(dataset, plan),
        "ss_cache_latents": True,
        "ss_flip_aug": data.flip_aug,
        "ss_max_token_length": data.max_token_length if data.chunks > 1 else None,  # as kohya's: None is 75
        "ss_shuffle_caption": data.shuffle_caption,
        "ss_keep_tokens": data.keep_tokens,
        "ss_caption_dropout_rate": data.caption_dropout_rate,
        "ss_caption_dropout_every_n_epochs": data.caption_dropout_every_n_epochs,
        "ss_caption_tag_dropout_rate": data.caption_tag_dropout_rate,
        "ss_dataset_dirs": _folders(dataset.train),
        "ss_reg_dataset_dirs": _folders(dataset.reg),
        "ss_tag_frequency": _tag_frequency(dataset.train + dataset.reg),
    }


def _buckets(dataset: Dataset, plan: Plan) -> str:
    """How many train pictures (with their repeats) each bucket holds; A1111's metadata editor shows it."""
    counts: Counter[Size] = Counter()
    for sample, frame in zip(dataset.train, plan.frames, strict=False):
        counts[frame.bucket] += sample.repeats
    numbered = enumerate(sorted(counts.items()))
    return json.dumps({"buckets": {at: {"resolution": size, "count": count} for at, (size, count) in numbered}})


def epoch_metadata(step: Step, stem: str, record: RunRecord, finished: datetime) -> dict[str, str]:
    """What is one file's own. A1111 takes `ss_output_name` for the alias, so it must not be shared between files.

    The run began at its first sitting; `finished` is when this file was. Times are kohya's: seconds since 1970.
    """
    return {
        "ss_session_id": str(_session_id(record)),
        "ss_training_started_at": str(datetime.fromisoformat(record.started).timestamp()),
        "ss_training_finished_at": str(finished.timestamp()),
        "modelspec.date": finished.isoformat(timespec="seconds"),
        "ss_output_name": stem,
        "ss_epoch": str(step.epoch),
        "ss_steps": str(step.number),
        "modelspec.title": stem,
    }


def _session_id(record: RunRecord) -> int:
    """A number below 2**32, as kohya draws one; here of the run and when it began, so that it outlives a kill."""
    return int(hashlib.sha256(f"{record.identity.sha256()} {record.started}".encode()).hexdigest()[:8], 16)


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
