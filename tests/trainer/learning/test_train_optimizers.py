"""Every optimizer that can be asked for really steps, or says which one steps in its place."""

from __future__ import annotations

import sys
from typing import get_args

import pytest
import torch

from foundation.errors import ConfigurationError
from foundation.extras import MissingPackageError
from trainer.config.training_section import TrainingSection
from trainer.learning.optimizers import CHOICES, Built, Group, build_optimizer, trial

KINDS = {
    "AdamW8bit": "bitsandbytes.optim.adamw.AdamW8bit",
    "AdamW": "torch.optim.adamw.AdamW",
    "Lion": "lion_pytorch.lion_pytorch.Lion",
    "Lion8bit": "bitsandbytes.optim.lion.Lion8bit",
    "Adafactor": "transformers.optimization.Adafactor",
    "DAdaptAdam": "dadaptation.dadapt_adam.DAdaptAdam",
    "Prodigy": "prodigyopt.prodigy.Prodigy",
}


def _fit(built: Built, rate: float, weight: torch.nn.Parameter, steps: int) -> float:
    """How far `weight` is from its target after `steps`, of which the first has a rate of 0, as a warm-up's."""
    target = torch.linspace(-1, 1, weight.numel()).reshape(weight.shape)
    for step in range(steps):
        for group in built.optimizer.param_groups:
            group["lr"] = rate * (step > 0)
        built.optimizer.zero_grad(set_to_none=True)
        (weight - target).square().mean().backward()
        built.optimizer.step()
    return (weight - target).square().mean().item()


@pytest.mark.parametrize("name", list(KINDS))
def test_it_learns_and_leaves_alone_what_has_no_gradient(name: str) -> None:
    rate = 1.0 if name in ("DAdaptAdam", "Prodigy") else 0.02
    weight, still = torch.nn.Parameter(torch.full((64, 80), 0.5)), torch.nn.Parameter(torch.ones(64, 64))
    built = build_optimizer(name, [Group([weight], rate), Group([still], rate)], {})
    before = (0.5 - torch.linspace(-1, 1, weight.numel())).square().mean().item()
    assert _fit(built, rate, weight, 60 if rate < 1 and name != "Adafactor" else 300) < before / 3
    assert torch.equal(still, torch.ones_like(still))
    if trial(CHOICES[name].make, torch.device("cpu")) is None or CHOICES[name].instead is None:
        assert built.kind == KINDS[name]
        assert built.note is None


def test_every_optimizer_of_a_configuration_is_there() -> None:
    assert set(get_args(TrainingSection.model_fields["optimizer"].annotation)) == set(CHOICES) == set(KINDS)


@pytest.mark.parametrize(("name", "instead"), [("AdamW8bit", "AdamW"), ("Lion8bit", "Lion")])
def test_a_fallback_from_8_bits_says_so(monkeypatch: pytest.MonkeyPatch, name: str, instead: str) -> None:
    monkeypatch.setattr("trainer.learning.optimizers.trial", lambda make, device: "no kernel for this device")
    built = build_optimizer(name, [Group([torch.nn.Parameter(torch.zeros(2))], 0.1)], {"weight_decay": 0.5})
    assert built.kind == KINDS[instead]
    assert "no kernel for this device" in (built.note or "")
    assert instead in (built.note or "")
    assert built.optimizer.param_groups[0]["weight_decay"] == 0.5


@pytest.mark.parametrize("name", [name for name, choice in CHOICES.items() if choice.package])
def test_a_package_that_is_not_installed_is_named_and_nothing_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = CHOICES[name].package
    monkeypatch.setitem(sys.modules, str(package), None)
    with pytest.raises(MissingPackageError) as missing:
        build_optimizer(name, [Group([torch.nn.Parameter(torch.zeros(2))], 0.1)], {})
    assert str(missing.value) == f'trainer run needs {package} for {name}: pip install "lora-studio[train]"'


def test_every_optimizer_from_a_library_of_its_own_names_it() -> None:
    assert {name for name, choice in CHOICES.items() if not choice.package} == {"AdamW", "Adafactor"}


def test_a_step_that_goes_wrong_or_fails_is_not_trusted() -> None:
    assert trial(lambda groups, options: torch.optim.SGD(groups, lr=1.0), torch.device("cpu")) is None
    assert "wrong" in (trial(lambda groups, options: torch.optim.Adadelta(groups), torch.device("cpu")) or "")
    assert trial(lambda groups, options: 1 / 0, torch.device("cpu")) == "division by zero"


@pytest.mark.parametrize("name", list(KINDS))
def test_an_option_that_it_does_not_take_is_named(name: str) -> None:
    group = Group([torch.nn.Parameter(torch.zeros(2))], 0.1)
    with pytest.raises(ConfigurationError, match=r"optimizer_args: .*decouple_all"):
        build_optimizer(name, [group], {"decouple_all": True})
