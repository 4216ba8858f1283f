"""kohya's keys, of the GUI and of sd-scripts alike: where each stands with us, or why it does not."""

from __future__ import annotations

from collections.abc import Callable


def _whole(value: object) -> int:
    return int(float(str(value)))


def _number(value: object) -> float:
    return float(str(value))


def _flag(value: object) -> bool:
    return str(value).lower() in ("true", "1", "1.0")


Row = tuple[str, Callable[[object], object]]
ROWS: dict[str, Row] = {
    "pretrained_model_name_or_path": ("model.base", str),
    "vae": ("model.vae", str),
    "clip_skip": ("model.clip_skip", _whole),
    "gradient_checkpointing": ("model.gradient_checkpointing", _flag),
    "train_data_dir": ("data.train", str),
    "reg_data_dir": ("data.reg", str),
    "enable_bucket": ("data.enable_bucket", _flag),
    "min_bucket_reso": ("data.min_bucket_reso", _whole),
    "max_bucket_reso": ("data.max_bucket_reso", _whole),
    "bucket_reso_steps": ("data.bucket_reso_steps", _whole),
    "bucket_no_upscale": ("data.bucket_no_upscale", _flag),
    "flip_aug": ("data.flip_aug", _flag),
    "shuffle_caption": ("data.shuffle_caption", _flag),
    "keep_tokens": ("data.keep_tokens", _whole),
    "caption_dropout_rate": ("data.caption_dropout_rate", _number),
    "caption_dropout_every_n_epochs": ("data.caption_dropout_every_n_epochs", _whole),
    "caption_tag_dropout_rate": ("data.caption_tag_dropout_rate", _number),
    "network_dim": ("lora.rank", _whole),
    "network_alpha": ("lora.alpha", _number),
    "network_dropout": ("lora.dropout", _number),
    "rank_dropout": ("lora.rank_dropout", _number),
    "module_dropout": ("lora.module_dropout", _number),
    "conv_dim": ("lora.conv_rank", _whole),
    "conv_alpha": ("lora.conv_alpha", _number),
    "epoch": ("training.epochs", _whole),
    "max_train_epochs": ("training.epochs", _whole),
    "train_batch_size": ("training.batch_size", _whole),
    "gradient_accumulation_steps": ("training.gradient_accumulation", _whole),
    "lr_warmup_steps": ("training.lr_warmup_steps", _number),
    "lr_scheduler_num_cycles": ("training.lr_cycles", _whole),
    "lr_scheduler_power": ("training.lr_power", _number),
    "max_grad_norm": ("training.max_grad_norm", _number),
    "noise_offset": ("training.noise_offset", _number),
    "min_snr_gamma": ("training.min_snr_gamma", _number),
    "debiased_estimation_loss": ("training.debiased_estimation_loss", _flag),
    "scale_v_pred_loss_like_noise_pred": ("training.scale_v_pred_loss_like_noise_pred", _flag),
    "zero_terminal_snr": ("training.zero_terminal_snr", _flag),
    "prior_loss_weight": ("training.prior_loss_weight", _number),
    "seed": ("training.seed", _whole),
    "output_dir": ("output.folder", str),
    "output_name": ("output.name", str),
}

OPTIMIZERS = {
    "adamw": "AdamW",
    "adamw8bit": "AdamW8bit",
    "pagedadamw8bit": "AdamW8bit",
    "pagedadamw": "AdamW",
    "pagedadamw32bit": "AdamW",
    "lion": "Lion",
    "lion8bit": "Lion8bit",
    "pagedlion8bit": "Lion8bit",
    "adafactor": "Adafactor",
    "dadaptadam": "DAdaptAdam",
    "dadaptation": "DAdaptAdam",
    "dadaptadampreprint": "DAdaptAdam",
    "prodigy": "Prodigy",
}
# With the GUI's "Standard" its conv_dim is not read.
CONV_TYPES = ("Kohya LoCon", "LoCon", "networks.lora", "LyCORIS/LoCon")

# Read elsewhere, or of no weight for what is learned: speed, memory, logging, what a file of ours says anyway.
SAYS_NOTHING = frozenset(
    [
        "LoRA_type",
        "network_module",
        "optimizer",
        "optimizer_type",
        "optimizer_args",
        "use_8bit_adam",
        "use_lion_optimizer",
        "learning_rate",
        "unet_lr",
        "text_encoder_lr",
        "network_train_unet_only",
        "network_train_text_encoder_only",
        "mixed_precision",
        "save_precision",
        "resolution",
        "max_resolution",
        "lr_scheduler",
        "lr_warmup",
        "stop_text_encoder_training",
        "stop_text_encoder_training_pct",
        "cache_latents",
        "cache_latents_to_disk",
        "vae_batch_size",
        "cache_text_encoder_outputs",
        "cache_text_encoder_outputs_to_disk",
        "sdxl_cache_text_encoder_outputs",
        "skip_cache_check",
        "sdxl",
        "v2",
        "v_parameterization",
        "xformers",
        "sdpa",
        "mem_eff_attn",
        "lowram",
        "lowvram",
        "highvram",
        "max_data_loader_n_workers",
        "persistent_data_loader_workers",
        "num_cpu_threads_per_process",
        "num_processes",
        "num_machines",
        "multi_gpu",
        "gpu_ids",
        "main_process_port",
        "dynamo_backend",
        "dynamo_mode",
        "caption_extension",
        "caption_extention",
        "save_model_as",
        "save_every_n_epochs",
        "logging_dir",
        "log_with",
        "log_prefix",
        "log_tracker_name",
        "training_comment",
        "headless",
        "model_list",
        "sdxl_no_half_vae",
        "no_half_vae",
        "save_state",
        "save_state_on_train_end",
        "metadata_author",
        "metadata_description",
        "metadata_license",
        "metadata_tags",
        "metadata_title",
        "huber_schedule",
        "huber_c",
        "huber_scale",
        "lr_scheduler_timescale",
        "console_log_level",
        "console_log_simple",
    ]
)

# Of no weight with this value, which is kohya's own.
ORDINARY = {
    "loss_type": "l2",
    "noise_offset_type": "Original",
    "max_timestep": 1000,
    "train_on_input": True,
    "factor": -1,
    "unit": 1,
    "caption_separator": ",",
    "max_token_length": "75",
}

REASONS = {
    "max_train_steps": "the run's length is in epochs here: set training.epochs",
    "dataset_config": "its folders and settings are to be written into [data] by hand",
    "in_json": "metadata files are not read; captions stand beside the pictures",
    "network_weights": "training does not start from another LoRA",
    "max_token_length": "captions are read up to 75 tokens",
    "save_every_n_steps": "a file is written every epoch; steps only save the state (output.save_state_every)",
    "save_last_n_epochs": "every epoch's file is kept",
    "resume": "run the same command again: it goes on from its own state",
    "color_aug": "colours are left alone, so that latents can be kept",
    "random_crop": "pictures are cropped at the centre, so that latents can be kept",
    "sample_prompts": "see [samples] in docs/training.md",
    "sample_every_n_epochs": "see [samples] in docs/training.md",
    "sample_every_n_steps": "see [samples] in docs/training.md",
    "lr_scheduler_args": "a schedule takes lr_cycles and lr_power only",
    "additional_parameters": "arguments in free text are not read",
    "scale_weight_norms": "weights are not rescaled; the verdict says where a LoRA explodes",
}
