"""kohya_ss settings become a configuration that holds; what cannot be carried is listed, and nothing else is."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.__main__ import main
from trainer.config.config import TrainConfig, parse_config
from trainer.config.schedule_options import SCHEDULE_READS
from trainer.kohya.keys import CARRIED_KEYS, KOHYAS_OWN, OF_LYCORIS, WHY_NOT_CARRIED, WITHOUT_EFFECT
from trainer.kohya.reading import read_settings
from trainer.kohya.settings import Imported, as_toml, carry_over

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
    ("theirs", "lost"),
    [
        ({"optimizer_type": "DAdaptLion"}, "optimizer_type"),
        ({"lr_scheduler": "reduce_lr_on_plateau"}, "lr_scheduler"),
        ({"lr_scheduler": "piecewise_constant"}, "lr_scheduler"),
        ({"lr_scheduler_args": ["last=3"]}, "lr_scheduler_args"),
        ({"optimizer_args": "lr=1e-4 weight_decay=0.1"}, "optimizer_args"),
        ({"caption_extension": "tags"}, "caption_extension"),
        ({"caption_extension": ".a/b"}, "caption_extension"),
        ({"max_token_length": 100}, "max_token_length"),
        ({"network_module": "lycoris.kohya", "network_args": ["algo=glora", "factor=8"]}, "network_module"),
        ({"LoRA_type": "Flux1"}, "LoRA_type"),
        ({"LoRA_type": "LyCORIS/LoCon", "train_norm": True}, "train_norm"),
        ({"enable_bucket": True, "bucket_reso_steps": 1}, "bucket_reso_steps"),
        ({"noise_offset_type": "Pyramid"}, "noise_offset_type"),
        ({"dim_from_weights": True}, "[lora]"),
        ({"learning_rate": 0.0}, "[training]"),
        ({"additional_parameters": '--a "b'}, "additional_parameters"),
        ({"additional_parameters": "--ip_noise_gamma 0.1"}, "ip_noise_gamma"),
        ({"dataset_config": "gone.toml"}, "dataset_config"),
        ({"sample_prompts": "gone.txt", "sample_every_n_epochs": 1}, "sample_prompts"),
        ({"sample_prompts": "a", "sample_every_n_epochs": 1, "sample_sampler": "dpmsingle"}, "sample_sampler"),
        ({"sample_prompts": "a --zz 1", "sample_every_n_epochs": 1}, "sample_prompts"),
        ({"save_every_n_epochs": 2}, "save_every_n_epochs"),
        ({"metadata_author": "me"}, "metadata_author"),
        ({"log_with": "wandb"}, "log_with"),
        ({"num_processes": 2}, "num_processes"),
        ({"optimizer": "Prodigy", "unet_lr": 1.0, "text_encoder_lr": 0.5}, "text_encoder_lr"),
        ({"LoRA_type": "LyCORIS/iA3"}, "LoRA_type"),
        ({"ip_noise_gamma": 0.1}, "ip_noise_gamma"),
        ({"max_train_steps": 500}, "max_train_steps"),
        # of another kind than the key's
        ({"train_batch_size": "many"}, "train_batch_size"),
        ({"train_batch_size": 2.5}, "train_batch_size"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"unet_lr": [1, 2]}, "unet_lr"),
        ({"text_encoder_lr": "1e-5 x"}, "text_encoder_lr"),
        ({"text_encoder_lr": {"a": 1}}, "text_encoder_lr"),
        ({"resolution": "abc"}, "resolution"),
        ({"max_resolution": [512, "wide"]}, "max_resolution"),
        ({"lr_warmup": "ten", "lr_scheduler": "linear"}, "lr_warmup"),
        ({"lr_warmup_steps": "inf", "lr_scheduler": "linear"}, "lr_warmup_steps"),
        ({"stop_text_encoder_training": "never"}, "stop_text_encoder_training"),
        ({"max_train_epochs": "1e400"}, "max_train_epochs"),
        ({"flip_aug": "sometimes"}, "flip_aug"),
        ({"use_8bit_adam": "perhaps"}, "use_8bit_adam"),
        ({"output_name": ["a"]}, "output_name"),
        ({"lr_scheduler": {"a": 1}}, "lr_scheduler"),
        ({"optimizer": ["AdamW"]}, "optimizer"),
        # beyond what our configuration takes
        ({"network_dim": 4096}, "network_dim"),
        ({"clip_skip": -1}, "clip_skip"),
        ({"seed": -1}, "seed"),
        ({"output_name": "../a"}, "output_name"),
        ({"resolution": 8}, "data.resolution"),
        ({"unet_lr": -1e-4}, "training.unet_lr"),
    ],
)
def test_what_is_lost_is_said_and_the_rest_still_holds(theirs: dict[str, object], lost: str) -> None:
    imported = carry_over({"epoch": 1, **theirs})
    assert list(imported.not_carried) == [lost]
    assert f"# not carried over: {lost}: " in as_toml(imported)
    if not lost.startswith("["):
        _config(imported)


KEYS = sorted(
    {*CARRIED_KEYS, *WITHOUT_EFFECT, *WHY_NOT_CARRIED, *KOHYAS_OWN, *OF_LYCORIS}
    | {"network_args", "additional_parameters", "dataset_config", "datasets", "general"}
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("019.e-,:= ax\n\"'\\[", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab c"), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=6))
def test_no_value_whatever_breaks_the_import(values: dict[str, object]) -> None:
    """Either the configuration holds, or what does not hold together is listed."""
    imported = carry_over(values)
    text = as_toml(imported)
    tomllib.loads(text)
    if not any(key.startswith("[") for key in imported.not_carried):
        _config(imported)


@pytest.mark.parametrize(
    ("theirs", "prediction"),
    [
        ({}, None),
        ({"v2": True}, "epsilon"),
        ({"v2": "true", "v_parameterization": True}, "v_prediction"),
        ({"v_parameterization": True}, "v_prediction"),
        ({"sdxl": True, "v_parameterization": 1}, "v_prediction"),
    ],
)
def test_what_the_model_predicts_is_carried(theirs: dict[str, object], prediction: str | None) -> None:
    """An SD2-base single file says nothing of it, and would else be trained as the v-model."""
    imported = carry_over({"epoch": 1, **theirs})
    assert _config(imported).model.prediction == prediction
    assert imported.not_carried == {}


@pytest.mark.parametrize(
    ("theirs", "epochs", "said"),
    [
        ({"epoch": 12, "max_train_steps": ""}, 12, None),
        ({"epoch": 12, "max_train_steps": "0"}, 12, None),
        ({"epoch": 12, "max_train_steps": 2000}, 12, "after 2000 steps"),
        ({"epoch": 12, "max_train_epochs": 7, "max_train_steps": 2000}, 7, None),
        ({"max_train_epochs": 7, "epoch": 12}, 7, None),
        ({"learning_rate": 1}, 1, "after 1600 steps"),
    ],
)
def test_steps_win_over_the_guis_epochs_and_are_said(theirs: dict[str, object], epochs: int, said: str | None) -> None:
    imported = carry_over(theirs)
    assert _config(imported).training.epochs == epochs
    assert list(imported.not_carried) == ["max_train_steps"] * (said is not None)
    assert (said or "") in imported.not_carried.get("max_train_steps", "")


@pytest.mark.parametrize(
    "theirs",
    [{"logging_dir": "logs"}, {"log_with": "tensorboard"}, {"log_with": "all", "logging_dir": "logs"}],
)
def test_logging_becomes_tensorboards(theirs: dict[str, object]) -> None:
    assert _config(carry_over(theirs)).output.tensorboard
    assert not _config(carry_over({"logging_dir": "", "log_with": ""})).output.tensorboard
    assert not _config(carry_over({"logging_dir": "logs", "log_with": "wandb"})).output.tensorboard


def test_the_numbers_of_every_schedule_are_carried() -> None:
    numbers = {
        "lr_warmup_steps": 7,
        "lr_scheduler_num_cycles": 3,
        "lr_scheduler_power": 2,
        "lr_scheduler_timescale": 9,
        "lr_scheduler_min_lr_ratio": 0.25,
        "lr_decay_steps": 11,
        "lr_scheduler_args": ["step_rules='1:10,0.1:20,0.005'"],
    }
    ours = {
        "lr_warmup_steps": 7,
        "lr_cycles": 3,
        "lr_power": 2,
        "lr_timescale": 9,
        "lr_min_ratio": 0.25,
        "lr_decay_steps": 11,
        "lr_step_rules": "1:10,0.1:20,0.005",
    }
    for name, keys in SCHEDULE_READS.items():
        optimizer = {"optimizer": "Adafactor"} if name == "adafactor" else {}
        imported = carry_over({**numbers, **optimizer, "epoch": 1, "lr_scheduler": name})
        training = _config(imported).training
        assert imported.not_carried == {}
        assert training.lr_scheduler == name
        for key, value in ours.items():
            default = type(training).model_fields[key].default
            assert getattr(training, key) == (value if key in keys else default)


def test_what_kohya_itself_does_not_read_is_left_out() -> None:
    idle = {"min_bucket_reso": 256, "bucket_no_upscale": True, "keep_tokens": 2, "lr_warmup": 10}
    imported = carry_over({**idle, "epoch": 1, "lr_scheduler": "constant"})
    assert imported.not_carried == {}
    assert imported.tables["data"].keys() == {"train", "resolution", "enable_bucket"}
    assert carry_over({"epoch": 1, "flux1_t5xxl": "x", "guidance_scale": 3.5, "factor": -1}).not_carried == {}
    assert _config(imported).training.lr_warmup_steps == 0
    used = {"enable_bucket": True, "shuffle_caption": True, "lr_scheduler": "linear"}
    config = _config(carry_over({**idle, **used}))
    assert (config.data.min_bucket_reso, config.data.bucket_no_upscale, config.data.keep_tokens) == (256, True, 2)
    assert config.training.lr_warmup_steps == 0.1


def test_rates_of_nothing_are_the_shared_one() -> None:
    """The GUI's file has `0` where its user left the parts' own rates alone."""
    assert _config(carry_over({"learning_rate": 1e-4, "unet_lr": 0, "text_encoder_lr": 0})).training.rates == {
        "unet": 1e-4,
        "te1": 1e-4,
        "te2": 1e-4,
    }
    assert _config(carry_over({"learning_rate": 1e-4, "text_encoder_lr": []})).training.te_lr == 1e-4
    lists = _config(carry_over({"unet_lr": 1e-4, "text_encoder_lr": [1e-5, "2e-5"]})).training.rates
    assert lists == {"unet": 1e-4, "te1": 1e-5, "te2": 2e-5}


def test_a_comment_is_carried() -> None:
    imported = carry_over({"epoch": 1, "training_comment": "third try"})
    assert (_config(imported).output.comment, imported.not_carried) == ("third try", {})


def test_every_row_leads_to_a_key_of_ours() -> None:
    for place, _ in CARRIED_KEYS.values():
        table, key = place.split(".")
        section = TrainConfig.model_fields[table].annotation
        assert section is not None
        assert key in section.model_fields


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = {**GUI, "vae": "v.safetensors", "ip_noise_gamma": 0.1}
    (tmp_path / "gui.json").write_text(json.dumps(theirs))
    for words in (["-o", str(tmp_path / "ours.toml")], ["--json"], []):
        monkeypatch.setattr(sys, "argv", ["trainer", "import-kohya", str(tmp_path / "gui.json"), *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        printed = capsys.readouterr()
        assert "not carried over: ip_noise_gamma: input perturbation is not done here" in printed.err
        if words == ["--json"]:
            assert json.loads(printed.out)["settings"]["lora"]["rank"] == 128
            assert json.loads(printed.out)["settings"]["model"]["vae"] == "v.safetensors"
        elif not words:
            assert tomllib.loads(printed.out) == tomllib.loads((tmp_path / "ours.toml").read_text())
