"""What a configuration asks for is what is trained: each option of the recipe does its work in a whole run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from base_models.base_model import load_base
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from loras.lora_file import read_lora
from tiny import tiny_base, tiny_data, tiny_picture, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.plan import make_plan
from trainer.guarding.update import accumulate_gradients
from trainer.records.record import RunRecord
from trainer.running.run import run_training
from trainer.running.session import Session, prepare

Table = dict[str, object]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def _config(folder: Path, base: Path, **tables: Table) -> TrainConfig:
    settings = tiny_settings(base)
    return parse_config({name: {**settings[name], **tables.get(name, {})} for name in settings}, folder / "run.toml")


def _session(folder: Path, base: Path, **tables: Table) -> Session:
    config = _config(folder, base, **tables)
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    return prepare(config, dataset, plan, load_base(str(base)), Silent())


def _gradients(session: Session, number: int = 1) -> list[torch.Tensor]:
    accumulate_gradients(session.updater, session.plan.steps[number - 1], ())
    return [one.grad.clone() if one.grad is not None else torch.zeros(0) for one in session.updater.weights.live]


def _warm(session: Session) -> Session:
    """With factors that matter: fresh adapters answer nothing, whatever is done to them."""
    draw = torch.Generator().manual_seed(7)
    weights = session.updater.weights
    weights.restore(torch.randn(weights.copy().shape, generator=draw) * 0.1)
    return session


def _run(tmp_path: Path, base: Path, **tables: Table) -> tuple[RunRecord, Path]:
    config = _config(tiny_data(tmp_path), base, **tables)
    return run_training(config), config.output.folder / "hina.safetensors"


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as opened:
        return dict(opened.metadata())


def test_convolutions_get_their_own_rank_and_alpha(tmp_path: Path, base: Path) -> None:
    """The file says one alpha for all, which every tool reads alike; what was trained otherwise is in the factors."""
    _, path = _run(tmp_path, base, lora={"conv_rank": 3, "conv_alpha": 1.5}, training={"epochs": 1})
    tensors = load_file(path)
    resnet = "lora_unet_down_blocks_0_resnets_0"
    assert tensors[f"{resnet}_conv1.lora_down.weight"].shape[0] == 3
    assert tensors[f"{resnet}_conv1.lora_down.weight"].shape[2:] == (3, 3)
    assert tensors[f"{resnet}_conv1.lora_up.weight"].shape[1:] == (3, 1, 1)
    assert {float(tensor) for name, tensor in tensors.items() if name.endswith(".alpha")} == {
        float(_metadata(path)["ss_network_alpha"])
    }
    assert tensors[f"{resnet}_time_emb_proj.lora_down.weight"].shape[0] == 2  # linear, so of the plain rank
    assert "lora_unet_down_blocks_0_downsamplers_0_conv.alpha" in tensors
    assert "lora_unet_up_blocks_0_upsamplers_0_conv.alpha" in tensors
    assert json.loads(_metadata(path)["ss_network_args"]) == {"conv_dim": "3", "conv_alpha": "1.5"}


def test_text_encoders_stop_after_their_share_and_the_unet_goes_on(tmp_path: Path, base: Path) -> None:
    record, _ = _run(tmp_path, base, training={"te_stop_at": 0.5, "lr_scheduler": "constant"})
    first, last = (load_file(Path(record.folder) / name) for name in ("hina-000001.safetensors", "hina.safetensors"))
    moved = {name for name in last if not torch.equal(first[name], last[name])}
    assert moved
    assert {name.split("_")[1] for name in moved} == {"unet"}


@pytest.mark.parametrize("option", ["dropout", "rank_dropout", "module_dropout"])
def test_a_dropout_changes_what_is_learned_and_not_what_is_measured(tmp_path: Path, base: Path, option: str) -> None:
    from trainer.guarding.fixed_loss import fixed_loss

    plain = _warm(_session(tiny_data(tmp_path / "a"), base))
    dropped = _warm(_session(tiny_data(tmp_path / "b"), base, lora={option: 0.5}))
    assert fixed_loss(plain.updater.setup, [0, 1]) == fixed_loss(dropped.updater.setup, [0, 1])
    once, again, without = _gradients(dropped), _gradients(dropped), _gradients(plain)
    assert all(map(torch.equal, once, again))
    assert not all(map(torch.equal, once, without))


@pytest.mark.parametrize(
    "option",
    [
        {"training": {"min_snr_gamma": 1.0}},
        {"training": {"debiased_estimation_loss": True}},
        {"training": {"noise_offset": 0.5}},
        {"training": {"multires_noise_iterations": 6}},
        {"training": {"max_timestep": 100}},
        {"training": {"min_timestep": 900}},
        {"data": {"max_token_length": 150}},
        {"data": {"caption_dropout_rate": 1.0}},
        {"data": {"shuffle_caption": True}},
        {"data": {"flip_aug": True}},
        {"model": {"clip_skip": 2}},
    ],
)
def test_an_option_reaches_the_gradient(tmp_path: Path, base: Path, option: dict[str, Table]) -> None:
    plain = _warm(_session(tiny_data(tmp_path / "a"), base))
    asked = _warm(_session(tiny_data(tmp_path / "b"), base, **option))
    assert not all(map(torch.equal, _gradients(plain), _gradients(asked)))


@pytest.mark.parametrize("option", ["noise_offset_random_strength", "adaptive_noise_scale"])
def test_what_shapes_the_offset_reaches_the_gradient(tmp_path: Path, base: Path, option: str) -> None:
    plain = _warm(_session(tiny_data(tmp_path / "a"), base, training={"noise_offset": 0.5}))
    asked = _warm(_session(tiny_data(tmp_path / "b"), base, training={"noise_offset": 0.5, option: 1}))
    assert not all(map(torch.equal, _gradients(plain), _gradients(asked)))


def test_no_module_of_a_file_is_beyond_the_norm_that_is_asked_for(tmp_path: Path, base: Path) -> None:
    tables: dict[str, Table] = {"training": {"epochs": 1}, "output": {"save_dtype": "float32"}}
    _, free = _run(tmp_path / "a", base, **tables)
    norms = sorted(one.delta().norm().item() for one in read_lora(free).modules.values())
    most = norms[len(norms) // 2]
    _, held = _run(tmp_path / "b", base, **{**tables, "training": {"epochs": 1, "scale_weight_norms": most}})
    found = [one.delta().norm().item() for one in read_lora(held).modules.values()]
    assert norms[-1] > 1.2 * most
    assert max(found) == pytest.approx(most, rel=1e-4)
    assert _metadata(held)["ss_scale_weight_norms"] == str(most)


def test_checkpoints_change_memory_and_not_gradients(tmp_path: Path, base: Path) -> None:
    plain = _warm(_session(tiny_data(tmp_path / "a"), base))
    saving = _warm(_session(tiny_data(tmp_path / "b"), base, model={"gradient_checkpointing": True}))
    assert saving.updater.setup.base.unet.is_gradient_checkpointing
    for one, other in zip(_gradients(plain), _gradients(saving), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_what_makes_a_cpu_faster_changes_no_gradient(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products by oneDNN, and 1x1 adapters as products over channels: PEFT's own layers on torch's learn the same."""
    lean = _gradients(_warm(_session(tiny_data(tmp_path / "a"), base, lora={"alpha": 3.0})))
    monkeypatch.setattr("trainer.running.session.use_onednn", lambda model: None)
    monkeypatch.setattr("trainer.learning.adapters.lean", lambda config, dropouts: config)
    plain = _gradients(_warm(_session(tiny_data(tmp_path / "b"), base, lora={"alpha": 3.0})))
    assert max(one.abs().max() for one in plain) > 1e-3
    for one, other in zip(lean, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_captions_that_come_twice_and_frozen_encoders_change_nothing_but_time(tmp_path: Path, base: Path) -> None:
    setup = _session(tiny_data(tmp_path), base).updater.setup
    captions = ["a person", "another", "a person"]
    together = setup.reader.read(captions).text
    for caption, row in zip(captions, together, strict=True):
        torch.testing.assert_close(setup.reader.read([caption]).text[0], row, rtol=1e-5, atol=1e-6)
    frozen = _session(tiny_data(tmp_path / "b"), base, training={"te_lr": 0}).updater.setup
    torch.testing.assert_close(frozen.reader.read(captions).text, together, rtol=1e-5, atol=1e-6)


def test_pictures_of_several_shapes_train_in_buckets(tmp_path: Path, base: Path) -> None:
    data = tiny_data(tmp_path)
    tiny_picture(data / "Train" / "2_ohwx person" / "00.png", 9, (48, 24))
    tiny_picture(data / "Reg" / "1_person" / "01.png", 9, (24, 60))
    record = run_training(_config(data, base, training={"epochs": 1}))
    info = json.loads(_metadata(data / "out" / "hina.safetensors")["ss_bucket_info"])
    assert {tuple(one["resolution"]): one["count"] for one in info["buckets"].values()} == {(40, 24): 2, (32, 32): 4}
    assert record.steps >= 3


def test_a_cache_answers_for_unchanged_pictures_alone(tmp_path: Path, base: Path) -> None:
    data = tiny_data(tmp_path)
    tables: dict[str, Table] = {"data": {"cache": "cache"}}
    first = _session(data, base, **tables).updater.setup.inputs.latents
    files = sorted((data / "cache").iterdir())
    assert len(files) == 7
    stamps = [path.stat().st_mtime_ns for path in files]
    again = _session(data, base, **tables).updater.setup.inputs.latents
    assert all(map(torch.equal, first, again))
    assert [path.stat().st_mtime_ns for path in sorted((data / "cache").iterdir())] == stamps
    tiny_picture(data / "Train" / "2_ohwx person" / "01.png", 99)
    files[0].write_bytes(files[0].read_bytes()[:50])
    changed = _session(data, base, **tables).updater.setup.inputs.latents
    differs = [not torch.equal(one, other) for one, other in zip(first, changed, strict=True)]
    assert differs == [False, True, *[False] * 5]
    other = tiny_base(tmp_path / "other")
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    _scale_weights(weights)
    assert not torch.equal(_session(data, other, **tables).updater.setup.inputs.latents[0], first[0])


def _scale_weights(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor * 1.01 for name, tensor in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("optimizer", "training"),
    [
        ("Lion", {}),
        ("Adafactor", {"lr_scheduler": "adafactor"}),
        ("Adafactor", {"optimizer_args": {"relative_step": False, "scale_parameter": False}}),
        ("DAdaptAdam", {"unet_lr": 1.0, "te_lr": 1.0}),
        ("Prodigy", {"unet_lr": 1.0, "te_lr": 1.0, "lr_warmup_steps": 2}),
    ],
)
def test_every_optimizer_makes_a_whole_run(tmp_path: Path, base: Path, optimizer: str, training: Table) -> None:
    record, path = _run(tmp_path, base, training={"optimizer": optimizer, **training})
    assert record.optimizer.split(".")[-1] == optimizer
    assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_half_precision_on_a_cpu_is_refused(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ConfigurationError, match="CPUs cannot train in"):
        _run(tmp_path, base, model={"dtype": "float16"})


def test_a_velocity_base_is_named_so(tmp_path: Path) -> None:
    velocity = tiny_base(tmp_path / "base", prediction_type="v_prediction")
    _, path = _run(tmp_path, velocity, training={"epochs": 1, "zero_terminal_snr": True, "min_snr_gamma": 5.0})
    metadata = _metadata(path)
    assert metadata["ss_base_model_version"] == "sd_v1_v"
    assert metadata["modelspec.prediction_type"] == "v"


def test_the_portrait_preset_runs_unchanged_on_an_sd15_shaped_model(tmp_path: Path) -> None:
    """Every block, layer and attention of SD1.5 at reduced widths; nothing of the preset is overridden."""
    base = _sd15_shaped(tmp_path / "base")
    data = tiny_data(tmp_path, train=1, reg=1)
    (data / "Train" / "2_ohwx person").rename(data / "Train" / "1_ohwx person")
    tables: dict[str, object] = {
        "model": {"base": str(base), "device": "cpu"},
        "data": {"train": "Train", "reg": "Reg"},
        "output": {"folder": "out", "name": "hina"},
    }
    config = parse_config(tables, data / "run.toml")
    assert (config.preset, config.data.resolution, config.lora.rank) == ("portrait", 768, 128)
    record = run_training(config)
    assert len(record.files) == 12
    tensors = load_file(config.output.folder / "hina.safetensors")
    assert sum(name.startswith("lora_unet_") for name in tensors) == 192 * 3
    assert sum(name.startswith("lora_te_") for name in tensors) == 72 * 3
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def _sd15_shaped(folder: Path) -> Path:
    """The tiny pipeline with its UNet and text encoder replaced by SD1.5's, reduced widths.

    The VAE reduces by 64 and not by 8: attention over 768 px would take minutes on a CPU, whatever the widths.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tiny_base(folder)
    words = len(json.loads((folder / "tokenizer" / "vocab.json").read_text()))
    torch.manual_seed(0)
    UNet2DConditionModel(
        block_out_channels=(16, 16, 16, 16), cross_attention_dim=48, attention_head_dim=8, norm_num_groups=8
    ).save_pretrained(folder / "unet")
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=12,
            num_attention_heads=12,
            bos_token_id=words - 2,
            eos_token_id=words - 1,
            pad_token_id=words - 1,
        )
    ).save_pretrained(folder / "text_encoder")
    AutoencoderKL(
        block_out_channels=(4,) * 7,
        down_block_types=("DownEncoderBlock2D",) * 7,
        up_block_types=("UpDecoderBlock2D",) * 7,
        norm_num_groups=2,
        mid_block_add_attention=False,
    ).save_pretrained(folder / "vae")
    return folder
