"""kohya's files as they lie on disks: of any ending, with dataset configurations and prompts, and none at all."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from foundation.errors import ConfigurationError, MissingFileError
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import dataset_of
from trainer.kohya.reading import NotKohyasError, read_settings
from trainer.kohya.settings import Imported, as_toml, carry_over

DATASETS = """
[general]
shuffle_caption = true
caption_extension = ".txt"
keep_tokens = 1

[[datasets]]
resolution = [640, 640]
batch_size = 3
enable_bucket = true
bucket_reso_steps = 32

  [[datasets.subsets]]
  image_dir = "pictures/anna, the first"
  num_repeats = 10
  class_tokens = "ohwx woman"

  [[datasets.subsets]]
  image_dir = "more"
  num_repeats = 2
  caption_extension = ".caption"

  [[datasets.subsets]]
  is_reg = true
  image_dir = "reg"
  class_tokens = "woman"
"""


def _imported(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Imported:
    (folder / name).write_text(text, encoding=encoding)
    return carry_over(read_settings(folder / name), folder)


def _config(imported: Imported, folder: Path = Path()) -> TrainConfig:
    return parse_config(tomllib.loads(as_toml(imported)), folder / "run.toml")


@pytest.mark.parametrize("name", ["Upper.JSON", "lower.json", "settings.txt", "settings"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_json_is_read_whatever_its_name(tmp_path: Path, name: str, encoding: str) -> None:
    imported = _imported(tmp_path, name, '{"network_dim": 32, "unet_lr": 1e-4, "epoch": 3}', encoding)
    assert (_config(imported).lora.rank, imported.not_carried) == (32, {})


@pytest.mark.parametrize("name", ["Upper.TOML", "settings.cfg"])
def test_toml_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert _config(_imported(tmp_path, name, "network_dim = 32\n[b]\nunet_lr = 1e-4")).lora.rank == 32


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"caption": "a", "train_resolution": [1, 2]}', "none of kohya's keys, only `caption`"),
        ("a.json", "{}", "none of kohya's keys, only nothing"),
        ("a.toml", "[tool.ruff]\nline = 3", "none of kohya's keys"),
        ("a.toml", '[model]\nbase = "b"\n[data]\nresolution = 512', "is a configuration of this trainer already"),
        ("a.json", '{"a": 1,}', r"not valid JSON \(.*at line 1, column 9"),
        ("a.toml", "network_dim = ", r"not valid TOML \("),
    ],
)
def test_what_is_no_file_of_kohyas_is_an_error(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        _imported(tmp_path, name, text)
    assert str(tmp_path / name) in str(raised.value)
    assert isinstance(raised.value, NotKohyasError) == ("not valid" not in said)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "d.json").mkdir()
    (tmp_path / "e.toml").mkdir()
    (tmp_path / "f.json").write_bytes(b"\xff\xfe")
    for name in "abdf":
        with pytest.raises(ConfigurationError, match=rf"{name}\.json: .*give kohya_ss's \.json or sd-scripts' \.toml"):
            read_settings(tmp_path / f"{name}.json")
    with pytest.raises(ConfigurationError, match=r"e\.toml: is a folder"):
        read_settings(tmp_path / "e.toml")
    for name in ("c.json", "c.toml"):
        with pytest.raises(MissingFileError, match="no such file"):
            read_settings(tmp_path / name)


def test_a_files_text_moves_no_terminal_and_ends_no_comment(tmp_path: Path) -> None:
    imported = _imported(tmp_path, "a.json", '{"epoch": 1, "a\\u001b[31m\\nb\\u2028 = 1": "x", "\\u0000": true}')
    text = as_toml(imported)
    assert tomllib.loads(text)["preset"] == "portrait"
    assert "\x1b" not in text
    assert sum(line.startswith("#") for line in text.split("\n")) == len(imported.remarks) == 3


@pytest.mark.parametrize(
    ("theirs", "rates"),
    [
        ({"learning_rate": 0.0, "unet_lr": 1e-4, "text_encoder_lr": 5e-5}, (1e-4, 5e-5)),
        ({"learning_rate": "0", "unet_lr": 1e-4}, (1e-4, 0.0)),
        ({"learning_rate": 0.0}, None),
        ({"learning_rate": 0, "unet_lr": 0.0, "text_encoder_lr": 0.0}, None),
        ({"epoch": 1}, (2e-6, 2e-6)),
    ],
)
def test_a_rate_of_nothing_is_none_that_kohya_never_had(
    theirs: dict[str, object], rates: tuple[float, float] | None
) -> None:
    imported = carry_over({"epoch": 1, **theirs})
    training = imported.tables["training"]
    assert (training["unet_lr"], training["te_lr"]) == (rates or (0.0, 0.0))
    assert ("[training]" in imported.not_carried) == (rates is None)


@pytest.mark.parametrize(("alpha", "wanted"), [(0, 16.0), ("0.0", 16.0), (4, 4.0), (None, 1.0)])
def test_an_alpha_of_nothing_is_the_rank(alpha: object, wanted: float) -> None:
    theirs = {"LoRA_type": "LoCon", "network_dim": 16, "network_alpha": alpha, "conv_dim": 8, "conv_alpha": alpha}
    lora = _config(carry_over({"epoch": 1, **theirs})).lora
    assert (lora.alpha, lora.conv_alpha) == (wanted, min(wanted, 8.0))


def test_a_dataset_configuration_is_carried_folder_by_folder(tmp_path: Path) -> None:
    imported = _imported(tmp_path, "dataset.toml", DATASETS)
    config = _config(imported, tmp_path)
    told = [(one.path, one.repeats, one.class_words, one.reg, one.caption_extension) for one in config.data.folders]
    assert told == [
        (tmp_path / "pictures/anna, the first", 10, "ohwx woman", False, ".txt"),
        (tmp_path / "more", 2, "", False, ".caption"),
        (tmp_path / "reg", 1, "woman", True, ".txt"),
    ]
    assert (config.data.train, config.data.reg) == (None, None)
    assert (config.data.resolution, config.data.enable_bucket, config.data.bucket_reso_steps) == (640, True, 32)
    assert (config.training.batch_size, config.data.shuffle_caption, config.data.keep_tokens) == (3, True, 1)
    assert list(imported.not_carried) == ["max_train_steps"]
    assert "says nothing of a LoRA" in imported.notes[0]


def test_settings_that_name_a_dataset_configuration_read_it_in_the_place_of_their_own_folders(tmp_path: Path) -> None:
    """kohya's paths start where it was started; the file is found beside the settings as well."""
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "dataset.toml").write_text(DATASETS)
    text = '{"network_dim": 8, "epoch": 2, "max_resolution": "512,512", "train_data_dir": "x", "dataset_config": "%s"}'
    for named in ("sets/dataset.toml", "sets\\\\dataset.toml", "/elsewhere/dataset.toml"):
        folder = tmp_path if named.startswith("sets") else tmp_path / "sets"
        imported = _imported(folder, "a.json", text % named)
        config = _config(imported, tmp_path)
        assert imported.not_carried == {}
        assert (len(config.data.folders), config.data.train, config.data.resolution) == (3, None, 640)
        assert (config.lora.rank, config.training.epochs) == (8, 2)


