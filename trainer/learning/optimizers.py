"""Optimizers by their configured name, from the libraries that kohya takes them from; only one that really steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import nn

from foundation.errors import ConfigurationError
from foundation.extras import require

# bitsandbytes keeps 32-bit states for tensors below this size, so a smaller trial would prove nothing.
SMALLEST_8BIT = 4096

Groups = list[dict[str, object]]
Options = Mapping[str, object]
Maker = Callable[[Groups, Options], torch.optim.Optimizer]


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate."""

    parameters: list[nn.Parameter]
    lr: float


@dataclass(frozen=True)
class Built:
    """`kind` is what was made, as kohya writes it into `ss_optimizer`; `note` says why it is not what was asked for."""

    optimizer: torch.optim.Optimizer
    kind: str
    note: str | None = None


@dataclass(frozen=True)
class Choice:
    """How an optimizer is made, by which `package` of an extra.

    `instead` names the one that learns the same where its trial step fails.
    """

    make: Maker
    package: str | None = None
    instead: str | None = None


def build_optimizer(name: str, groups: list[Group], options: Options) -> Built:
    """The optimizer called `name` over `groups`, in their order, with `options` as its own keywords.

    The 8-bit ones give way to their 32-bit kin where they cannot step. Raises ConfigurationError when the optimizer
    does not take an option, or cannot be made with its value; MissingPackageError.
    """
    require_package_of(name)
    choice = CHOICES[name]
    reason = trial(choice.make, groups[0].parameters[0].device) if choice.instead else None
    if choice.instead and reason:
        plain = build_optimizer(choice.instead, groups, options)
        note = f"{name} does not work here ({reason}); {choice.instead} is used, which learns the same with more memory"
        return Built(plain.optimizer, plain.kind, note)
    try:
        made = choice.make([{"params": group.parameters, "lr": group.lr} for group in groups], options)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"training.optimizer_args: {name} cannot be made with them: {error}") from error
    return Built(made, f"{type(made).__module__}.{type(made).__qualname__}")


def require_package_of(name: str) -> None:
    """Raise MissingPackageError where the package of the optimizer called `name` is not installed."""
    if package := CHOICES[name].package:
        require(package, "trainer run", name)


def found_rate(optimizer: torch.optim.Optimizer) -> float | None:
    """The `d` that Prodigy and D-Adaptation have found, which multiplies every learning rate; None for the others."""
    d = optimizer.param_groups[0].get("d")
    return None if d is None else float(d)


def trial(make: Maker, device: torch.device) -> str | None:
    """None when the optimizer moves a parameter on `device` by the learning rate; else the reason that it does not.

    The first step of Adam and of Lion is the learning rate itself, whatever the gradient.
    """
    parameter = nn.Parameter(torch.zeros(SMALLEST_8BIT, device=device))
    parameter.grad = torch.ones_like(parameter)
    try:
        make([{"params": [parameter], "lr": 0.01}], {}).step()
    except Exception as error:  # a missing kernel or device: whatever it is, it does not step
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    if not torch.allclose(parameter.detach(), torch.tensor(-0.01, device=device), rtol=0.1):
        return "a trial step came out wrong"
    return None


def _of(module: str, name: str) -> Maker:
    """The class `name` of `module`, which is imported only where it is asked for."""

    def make(groups: Groups, options: Options) -> torch.optim.Optimizer:
        return getattr(import_module(module), name)(groups, **options)

    return make


def _adafactor(groups: Groups, options: Options) -> torch.optim.Optimizer:
    chosen = {"relative_step": True, **options}
    # With steps of its own it refuses to be told a rate; the schedule's is then never read.
    rates = [{"params": group["params"]} for group in groups] if chosen["relative_step"] else groups
    return _of("transformers.optimization", "Adafactor")(rates, chosen)


def _adamw(groups: Groups, options: Options) -> torch.optim.Optimizer:
    """All of a group's parameters in one call, rather than a dozen calls for each."""
    chosen = options if {"foreach", "fused"} & options.keys() else {"fused": True, **options}
    return _of("torch.optim", "AdamW")(groups, chosen)


CHOICES: dict[str, Choice] = {
    "AdamW": Choice(_adamw),
    "AdamW8bit": Choice(_of("bitsandbytes.optim.adamw", "AdamW8bit"), "bitsandbytes", instead="AdamW"),
    "Lion": Choice(_of("lion_pytorch", "Lion"), "lion_pytorch"),
    "Lion8bit": Choice(_of("bitsandbytes.optim.lion", "Lion8bit"), "bitsandbytes", instead="Lion"),
    "Adafactor": Choice(_adafactor),
    "DAdaptAdam": Choice(_of("dadaptation", "DAdaptAdam"), "dadaptation"),
    "Prodigy": Choice(_of("prodigyopt", "Prodigy"), "prodigyopt"),
}
