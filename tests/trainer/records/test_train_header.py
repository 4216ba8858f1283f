"""kohya's header: what sd-scripts writes is there, by its names, and says what is so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from base_models.families.known import FAMILIES
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import Dataset, Sample
from trainer.data.pictures import Frame
from trainer.data.plan import make_plan
from trainer.records.training_metadata import old_model_hash, run_metadata

# What train_network.py writes of every run, but for times, its own commit and the file's name.
KOHYA = """
ss_adaptive_noise_scale ss_base_model_version ss_batch_size_per_device ss_bucket_info ss_bucket_no_upscale
ss_cache_latents ss_caption_dropout_every_n_epochs ss_caption_dropout_rate ss_caption_tag_dropout_rate ss_clip_skip
ss_color_aug ss_dataset_dirs ss_debiased_estimation ss_enable_bucket ss_face_crop_aug_range ss_flip_aug ss_full_fp16
ss_gradient_accumulation_steps ss_gradient_checkpointing ss_ip_noise_gamma ss_keep_tokens ss_learning_rate ss_lowram
ss_lr_scheduler ss_lr_warmup_steps ss_max_bucket_reso ss_max_grad_norm ss_max_token_length ss_max_train_steps
ss_min_bucket_reso ss_min_snr_gamma ss_mixed_precision ss_multires_noise_discount ss_multires_noise_iterations
ss_network_alpha ss_network_dim ss_network_dropout ss_network_module ss_noise_offset ss_num_batches_per_epoch
ss_num_epochs ss_num_reg_images ss_num_train_images ss_optimizer ss_prior_loss_weight ss_random_crop
ss_reg_dataset_dirs ss_resolution ss_scale_weight_norms ss_sd_model_name ss_seed ss_shuffle_caption ss_tag_frequency
ss_text_encoder_lr ss_total_batch_size ss_training_comment ss_unet_lr ss_v2 ss_zero_terminal_snr
"""


def _header(folder: Path, base: str = "some/hub-id", **tables: dict[str, object]) -> dict[str, str]:
    samples = tuple(Sample(folder / f"{at}.png", "ohwx, red", 2, "2_ohwx") for at in range(3))
    dataset = Dataset(samples, (), ())
    values: dict[str, object] = {
        "preset": "miniature",
        "model": {"base": base, **tables.get("model", {})},
        "data": {"train": "Train"},
        "training": tables.get("training", {}),
        "output": {"folder": "out", "name": "hina", **tables.get("output", {})},
    }
    config: TrainConfig = parse_config(values, folder / "run.toml")
    plan = make_plan(dataset, config.training, [Frame((64, 64), (64, 64), (64, 64))] * 3)
    return run_metadata(config, dataset, plan, FAMILIES["sd1"], "AdamW", "epsilon")


def test_every_key_that_kohya_writes_is_there(tmp_path: Path) -> None:
    header = _header(tmp_path)
    assert set(KOHYA.split()) <= header.keys()
    assert header["ss_training_comment"] == "None"
    assert _header(tmp_path, output={"comment": "third try"})["ss_training_comment"] == "third try"
    assert json.loads(header["ss_dataset_dirs"]) == {"2_ohwx": {"n_repeats": 2, "img_count": 3}}


def test_single_files_have_both_hashes_and_folders_none(tmp_path: Path) -> None:
    content = bytes(range(256)) * 6000  # 1.5 MB: the old hash begins at 1 MiB
    for name in ("base.safetensors", "vae.safetensors"):
        (tmp_path / name).write_bytes(content + name.encode())
    header = _header(tmp_path, "base.safetensors", model={"vae": "vae.safetensors"})
    for what, name in (("sd_model", "base.safetensors"), ("vae", "vae.safetensors")):
        assert header[f"ss_{what}_name"] == name
        assert header[f"ss_{what}_hash"] == hashlib.sha256(content[2**20 :][:65536]).hexdigest()[:8]
        assert header[f"ss_new_{what}_hash"] == hashlib.sha256(content + name.encode()).hexdigest()
    (tmp_path / "folder").mkdir()
    of_a_folder = _header(tmp_path, "folder")
    assert of_a_folder["ss_sd_model_name"] == "folder"
    assert not {"ss_sd_model_hash", "ss_new_sd_model_hash", "ss_vae_name", "ss_vae_hash"} & of_a_folder.keys()


def test_a_file_shorter_than_the_old_hashs_place_has_one(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"short")
    assert old_model_hash(tmp_path / "short") == hashlib.sha256(b"").hexdigest()[:8]


def test_the_total_batch_counts_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training: dict[str, object] = {"batch_size": 2, "gradient_accumulation": 4}
    assert _header(tmp_path, training=training)["ss_total_batch_size"] == "8"
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert _header(tmp_path, training=training)["ss_total_batch_size"] == "24"