def test_what_differs_between_folders_is_said(tmp_path: Path) -> None:
    more = DATASETS + '\n[[datasets]]\nresolution = 512\n[[datasets.subsets]]\nimage_dir = "more"\nflip_aug = true\n'
    more += '[[datasets.subsets]]\nimage_dir = "none"\nnum_repeats = 0\ncaption_prefix = "by me, "\n'
    imported = _imported(tmp_path, "dataset.toml", more)
    config = _config(imported)
    assert len(config.data.folders) == 3
    assert config.data.resolution == 640
    assert "[640, 640], 512" in imported.not_carried["resolution"]
    assert {"image_dir", "num_repeats", "flip_aug", "caption_prefix"} <= imported.not_carried.keys()


def test_the_folders_of_a_dataset_configuration_are_read(tmp_path: Path) -> None:
    for folder, ending in (("pictures/anna, the first", ".txt"), ("more", ".caption"), ("reg", ".none")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").touch()
        (tmp_path / folder / f"a{ending}").write_text(f"words of {folder}")
    (tmp_path / "pictures/anna, the first" / "b.png").touch()
    dataset = dataset_of(_config(_imported(tmp_path, "dataset.toml", DATASETS), tmp_path).data)
    assert [(one.caption, one.repeats, one.folder) for one in dataset.train] == [
        ("words of pictures/anna, the first", 10, "anna, the first"),
        ("ohwx woman", 10, "anna, the first"),
        ("words of more", 2, "more"),
    ]
    assert [(one.caption, one.repeats) for one in dataset.reg] == [("woman", 1)]


def test_captions_of_an_ending_that_no_file_has_are_the_folders_words(tmp_path: Path) -> None:
    """The GUI's users write `.none-use-foldername` so that caption files are not read."""
    folder = tmp_path / "Train" / "3_ohwx woman"
    folder.mkdir(parents=True)
    for name in ("a.png", "a.txt", "a.caption"):
        (folder / name).write_text("a caption")
    theirs = {"network_dim": 8, "train_data_dir": "Train", "caption_extension": ".none-use-foldername"}
    imported = carry_over({**theirs, "epoch": 1})
    dataset = dataset_of(_config(imported, tmp_path).data)
    assert [(one.caption, one.repeats) for one in dataset.train] == [("ohwx woman", 3)]
    assert imported.not_carried == {}
    assert "a.caption, a.txt" in dataset.notes[0]


GUI_PROMPTS = """# samples
photo of ohwx woman --n blurry, bad --w 768 --h 770 --s 20 --l 6.5 --d 7

a woman on a --beach walk --w 768 --h 768 --d 8 --s 20 --l 6.5 --n blurry, bad
"""


def test_the_guis_prompts_become_samples() -> None:
    theirs = {"sample_prompts": GUI_PROMPTS, "sample_every_n_epochs": 2, "sample_sampler": "k_euler_a", "epoch": 1}
    imported = carry_over(theirs)
    samples = _config(imported).samples
    assert samples.prompts == ["photo of ohwx woman", "a woman on a"]
    assert (samples.width, samples.height, samples.steps, samples.cfg, samples.seed) == (768, 768, 20, 6.5, 7)
    assert (samples.negative, samples.every_n_epochs, samples.sampler) == ("blurry, bad", 2, "euler_a")
    assert list(imported.not_carried) == ["sample_prompts"]  # `--beach` is no option
    assert "`--beach` is not read here" in imported.not_carried["sample_prompts"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "\ufeffone --s 9\n# no\ntwo --s 9\n"),
        (
            "p.toml",
            '[prompt]\nsample_steps = 9\n[[prompt.subset]]\nprompt = "one"\n[[prompt.subset]]\nprompt = "two"\n',
        ),
    ],
)
def test_sd_scripts_prompts_are_read_out_of_their_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    imported = carry_over({"sample_prompts": name, "sample_every_n_steps": 50, "epoch": 1}, tmp_path)
    samples = _config(imported).samples
    assert (samples.prompts, samples.steps, samples.cfg) == (["one", "two"], 9, 7.5)
    assert (samples.sampler, samples.width) == ("ddim", 512)  # kohya's own
    assert list(imported.not_carried) == ["sample_every_n_steps"]


