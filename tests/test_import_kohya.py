"""kohya_ss settings become a configuration that holds; what cannot be carried is listed, and nothing else is."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from trainer.__main__ import main
from trainer.config import TrainConfig, parse_config
from trainer.errors import ConfigurationError, MissingFileError
from trainer.kohya_keys import ROWS
from trainer.kohya_settings import Imported, as_toml, carry_over, read_settings

# The keys and forms in which the GUI saves the setting that worked.
GUI: dict[str, object] = {
    "LoRA_type": "Standard",
    "additional_parameters": "",
    "bucket_reso_steps": 64.0,
    "cache_latents": True,
    "caption_extension": ".txt",
    "clip_skip": "1",
    "conv_alpha": 1,
    "conv_dim": 8,
    "enable_bucket": True,
    "epoch": 12,
    "gradient_accumulation_steps": 1.0,
    "keep_tokens": "0",
    "learning_rate": "0.0001",
    "lr_scheduler": "cosine_with_restarts",
    "lr_scheduler_num_cycles": "",
    "lr_warmup": 10,
    "max_bucket_reso": 2048,
    "max_resolution": "768,768",
    "max_token_length": "75",
    "max_train_steps": "",
    "min_bucket_reso": 256,
    "mixed_precision": "bf16",
    "network_alpha": 1,
    "network_dim": 128,
    "noise_offset": "0.06",
    "noise_offset_type": "Original",
    "optimizer": "AdamW8bit",
    "optimizer_args": "weight_decay=0.05 betas=0.9,0.99",
    "output_dir": "models",
    "output_name": "hina",
    "pretrained_model_name_or_path": "base",
    "prior_loss_weight": 0.15,
    "reg_data_dir": "Reg",
    "save_every_n_epochs": 1,
    "save_precision": "fp16",
    "seed": "1234",
    "text_encoder_lr": "5e-05",
    "train_batch_size": 4,
    "train_data_dir": "Train",
    "unet_lr": 0.0002,
    "xformers": "xformers",
}


def _config(imported: Imported) -> TrainConfig:
    return parse_config(tomllib.loads(as_toml(imported)), Path("run.toml"))


def test_the_guis_file_of_the_setting_that_worked_is_carried_whole() -> None:
    imported = carry_over(GUI)
    config, training = _config(imported), _config(imported).training
    assert imported.not_carried == {}
    assert (config.lora.rank, config.lora.alpha, config.lora.conv_rank) == (128, 1.0, 0)
    assert (config.data.resolution, config.data.enable_bucket, config.data.bucket_range) == (768, True, (256, 2048, 64))
    assert (training.unet_lr, training.te_lr, training.epochs, training.batch_size) == (2e-4, 5e-5, 12, 4)
    assert (training.optimizer, training.lr_scheduler, training.warmup(200)) == (
        "AdamW8bit",
        "cosine_with_restarts",
        20,
    )
    assert training.optimizer_args == {"weight_decay": 0.05, "betas": [0.9, 0.99]}
    assert (training.noise_offset, training.prior_loss_weight, training.seed) == (0.06, 0.15, 1234)
    assert (config.model.dtype, config.output.name, config.output.save_dtype) == ("bfloat16", "hina", "float16")


def test_an_sd_scripts_file_with_sections_and_lists(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        """
        [model]
        pretrained_model_name_or_path = "base"
        [network]
        network_module = "networks.lora"
        network_dim = 16
        network_args = ["conv_dim=4", "conv_alpha=2", "block_lr_zero_threshold=0.1"]
        network_train_unet_only = true
        [train]
        learning_rate = 1.0
        optimizer_type = "Prodigy"
        optimizer_args = ["decouple=True", "d_coef=2"]
        resolution = "512,768"
        max_train_epochs = 8
        max_train_steps = 1600
        loss_type = "huber"
        """
    )
    imported = carry_over(read_settings(tmp_path / "a.toml"))
    config = _config(imported)
    assert (config.lora.rank, config.lora.conv_rank, config.lora.conv_alpha) == (16, 4, 2.0)
    assert config.training.rates == {"unet": 1.0, "te1": 0.0, "te2": 0.0}
    assert config.training.optimizer_args == {"decouple": True, "d_coef": 2}
    assert (config.training.epochs, config.data.resolution) == (8, 624)
    assert set(imported.not_carried) == {"block_lr_zero_threshold", "loss_type", "resolution"}


def test_kohyas_defaults_and_not_our_presets_fill_what_is_not_said() -> None:
    training = _config(carry_over({"learning_rate": 1e-4})).training
    assert (training.unet_lr, training.te_lr) == (1e-4, 1e-4)
    assert (training.lr_scheduler, training.noise_offset, training.prior_loss_weight) == ("constant", 0.0, 1.0)
    assert (training.optimizer, training.batch_size, training.max_grad_norm) == ("AdamW", 1, 1.0)


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        ({"optimizer_type": "DAdaptLion"}, "optimizer_type"),
        ({"lr_scheduler": "piecewise_constant"}, "lr_scheduler"),
        ({"optimizer": "Prodigy", "unet_lr": 1.0, "text_encoder_lr": 0.5}, "text_encoder_lr"),
        ({"LoRA_type": "LyCORIS/LoHa"}, "LoRA_type"),
        ({"ip_noise_gamma": 0.1}, "ip_noise_gamma"),
        ({"max_train_steps": 500}, "max_train_steps"),
        ({"train_batch_size": "many"}, "train_batch_size"),
    ],
)
def test_what_is_lost_is_said_and_the_rest_still_holds(settings: dict[str, object], lost: str) -> None:
    imported = carry_over(settings)
    assert list(imported.not_carried) == [lost]
    _config(imported)


def test_every_row_leads_to_a_key_of_ours() -> None:
    for place, _ in ROWS.values():
        table, key = place.split(".")
        section = TrainConfig.model_fields[table].annotation
        assert section is not None
        assert key in section.model_fields


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("{")
    for name, error in (("a.json", ConfigurationError), ("b.json", ConfigurationError), ("c.json", MissingFileError)):
        with pytest.raises(error):
            read_settings(tmp_path / name)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {**GUI, "vae": "v.safetensors", "network_weights": "other.safetensors"}
    (tmp_path / "gui.json").write_text(json.dumps(settings))
    for words in (["-o", str(tmp_path / "ours.toml")], ["--json"], []):
        monkeypatch.setattr(sys, "argv", ["trainer", "import-kohya", str(tmp_path / "gui.json"), *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        printed = capsys.readouterr()
        assert "not carried over: network_weights: training does not start from another LoRA" in printed.err
        if words == ["--json"]:
            assert json.loads(printed.out)["settings"]["lora"]["rank"] == 128
            assert json.loads(printed.out)["settings"]["model"]["vae"] == "v.safetensors"
        elif not words:
            assert tomllib.loads(printed.out) == tomllib.loads((tmp_path / "ours.toml").read_text())
