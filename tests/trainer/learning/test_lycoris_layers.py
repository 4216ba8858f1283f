"""LoHa and LoKr are trained as LyCORIS trains them, written as it writes them, and read here as any file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from base_models.base_model import load_base
from foundation.errors import ConfigurationError
from foundation.extras import MissingPackageError
from loras.blend import blend
from loras.lora_file import read_lora
from loras.module_kinds import Additive
from loras.weights import Weights
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import LoraSection, TrainConfig, parse_config
from trainer.guarding.fixed_loss import adapters_off
from trainer.learning.adapters import attach
from trainer.learning.norm_limit import NormLimit
from trainer.running.run import run_training

KINDS: list[dict[str, object]] = [
    {"algo": "loha"},
    {"algo": "lokr"},
    {"algo": "lokr", "factor": 2, "decompose_both": True, "rank": 1, "conv_rank": 1},
    {"algo": "lokr", "full_matrix": True},
]


class Small(nn.Module):
    """A layer of each kind that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.point = nn.Linear(12, 8), nn.Conv2d(8, 8, 1)
        self.wide = nn.Conv2d(8, 16, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.wide(self.point(self.linear(x).movedim(-1, 1)))


def _asked(**lora: object) -> LoraSection:
    return LoraSection.model_validate({"rank": 2, "alpha": 1.0, "conv_rank": 3, "conv_alpha": 2.0, **lora})


def _warmed(lora: LoraSection) -> tuple[Small, dict[str, nn.Module], dict[str, object]]:
    torch.manual_seed(0)
    model = Small()
    names = {"lora_unet_linear": model.linear, "lora_unet_point": model.point, "lora_unet_wide": model.wide}
    adapters = attach(model, names, ["linear", "point", "wide"], lora, seed=1)
    draw = torch.Generator().manual_seed(2)
    for one in adapters.values():
        for parameter in one.parameters:
            parameter.data.add_(torch.randn(parameter.shape, generator=draw) * 0.1)
    return model, names, dict(adapters)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_answers_as_the_base_with_the_delta_that_its_file_holds(kind: dict[str, object]) -> None:
    """The delta is that of our own kinds, which are tested against LyCORIS; the answer is that of the moved weight."""
    model, names, adapters = _warmed(_asked(**kind))
    moved = Small()
    moved.load_state_dict({k: v for name in ("linear", "point", "wide") for k, v in _base(names, name).items()})
    for name, one in adapters.items():
        module = one.module()
        assert isinstance(module, Additive)
        assert module.kind == kind["algo"]
        delta = module.delta()
        torch.testing.assert_close(one.delta_squares(), delta.square().sum(), rtol=1e-4, atol=1e-9)
        weight = moved.get_submodule(name.removeprefix("lora_unet_")).get_parameter("weight")
        weight.data.add_(delta.reshape(weight.shape))
    x = torch.randn(2, 6, 6, 12)
    torch.testing.assert_close(model(x), moved(x), rtol=1e-4, atol=1e-5)
    with adapters_off([model]):
        assert not torch.allclose(model(x), moved(x), atol=1e-3)


def _base(names: dict[str, nn.Module], name: str) -> dict[str, torch.Tensor]:
    layer = names[f"lora_unet_{name}"]
    return {f"{name}.{key}": value.clone() for key, value in layer.state_dict().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_moves_nothing_and_is_the_seeds(kind: dict[str, object]) -> None:
    def started(seed: int) -> list[torch.Tensor]:
        model = Small()
        names = {"lora_unet_linear": model.linear, "lora_unet_wide": model.wide}
        made = attach(model, names, ["linear", "wide"], _asked(**kind), seed)
        assert all(one.delta_squares().item() == 0 for one in made.values())
        return [one.detach().clone() for adapter in made.values() for one in adapter.parameters]

    assert all(map(torch.equal, started(1), started(1)))
    assert not all(map(torch.equal, started(1), started(2)))


@pytest.mark.parametrize("kind", KINDS)
def test_max_norm_shrinks_every_kind_to_the_norm(kind: dict[str, object]) -> None:
    _, _, adapters = _warmed(_asked(**kind))
    before = {name: one.module().delta() for name, one in adapters.items()}
    most = min(float(delta.norm()) for delta in before.values()) / 3
    NormLimit(most, list(adapters.values())).hold()
    for name, one in adapters.items():
        after = one.module().delta()
        torch.testing.assert_close(after, before[name] * (most / before[name].norm()), rtol=1e-3, atol=1e-6)


def _config(folder: Path, base: Path, **lora: object) -> TrainConfig:
    settings = tiny_settings(base)
    settings["lora"] |= lora
    settings["training"] |= {"epochs": 1}
    return parse_config(settings, folder / "run.toml")


@pytest.mark.parametrize(("algo", "kind"), [("loha", "loha"), ("lokr", "lokr")])
def test_a_whole_run_writes_a_file_that_is_read_renders_and_blends(
    tmp_path: Path, algo: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.learning.lycoris_layers import LycorisLayer

    base = tiny_base(tmp_path / "base")
    config = _config(tiny_data(tmp_path, train=2, reg=1), base, algo=algo, conv_rank=2)
    record = run_training(config)
    assert capsys.readouterr().out == ""  # LyCORIS logs on stdout, where a record in JSON goes
    path = config.output.folder / "hina.safetensors"
    lora = read_lora(path)
    assert {module.kind for module in lora.modules.values()} == {kind}
    assert sum(name.startswith("lora_te_") for name in lora.modules) == 12
    assert any("resnets" in name for name in lora.modules)
    assert record.readings[-1].unet_movement
    with safe_open(path, framework="pt") as opened:
        header = opened.metadata()
    assert header["ss_network_module"] == "lycoris.kohya"
    assert json.loads(header["ss_network_args"])["algo"] == algo
    plain = blend([(lora, Weights.parse("unet=1"))]).modules
    model = load_base(str(base))
    assert plain.keys() == lora.modules.keys() <= model.modules.keys()
    for name, module in plain.items():
        wanted = lora.modules[name]
        assert isinstance(wanted, Additive)
        torch.testing.assert_close(module.delta(), wanted.delta(), rtol=1e-3, atol=1e-5)
        assert module.delta().shape == model.modules[name].get_parameter("weight").shape
    assert not any(isinstance(one, LycorisLayer) for one in model.unet.modules())


def test_a_run_that_was_stopped_goes_on_to_the_same_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.running.execution import Execution

    base = tiny_base(tmp_path / "base")
    whole = _config(tiny_data(tmp_path / "a", train=2, reg=1), base, algo="lokr")
    run_training(whole)
    stopped = _config(tiny_data(tmp_path / "b", train=2, reg=1), base, algo="lokr")
    stopped = stopped.model_copy(update={"output": stopped.output.model_copy(update={"save_state_every": 1})})
    make = Execution._make

    def once(self: Execution, window: object) -> None:
        make(self, window)
        raise RuntimeError("killed")

    monkeypatch.setattr(Execution, "_make", once)
    with pytest.raises(RuntimeError):
        run_training(stopped)
    monkeypatch.undo()
    run_training(stopped)
    ours, theirs = (read_lora(one.output.folder / "hina.safetensors").modules for one in (whole, stopped))
    for name, module in ours.items():
        for one, other in zip(module.tensors().values(), theirs[name].tensors().values(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"algo": "loha", "dropout": 0.1}, 'dropout is read with algo = "lora" alone'),
        ({"algo": "lokr", "network_weights": "a.safetensors"}, "network_weights is read"),
        ({"algo": "loha", "factor": 4}, 'factor is read with algo = "lokr" alone'),
        ({"factor": 4}, "factor is read"),
        ({"algo": "lokr", "factor": 0}, "factor divides sides"),
    ],
)
def test_what_a_kind_does_not_read_is_refused(tmp_path: Path, lora: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _config(tmp_path, tmp_path, **lora)


def test_a_missing_package_names_its_extra_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foundation.extras.find_spec", lambda package: None)
    config = _config(tiny_data(tmp_path, train=1, reg=1), tiny_base(tmp_path / "base"), algo="loha")
    with pytest.raises(MissingPackageError, match=r"lora\.algo = \"loha\": pip install \"lora-studio\[lycoris\]"):
        run_training(config)