def test_prompts_that_are_never_drawn_are_left_out() -> None:
    imported = carry_over({"sample_prompts": "a", "sample_sampler": "euler", "epoch": 1, "sample_every_n_epochs": 0})
    assert (_config(imported).samples.prompts, imported.not_carried) == ([], {})


def test_what_prompts_do_not_share_is_said() -> None:
    rows = "a --d 3 --w 512\nb --d 9 --w 640\n" + "c\n" * 30
    imported = carry_over({"sample_prompts": rows, "sample_every_n_epochs": 1, "epoch": 1})
    assert len(_config(imported).samples.prompts) == 24
    assert {"sample_prompts", "sample_prompts (width)", "sample_prompts (seed)"} == imported.not_carried.keys()


@pytest.mark.parametrize(
    ("kind", "offset", "levels"),
    [("Original", 0.05, 0), ("Multires", 0.0, 6), ("", 0.05, 6)],
)
def test_the_guis_kind_of_noise_chooses_what_is_read(kind: str, offset: float, levels: int) -> None:
    theirs = {
        "noise_offset": 0.05,
        "noise_offset_random_strength": True,
        "adaptive_noise_scale": 0.005,
        "multires_noise_iterations": 6,
        "multires_noise_discount": 0,
    }
    imported = carry_over({"epoch": 1, "noise_offset_type": kind, **theirs})
    training = _config(imported).training
    assert imported.not_carried == {}
    assert (training.noise_offset, training.multires_noise_iterations) == (offset, levels)
    assert training.noise_offset_random_strength == (offset > 0)
    assert training.adaptive_noise_scale == (0.005 if offset else 0.0)
    assert training.multires_noise_discount == (0.0 if levels else 0.3)


