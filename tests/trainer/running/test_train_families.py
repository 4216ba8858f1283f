"""SD1, SD2 (v-prediction) and SDXL are trained: the loss falls, and the file is kohya's, which diffusers reads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from base_models.base_model import load_base
from base_models.single_file import read_single_file
from loras.lora_file import read_lora
from single_files import write_single_file
from tiny import tiny_data, tiny_settings
from tiny_families import tiny_family, tiny_folder, tiny_pipeline
from trainer.config.config import TrainConfig, parse_config
from trainer.records.record import RunRecord
from trainer.running.run import run_training

KEYS = ("sd1", "sd2", "sdxl")
SAYS = {
    "sd1": {
        "ss_v2": "False",
        "ss_base_model_version": "sd_v1",
        "ss_v_parameterization": "False",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.prediction_type": "epsilon",
    },
    "sd2": {
        "ss_v2": "True",
        "ss_base_model_version": "sd_v2_v",
        "ss_v_parameterization": "True",
        "modelspec.architecture": "stable-diffusion-v2-768-v/lora",
        "modelspec.prediction_type": "v",
    },
    "sdxl": {
        "ss_v2": "False",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_v_parameterization": "False",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        "modelspec.prediction_type": "epsilon",
    },
}
UNET_PART = "attentions_0_transformer_blocks_0_attn1_to_q"
HAS = {
    "sd1": {f"lora_unet_down_blocks_0_{UNET_PART}", "lora_te_text_model_encoder_layers_2_mlp_fc1"},
    "sd2": {f"lora_unet_down_blocks_0_{UNET_PART}", "lora_te_text_model_encoder_layers_2_self_attn_out_proj"},
    "sdxl": {
        "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k",
        "lora_te1_text_model_encoder_layers_0_mlp_fc2",
        "lora_te2_text_model_encoder_layers_0_self_attn_q_proj",
    },
}
PREFIXES = {"sd1": {"unet", "te"}, "sd2": {"unet", "te"}, "sdxl": {"unet", "te1", "te2"}}


def _trained(key: str, folder: Path, base: Path, **tables: dict[str, object]) -> tuple[TrainConfig, RunRecord]:
    """Two pictures learned by heart in four epochs."""
    data = tiny_data(folder, train=2)
    (data / "Train" / "2_ohwx person").rename(data / "Train" / "10_ohwx person")
    settings = tiny_settings(base)
    del settings["data"]["reg"]
    settings["lora"] = {"rank": 4, "alpha": 4.0}
    settings["training"] |= {"epochs": 4, "batch_size": 2, "unet_lr": 3e-2 if key == "sdxl" else 1e-2}
    config = parse_config({name: {**settings[name], **tables.get(name, {})} for name in settings}, data / "run.toml")
    return config, run_training(config)


@pytest.fixture(scope="module", params=KEYS)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(key: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(key, tmp_path_factory.mktemp("base") / key)


@pytest.fixture(scope="module")
def run(key: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, RunRecord]:
    return _trained(key, tmp_path_factory.mktemp("run"), folder)


def _last(run: tuple[TrainConfig, RunRecord]) -> Path:
    return run[0].output.folder / "hina.safetensors"


def test_the_loss_falls(run: tuple[TrainConfig, RunRecord]) -> None:
    """On what was learned, at fixed noise and timesteps."""
    losses = [reading.train_loss or 0.0 for reading in run[1].readings]
    assert losses[-1] < 0.95 * losses[0]


def test_files_names_and_headers_are_kohyas(key: str, run: tuple[TrainConfig, RunRecord]) -> None:
    assert list(run[1].files) == [*(f"hina-{epoch:06d}.safetensors" for epoch in (1, 2, 3)), "hina.safetensors"]
    with safe_open(_last(run), framework="pt") as opened:
        header = dict(opened.metadata())
    assert header | SAYS[key] == header
    assert (header["ss_network_module"], header["ss_network_dim"], header["ss_network_alpha"]) == (
        "networks.lora",
        "4",
        "4.0",
    )


def test_every_module_that_kohya_trains_is_in_the_file_and_no_other(
    key: str, folder: Path, run: tuple[TrainConfig, RunRecord]
) -> None:
    modules = read_lora(_last(run)).modules
    assert HAS[key] <= modules.keys()
    assert {name.split("_")[1] for name in modules} == PREFIXES[key]
    pipeline = tiny_pipeline(key)
    encoders = [pipeline.text_encoder, *([pipeline.text_encoder_2] if key == "sdxl" else [])]
    weights = [name for name in pipeline.unet.state_dict() if ".attentions." in name]
    weights += [name for encoder in encoders for name in encoder.state_dict() if ".layers." in name]
    assert len(modules) == sum(name.endswith(".weight") and "norm" not in name for name in weights)
    # SDXL reads the penultimate layer of its first encoder; the last one's adapters stay as they began, as kohya's do.
    idle = "lora_te1_text_model_encoder_layers_2_"
    assert all((module.up.abs().max() > 0) != name.startswith(idle) for name, module in modules.items())


def test_diffusers_loads_it_and_answers_as_the_base_with_the_deltas_added(
    key: str, folder: Path, run: tuple[TrainConfig, RunRecord]
) -> None:
    base, pipeline = load_base(str(folder)), tiny_pipeline(key)
    plain = _answers(tiny_pipeline(key))
    for name, module in read_lora(_last(run)).modules.items():
        weight = base.modules[name].get_parameter("weight")
        weight.data += module.delta().reshape(weight.shape)
    for part, encoder in zip(base.family.text, base.text_encoders, strict=True):
        setattr(pipeline, part.encoder, encoder)
    pipeline.unet = base.unet
    ours = _answers(pipeline)
    loaded = tiny_pipeline(key)
    loaded.load_lora_weights(_last(run).parent, weight_name=_last(run).name)
    for theirs, moved, before in zip(_answers(loaded), ours, plain, strict=True):
        torch.testing.assert_close(theirs, moved, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(theirs, before, atol=1e-2)


@torch.no_grad()
def _answers(pipeline: Any) -> list[torch.Tensor]:
    """Of each text encoder, and of the UNet."""
    ids = torch.tensor([[49406, 320, 1125, 539, 49407, *[49407] * 72]])
    draw = torch.Generator().manual_seed(3)
    encoders = [pipeline.text_encoder, *([pipeline.text_encoder_2] if hasattr(pipeline, "text_encoder_2") else [])]
    texts = [encoder(ids, output_hidden_states=True).hidden_states[-2] for encoder in encoders]
    added: dict[str, Any] = {}
    if len(encoders) > 1:
        pooled = encoders[1](ids).text_embeds
        added = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.tensor([[32, 32, 0, 0, 32, 32]])}}
    latents = torch.randn(1, 4, 8, 8, generator=draw)
    return [*texts, pipeline.unet(latents, torch.tensor([500]), torch.cat(texts, dim=-1), **added).sample]


def test_a_single_file_trains_as_its_folder_does(
    key: str, run: tuple[TrainConfig, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit; the description is told the tiny model's sizes, which a single file does not say."""
    path = write_single_file(key, tiny_pipeline(key), tmp_path / "model.safetensors")
    tiny = partial(read_single_file, families=[tiny_family(key)])
    monkeypatch.setattr("base_models.base_source.read_single_file", tiny)
    other = _trained(key, tmp_path / "data", path)
    ours, theirs = load_file(_last(run)), load_file(_last(other))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_clip_skip_moves_sd1_alone(key: str, folder: Path, run: tuple[TrainConfig, RunRecord], tmp_path: Path) -> None:
    skipped = load_file(_last(_trained(key, tmp_path, folder, model={"clip_skip": 2})))
    same = [torch.equal(tensor, skipped[name]) for name, tensor in load_file(_last(run)).items()]
    assert all(same) == (key != "sd1")
