"""A configuration is checked as a whole: presets give defaults, a fault is named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import TextFileError
from trainer.config.config import TrainConfig, check_output, parse_config, read_config

LEAST = """
[model]
base = "some/hub-id"
[data]
train = "Train"
[output]
folder = "runs/hina"
name = "hina"
"""


def _read(folder: Path, text: str) -> TrainConfig:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_portrait_is_the_setting_that_worked(tmp_path: Path) -> None:
    config = _read(tmp_path, LEAST)
    training = config.training
    assert (config.lora.rank, config.lora.alpha, config.data.resolution) == (128, 1.0, 768)
    assert (training.optimizer, training.batch_size, training.epochs) == ("AdamW8bit", 4, 12)
    assert (training.unet_lr, training.te_lr, training.lr_scheduler) == (2e-4, 5e-5, "cosine_with_restarts")
    assert (training.gradient_accumulation, training.prior_loss_weight, training.noise_offset) == (1, 0.15, 0.06)


def test_the_file_overrides_its_preset(tmp_path: Path) -> None:
    config = _read(tmp_path, 'preset = "miniature"\n' + LEAST + "[training]\nepochs = 2\n[lora]\nrank = 4\n")
    assert (config.training.epochs, config.lora.rank) == (2, 4)
    assert (config.training.batch_size, config.lora.alpha, config.data.resolution) == (8, 16.0, 64)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a\\n", "a\\u0000"])
def test_what_begins_file_names_is_said_in_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"output\.name: begins file names: letters, digits"):
        _read(tmp_path, LEAST.replace('name = "hina"', f'name = "{name}"'))


@pytest.mark.parametrize("folder", ["Train", "Train/10_hina", "./Train/new"])
def test_a_run_writes_nothing_among_pictures(tmp_path: Path, folder: str) -> None:
    check_output(_read(tmp_path, LEAST))
    with pytest.raises(
        ConfigurationError, match=r"output\.folder: .* lies among the pictures of .*Train; name a folder"
    ):
        check_output(_read(tmp_path, LEAST.replace("runs/hina", folder)))


def test_what_is_pasted_from_windows_and_from_documents_is_told_how_to_mend(tmp_path: Path) -> None:
    for written, advice in (
        (r'train = "C:\Users\me"', r"in a path write / for \\, or put it into 'single quotes'"),
        (
            "train = \N{LEFT DOUBLE QUOTATION MARK}Train\N{RIGHT DOUBLE QUOTATION MARK}",
            r"write plain quotes \(\"\) for ",
        ),
        ("train = ", "mend that place"),
    ):
        with pytest.raises(TextFileError, match=f"not valid TOML .*; {advice}"):
            _read(tmp_path, LEAST.replace('train = "Train"', written))


def test_what_is_missing_is_said_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"output: is missing; it has no default, so write it"):
        _read(tmp_path, LEAST.partition("[output]")[0])
    with pytest.raises(ConfigurationError, match=r"data\.train: is no path; write one in quotes"):
        _read(tmp_path, LEAST.replace('"Train"', '["Train"]'))


def test_paths_are_relative_to_the_file_and_a_name_stays_a_name(tmp_path: Path) -> None:
    config = _read(tmp_path, LEAST)
    assert config.data.train == tmp_path / "Train"
    assert config.data.reg is None
    assert config.output.folder == tmp_path / "runs" / "hina"
    assert config.model.base == "some/hub-id"
    (tmp_path / "some" / "hub-id").mkdir(parents=True)
    assert _read(tmp_path, LEAST).model.base == str(tmp_path / "some" / "hub-id")


@pytest.mark.parametrize(
    ("added", "match"),
    [
        ("[training]\nepoch = 3", r"unknown key `training\.epoch` \(here it is called `training\.epochs`\)"),
        ("[trainin]\nepochs = 3", r"unknown key `trainin` \(did you mean `training`\?\)"),
        ("[training]\nunet_lr = 0\nte_lr = 0.0", "both 0"),
        ("[training]\nunet_lr = 0\nte_stop_at = 0.5", "nothing would learn once the text encoders stop"),
        ("[training]\nunet_lr = inf", r"training\.unet_lr"),
        ("[training]\nlr_scheduler = 'cosines'", r"training\.lr_scheduler.*cosine_with_restarts"),
        ("[training]\nlr_scheduler = 'adafactor'", "belong together"),
        ("[training]\noptimizer = 'Adafactor'", "relative_step = false"),
        ("[training]\noptimizer = 'Prodigy'", "give unet_lr and te_lr the same value"),
        ("[lora]\nalpha = 0", r"lora\.alpha"),
        (
            "[training]\nlr_scheduler = 'constant'\nlr_warmup_steps = 10",
            "lr_warmup_steps does nothing .*constant_with_w",
        ),
        ("[training]\nlr_power = 2", r"lr_power does nothing with .*cosine_with_restarts.*, or take polynomial"),
        ("[training]\nlr_scheduler = 'piecewise_constant'", "needs lr_step_rules"),
        ("[training]\nlr_scheduler = 'piecewise_constant'\nlr_step_rules = '1:2'", "are no rules; write them like"),
        ("[training]\noptimizer_args = { lr = 1e-4 }", "set unet_lr and te_lr instead"),
        ("[lora]\nrank = 0\nalpha = -1", r"lora\.rank.*lora\.alpha"),
        ("lora = 3", "not valid TOML|lora"),
        (
            "[training]\nlearning_rate = 1",
            r"unknown key `training\.learning_rate` \(here it is called `training\.unet_lr`",
        ),
        ("[lora]\nepochs = 4", r"unknown key `lora\.epochs` \(did you mean `training\.epochs`\?\)"),
        ("[training]\nepochs = true", r"training\.epochs: true is no number; write one"),
        ("[training]\nepochs = 1000000000", r"training\.epochs: .* less than or equal to 10000"),
        ("[samples]\nreferences = ''", r"samples\.references: is empty; name a path, or leave the key out"),
    ],
)
def test_a_fault_is_named_with_its_key(tmp_path: Path, added: str, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        _read(tmp_path, LEAST + added)


@pytest.mark.parametrize("key", ["min_bucket_reso = 256", "bucket_reso_steps = 64", "bucket_no_upscale = true"])
def test_bucket_options_need_buckets(tmp_path: Path, key: str) -> None:
    data = LEAST.replace("[data]", f"[data]\n{key}")
    _read(tmp_path, data)  # the preset has buckets
    with pytest.raises(
        ConfigurationError, match=f"{key.partition(' ')[0]}: nothing without buckets; set enable_bucket = true"
    ):
        _read(tmp_path, data.replace("[data]", "[data]\nenable_bucket = false"))


def test_tokens_are_kept_only_where_others_move(tmp_path: Path) -> None:
    data = LEAST.replace("[data]", "[data]\nkeep_tokens = 1")
    with pytest.raises(ConfigurationError, match="keep_tokens does nothing where captions keep their tags in order"):
        _read(tmp_path, data)
    for other in ("shuffle_caption = true", "caption_tag_dropout_rate = 0.1"):
        assert _read(tmp_path, data.replace("[data]", f"[data]\n{other}")).data.keep_tokens == 1


def test_rates_of_the_parts(tmp_path: Path) -> None:
    assert _read(tmp_path, LEAST).training.rates == {"unet": 2e-4, "te1": 5e-5, "te2": 5e-5}
    apart = _read(tmp_path, LEAST + "[training]\nte_lr = 1e-5\nte2_lr = 0\n").training
    assert apart.rates == {"unet": 2e-4, "te1": 1e-5, "te2": 0}


def test_what_belongs_together_is_taken(tmp_path: Path) -> None:
    relative = "[training]\noptimizer = 'Adafactor'\nlr_scheduler = 'adafactor'\n"
    assert _read(tmp_path, LEAST + relative).training.optimizer_args == {}
    own = "[training]\noptimizer = 'Prodigy'\nunet_lr = 1\nte_lr = 0\noptimizer_args = { d_coef = 2.0 }\n"
    assert _read(tmp_path, LEAST + own).training.optimizer_args == {"d_coef": 2.0}


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no preset `portait` \(did you mean `portrait`\?\)"):
        parse_config({"preset": "portait"}, Path("run.toml"))


@pytest.mark.parametrize("name", ["a/b", "..", "", "a\nb", "a\\b"])
def test_a_name_cannot_leave_its_folder(name: str) -> None:
    tables = {"model": {"base": "x"}, "data": {"train": "T"}, "output": {"folder": "o", "name": name}}
    with pytest.raises(ConfigurationError, match=r"output\.name"):
        parse_config(tables, Path("run.toml"))


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_config(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        _read(tmp_path, "[model")


@pytest.mark.parametrize(
    "line",
    ['prompts = ["ohwx <lora:Kat:0.6>"]', 'prompts = ["ohwx --n ugly"]', 'prompts = ["# x"]', 'negative = "a AND b"'],
)
def test_sample_prompts_are_words_alone(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"samples\.(prompts\.0|negative): `"):
        _read(tmp_path, f"{LEAST}\n[samples]\n{line}\n")