def test_what_public_presets_use_is_carried() -> None:
    theirs = {
        "scale_weight_norms": 1,
        "max_token_length": "225",
        "bucket_reso_steps": 32.0,
        "enable_bucket": True,
        "min_timestep": 100,
        "max_timestep": 900,
        "lora_network_weights": "before.safetensors",
        "dim_from_weights": True,
        "additional_parameters": "--max_grad_norm=0 --network_train_unet_only --log_prefix=xl-loha",
        "unet_lr": 1e-4,
        "text_encoder_lr": 1e-5,
    }
    imported = carry_over({"epoch": 1, **theirs})
    config = _config(imported)
    assert imported.not_carried == {}
    assert (config.training.scale_weight_norms, config.data.max_token_length) == (1.0, 225)
    assert (config.data.bucket_reso_steps, config.training.min_timestep, config.training.max_timestep) == (32, 100, 900)
    assert (config.lora.network_weights, config.lora.dim_from_weights) == (Path("before.safetensors").absolute(), True)
    assert (config.training.max_grad_norm, config.training.te_lr) == (0.0, 0.0)


def test_a_kind_that_is_not_trained_is_named_with_what_goes_with_it() -> None:
    theirs = {"LoRA_type": "LyCORIS/GLoRA", "network_dim": 8, "network_alpha": 1, "factor": 6, "train_norm": True}
    imported = carry_over({"epoch": 1, **theirs})
    why = imported.not_carried["LoRA_type"]
    assert "network_module lycoris.kohya algo=glora is not trained here" in why
    assert "with it go factor, train_norm" in why
    assert (_config(imported).lora.algo, _config(imported).lora.rank) == ("lora", 8)


@pytest.mark.parametrize("spelt", ["gui", "sd-scripts"])
def test_loha_and_lokr_are_carried(spelt: str) -> None:
    own = {"factor": 6, "decompose_both": True, "use_cp": True, "conv_dim": 4, "conv_alpha": 0, "rank_dropout": 0.1}
    theirs: dict[str, object] = {"LoRA_type": "LyCORIS/LoKr", **own}
    if spelt == "sd-scripts":
        arguments = ["algo=lokr", *(f"{key}={value}" for key, value in own.items())]
        theirs = {"network_module": "lycoris.kohya", "network_args": arguments}
    imported = carry_over({"epoch": 1, "network_dim": 16, "network_alpha": 8, **theirs})
    lora = _config(imported).lora
    assert (lora.algo, lora.rank, lora.alpha, lora.conv_rank, lora.conv_alpha) == ("lokr", 16, 8.0, 4, 4.0)
    assert (lora.factor, lora.decompose_both, lora.full_matrix, lora.rank_dropout) == (6, True, False, 0.0)
    assert set(imported.not_carried) == {"use_cp", "rank_dropout"}
    whole = carry_over({"epoch": 1, "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "conv_dim": 100000})
    assert (_config(whole).lora.full_matrix, whole.not_carried) == (True, {})
    loha = carry_over({"epoch": 1, "LoRA_type": "LyCORIS/LoHa", "network_dim": 8, "factor": -1, "unit": 1})
    assert (_config(loha).lora.algo, _config(loha).lora.conv_rank, loha.not_carried) == ("loha", 8, {})
