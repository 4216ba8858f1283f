"""Puts a LoRA's deltas on a loaded base model, always from a pristine copy, and takes them off bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from trainer.base_model import BaseModel
from trainer.errors import LoraFileError
from trainer.lora_file import LoraFile, LoraModule


class PatchedModel:
    """A base model whose weights carry at most one LoRA at a time.

    Every weight is set to pristine + delta, never to what it was plus something, so errors cannot pile up over cells.
    """

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self._pristine: dict[str, Tensor] = {}

    @torch.no_grad()
    def put_on(self, modules: Mapping[str, LoraModule]) -> None:
        """Make every weight base + delta (summed in float32, then cast); modules not named become pristine."""
        for name in self._pristine.keys() - modules.keys():
            self._weight(name).copy_(self._pristine[name])
        for name, module in modules.items():
            weight = self._weight(name)
            pristine = self._pristine.setdefault(name, weight.detach().clone())
            delta = LoraModule(module.down.to(weight.device), module.up.to(weight.device), module.alpha).delta()
            weight.copy_((pristine.float() + delta.reshape(pristine.shape)).to(weight.dtype))

    def take_off(self) -> None:
        """Restore the base model's own bits."""
        self.put_on({})

    def _weight(self, name: str) -> Tensor:
        return self.base.modules[name].get_parameter("weight")


def check_fits(lora: LoraFile[LoraModule], path: Path, base: BaseModel) -> None:
    """Raise LoraFileError where `lora` names a module, or has a shape, that the base model does not have."""
    for name, module in lora.modules.items():
        target = base.modules.get(name)
        if target is None:
            raise LoraFileError(
                f"{path}: {_family(lora)}, but `{name}` is not in the base model {base.name}; {_ADVICE}"
            )
        shape = _weight_shape(target)
        if module.up.shape[0] != shape[0] or tuple(module.down.shape[1:]) not in (shape[1:], shape[1:2]):
            ours = (module.up.shape[0], *module.down.shape[1:])
            raise LoraFileError(
                f"{path}: {_family(lora)}, but `{name}` is {ours} and {shape} in the base model {base.name}; {_ADVICE}"
            )


_ADVICE = "use the base model it was trained on, or one of its family"


def _weight_shape(module: nn.Module) -> tuple[int, ...]:
    return tuple(module.get_parameter("weight").shape)


def _family(lora: LoraFile[LoraModule]) -> str:
    """What a file says it is for: SDXL names its modules otherwise, SD1, SD2 differ in the text's width."""
    if any(name.startswith(("lora_te1_", "lora_te2_", "lora_unet_input_blocks")) for name in lora.modules):
        return "this LoRA is for SDXL"
    widths = {module.down.shape[1] for name, module in lora.modules.items() if name.endswith("attn2_to_k")}
    known = {768: "SD1.x", 1024: "SD2.x"}
    names = [known.get(width, f"a model with text of width {width}") for width in sorted(widths)]
    return f"this LoRA is for {names[0]}" if names else "this LoRA is for another model"
