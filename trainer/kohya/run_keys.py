"""Every key of a run's configuration, with kohya's word for it."""

from __future__ import annotations

from foundation.key_reference.key_facts import KeyFact, as_toml, keys_of
from trainer.config.config import TrainConfig
from trainer.config.presets import PRESETS
from trainer.kohya.keys import CARRIED_KEYS

# What `trainer.kohya.translators` reads, which makes several keys of one or one of several.
TRANSLATED = {
    "model.dtype": "mixed_precision",
    "model.prediction": "v_parameterization",
    "data.cache": "cache_latents_to_disk",
    "data.resolution": "resolution, max_resolution",
    "data.folders": "[[datasets.subsets]]",
    "data.folders.path": "image_dir",
    "data.folders.repeats": "num_repeats",
    "data.folders.class_words": "class_tokens",
    "data.folders.reg": "is_reg",
    "data.folders.caption_extension": "caption_extension",
    "lora.algo": "network_module, LoRA_type; algo of network_args",
    "lora.factor": "factor of network_args",
    "lora.decompose_both": "decompose_both of network_args",
    "lora.full_matrix": "full_matrix of network_args",
    "training.epochs": "max_train_epochs, epoch",
    "training.unet_lr": "unet_lr, learning_rate",
    "training.te_lr": "text_encoder_lr",
    "training.te2_lr": "text_encoder_lr",
    "training.te_stop_at": "stop_text_encoder_training",
    "training.lr_scheduler": "lr_scheduler",
    "training.lr_step_rules": "step_rules of lr_scheduler_args",
    "training.optimizer": "optimizer_type",
    "training.optimizer_args": "optimizer_args",
    "samples.prompts": "sample_prompts",
    "samples.every_n_epochs": "sample_every_n_epochs",
    "samples.negative": "--n of a prompt",
    "samples.seed": "--d of a prompt",
    "samples.sampler": "sample_sampler",
    "samples.steps": "--s of a prompt",
    "samples.cfg": "--l of a prompt",
    "samples.width": "--w of a prompt",
    "samples.height": "--h of a prompt",
    "output.save_dtype": "save_precision",
    "output.tensorboard": "log_with, logging_dir",
}
# A1111's words for what samples are drawn with.
A1111 = {
    "model.vae": "SD VAE",
    "model.clip_skip": "Clip skip",
    "samples.prompts": "Prompt",
    "samples.negative": "Negative prompt",
    "samples.seed": "Seed",
    "samples.sampler": "Sampling method",
    "samples.steps": "Sampling steps",
    "samples.cfg": "CFG Scale",
    "samples.width": "Width",
    "samples.height": "Height",
}


def run_keys() -> list[KeyFact]:
    """In the configuration's order; what presets set stands where a key has no default of its own."""
    return keys_of(TrainConfig, {"kohya": kohya_words(), "A1111": A1111}, _of_presets())


def kohya_words() -> dict[str, str]:
    """By our key, kohya's: all of them where several of theirs are read into one of ours."""
    carried: dict[str, list[str]] = {}
    for theirs, (ours, _) in CARRIED_KEYS.items():
        carried.setdefault(ours, []).append(theirs)
    return {**TRANSLATED, **{ours: ", ".join(theirs) for ours, theirs in carried.items()}}


def _of_presets() -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        for table, values in preset.items():
            for key, value in values.items():
                found.setdefault(f"{table}.{key}", []).append(f"{as_toml(value)} ({name})")
    missing = {key for key, said in found.items() if len(said) < len(PRESETS)}
    own = {fact.key: fact.default for fact in keys_of(TrainConfig)}
    return {key: ", ".join([*said, *([own[key]] if key in missing else [])]) for key, said in found.items()}
