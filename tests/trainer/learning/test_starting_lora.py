"""A run that begins with a LoRA file has its delta before the first step; what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from base_models.architecture import architecture
from base_models.base_model import load_base
from foundation.errors import ConfigurationError, LoraFileError, MissingFileError
from foundation.progress import Silent
from loras.lora_file import LoraFile, LoraModule, read_lora, write_diffusers, write_lora
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import dataset_of
from trainer.data.plan import make_plan
from trainer.learning.adapters import snapshot
from trainer.learning.starting_lora import StartingLoraError, read_starting_lora
from trainer.records.run_identity import differences, identity_of
from trainer.running.run import run_training
from trainer.running.session import Session, prepare

Table = dict[str, object]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"), train=2, reg=1)


def _session(data: Path, base: Path, lora: Table, training: Table | None = None) -> Session:
    settings = tiny_settings(base)
    settings["lora"] |= lora
    settings["training"] |= training or {}
    config = parse_config(settings, data / "run.toml")
    dataset = dataset_of(config.data)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    return prepare(config, dataset, plan, load_base(str(base)), Silent())


def _file(
    data: Path, base: Path, name: str, rank: int = 2, alpha: float = 1.0, **changed: object
) -> LoraFile[LoraModule]:
    """A LoRA of random factors for all that a plain run trains, as it stands in `name`."""
    draw = torch.Generator().manual_seed(4)
    modules = {
        key: LoraModule(
            torch.randn((rank, *one.down.shape[1:]), generator=draw),
            torch.randn((len(one.up), rank, *one.up.shape[2:]), generator=draw),
            alpha,
        )
        for key, one in _session(data, base, {}).adapters.items()
    }
    lora = LoraFile(modules, {})
    write_lora(lora, data / name, torch.float32)
    return lora


def _same_deltas(session: Session, lora: LoraFile[LoraModule]) -> bool:
    now = snapshot(session.adapters)
    return now.keys() == lora.modules.keys() and all(
        torch.allclose(now[name].delta(), lora.modules[name].delta(), rtol=1e-5, atol=1e-6) for name in now
    )


def test_the_run_begins_with_the_files_delta_whatever_its_alpha(data: Path, base: Path) -> None:
    lora = _file(data, base, "a.safetensors", alpha=3.0)
    session = _session(data, base, {"network_weights": "a.safetensors"})
    assert _same_deltas(session, lora)
    assert {one.alpha for one in session.adapters.values()} == {1.0}
    assert session.notes == ()
    # The guards' candidates, the gauge and the model itself hold the same weights.
    assert session.gauge.measure().largest > 0
    assert all(map(torch.equal, session.updater.weights.live, session.updater.weights.candidates))


def test_other_spellings_are_read(data: Path, base: Path) -> None:
    lora = _file(data, base, "a.safetensors")
    model = load_base(str(base))
    names = architecture(model.family, model.unet, model.text_encoders)
    write_diffusers(lora, data / "d.safetensors", names, torch.float32)
    assert _same_deltas(_session(data, base, {"network_weights": "d.safetensors"}), lora)


def test_ranks_come_from_the_file(data: Path, base: Path) -> None:
    lora = _file(data, base, "a.safetensors", rank=5, alpha=2.5)
    less = {name: one for name, one in lora.modules.items() if "attn1" in name}
    write_lora(LoraFile(less, {}), data / "less.safetensors", torch.float32)
    lora_keys = {"network_weights": "less.safetensors", "dim_from_weights": True}
    session = _session(data, base, lora_keys)
    assert session.adapters.keys() == less.keys()
    assert {(len(one.down), one.alpha, one.scale) for one in session.adapters.values()} == {(5, 2.5, 0.5)}
    assert _same_deltas(session, LoraFile(less, {}))
    assert session.rate_names == ("unet_lr",)


def test_what_does_not_fit_is_named(data: Path, base: Path) -> None:
    lora = _file(data, base, "r5.safetensors", rank=5)
    with pytest.raises(StartingLoraError, match=r"r5\.safetensors: `lora_.*` is of rank 5.*of 2; set lora\.rank"):
        _session(data, base, {"network_weights": "r5.safetensors"})
    strange = {f"lora_unet_somewhere_{at}": one for at, one in enumerate(lora.modules.values())}
    write_lora(LoraFile(strange, {}), data / "strange.safetensors")
    with pytest.raises((StartingLoraError, LoraFileError), match="strange"):
        _session(data, base, {"network_weights": "strange.safetensors"})
    wide = {name: LoraModule(torch.cat([one.down] * 2, 1), one.up, 1.0) for name, one in lora.modules.items()}
    write_lora(LoraFile(wide, {}), data / "wide.safetensors")
    with pytest.raises(StartingLoraError, match="another family of base models"):
        _session(data, base, {"network_weights": "wide.safetensors", "rank": 5})
    with pytest.raises(ConfigurationError, match="dim_from_weights needs the LoRA file"):
        _session(data, base, {"dim_from_weights": True})


def test_parts_that_are_not_trained_and_that_begin_anew_are_said(data: Path, base: Path) -> None:
    _file(data, base, "a.safetensors")
    session = _session(data, base, {"network_weights": "a.safetensors"}, {"te_lr": 0.0})
    assert len(session.notes) == 1
    assert "12 modules of the text encoder are not trained" in session.notes[0]
    session = _session(data, base, {"network_weights": "a.safetensors", "conv_rank": 2})
    assert any("these begin anew" in note for note in session.notes)


def test_a_missing_file_is_said_before_anything_is_loaded(data: Path, base: Path, tmp_path: Path) -> None:
    settings = tiny_settings(base)
    settings["lora"]["network_weights"] = "gone.safetensors"
    settings["output"]["folder"] = str(tmp_path / "out")
    with pytest.raises(MissingFileError, match=r"gone\.safetensors.*lora\.network_weights"):
        run_training(parse_config(settings, data / "run.toml"))


def test_a_run_is_known_by_what_it_begins_with(data: Path, base: Path) -> None:
    """By the file's contents, not its name; and a run without one has the identity that it always had."""
    _file(data, base, "a.safetensors")
    (data / "b.safetensors").write_bytes((data / "a.safetensors").read_bytes())
    _file(data, base, "c.safetensors", alpha=2.0)
    names: list[Table] = [{"network_weights": f"{name}.safetensors"} for name in "abc"]
    settings = tiny_settings(base)
    plain = identity_of(parse_config(settings, data / "run.toml"), "data", "base")
    one, same, other = (
        identity_of(parse_config({**settings, "lora": {**settings["lora"], **name}}, data / "run.toml"), "data", "base")
        for name in names
    )
    assert differences(one, same) == []
    assert len(differences(one, other)) == len(differences(plain, one)) == 1
    assert "network_weights" not in plain.settings["lora"]


def test_a_file_of_other_kinds_is_refused_with_a_way_out(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    parts = {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)}
    tensors = {f"{name}.{key}": torch.ones(shape) for key, shape in parts.items()}
    save_file(tensors, tmp_path / "loha.safetensors")
    assert read_lora(tmp_path / "loha.safetensors").modules
    with pytest.raises(StartingLoraError, match=r"loha\.safetensors: .* is of the kind loha"):
        read_starting_lora(tmp_path / "loha.safetensors")
