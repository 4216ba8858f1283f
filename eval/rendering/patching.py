"""Puts a LoRA's deltas on a loaded base model, always from a pristine copy, and takes them off bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from base_models.base_model import BaseModel
from eval.rendering.device_memory import has_room
from foundation.errors import LoraFileError
from loras.lora_family import OTHER_BASE, made_for
from loras.lora_file import LoraFile, LoraModule


@dataclass(frozen=True)
class _Product:
    """up @ down of one module on the base's device, and the factors that it was made of."""

    of: LoraModule
    product: Tensor


class PatchedModel:
    """A base model whose weights carry at most one LoRA at a time.

    Every weight is set to pristine + delta, never to what it was plus something, so errors cannot pile up over cells.
    Only weights that were ever moved have a pristine copy. What is worn already is left alone: a change of the UNet's
    weight does not touch the text encoders. Factors are told by identity: while the same ones come at other weights,
    their product is kept and only scaled, if `keeps` finds room. The bits are those of `LoraModule.delta` either way.
    """

    def __init__(self, base: BaseModel, keeps: Callable[[int, torch.device], bool] = has_room) -> None:
        self.base = base
        self._keeps = keeps
        self._pristine: dict[str, Tensor] = {}
        self._worn: dict[str, LoraModule] = {}
        self._products: dict[str, _Product] = {}

    @torch.no_grad()
    def put_on(self, modules: Mapping[str, LoraModule]) -> None:
        """Make every weight base + delta (summed in float32, then cast); modules not named become pristine."""
        for name in self._worn.keys() - modules.keys():
            self._weight(name).copy_(self._pristine[name])
            del self._worn[name]
        changed = {name: module for name, module in modules.items() if not _is_worn(self._worn.get(name), module)}
        fresh = [name for name, module in changed.items() if not self._has_product(name, module)]
        for name in fresh:
            self._products.pop(name, None)
        keeps = self._keeps(sum(4 * self._weight(name).numel() for name in fresh), self.base.device)
        for name, module in changed.items():
            self._wear(name, module, keeps)

    def take_off(self) -> None:
        """Restore the base model's own bits."""
        self.put_on({})

    def _wear(self, name: str, module: LoraModule, keeps: bool) -> None:
        weight = self._weight(name)
        pristine = self._pristine.setdefault(name, weight.detach().clone())
        # Where parts are offloaded, a weight may lie elsewhere than when its copy was made.
        product = self._product(name, module, keeps).to(pristine.device)
        weight.copy_(pristine.float() + (product * module.scale).reshape(pristine.shape))
        self._worn[name] = module

    def _product(self, name: str, module: LoraModule, keeps: bool) -> Tensor:
        if self._has_product(name, module):
            return self._products[name].product
        device = self._weight(name).device
        product = LoraModule(module.down.to(device), module.up.to(device), module.alpha).product()
        if keeps:
            self._products[name] = _Product(module, product)
        return product

    def _has_product(self, name: str, module: LoraModule) -> bool:
        return name in self._products and _same_factors(self._products[name].of, module)

    def _weight(self, name: str) -> Tensor:
        return self.base.modules[name].get_parameter("weight")


def _same_factors(one: LoraModule, other: LoraModule) -> bool:
    return one.down is other.down and one.up is other.up


def _is_worn(worn: LoraModule | None, module: LoraModule) -> bool:
    return worn is not None and _same_factors(worn, module) and worn.alpha == module.alpha


def check_fits(lora: LoraFile[LoraModule], path: Path, base: BaseModel) -> None:
    """Raise LoraFileError where `lora` names a module, or has a shape, that the base model does not have."""
    for name, module in lora.modules.items():
        target = base.modules.get(name)
        if target is None:
            raise LoraFileError(
                f"{path}: {made_for(lora.family)}, but `{name}` is not in the base {base.name}, "
                f"which is {base.family.name}; {OTHER_BASE}"
            )
        shape = _weight_shape(target)
        if module.up.shape[0] != shape[0] or tuple(module.down.shape[1:]) not in (shape[1:], shape[1:2]):
            ours = (module.up.shape[0], *module.down.shape[1:])
            raise LoraFileError(
                f"{path}: {made_for(lora.family)}, but `{name}` is {ours} and {shape} in the base {base.name}, "
                f"which is {base.family.name}; {OTHER_BASE}"
            )


def _weight_shape(module: nn.Module) -> tuple[int, ...]:
    return tuple(module.get_parameter("weight").shape)
