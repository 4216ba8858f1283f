"""A LoRA file: low-rank factors by module, in kohya's form. The trainer owns the format; eval and studio read it.

Keys: `{lora_unet|lora_te|lora_te1|lora_te2}_<module path, dots as _>` + `.lora_down.weight`, `.lora_up.weight` or
`.alpha` (kohya-ss/sd-scripts). A missing alpha means scale 1. Nothing in a file is ignored: an unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trainer.errors import LoraFileError
from trainer.files import whole_file
from trainer.lora_header import opened_safetensors
from trainer.lora_metadata import serialise, with_hashes

DOWN, UP, ALPHA = ".lora_down.weight", ".lora_up.weight", ".alpha"
UNET, TEXT_ENCODERS = "lora_unet", ("lora_te", "lora_te1", "lora_te2")


@dataclass(frozen=True)
class LoraModule:
    """One module's factors: `down` (r, in[, k, k]), `up` (out, r[, 1, 1]); the weight moves by alpha / r up @ down."""

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def delta(self) -> Tensor:
        """What the module's weight moves by, float32, in the weight's own shape (out, in[, k, k])."""
        product = self.up.float().flatten(1) @ self.down.float().flatten(1)
        return (product * self.scale).reshape(self.up.shape[0], *self.down.shape[1:])


@dataclass(frozen=True)
class LoraFile:
    """Modules by kohya name, and the header's metadata."""

    modules: Mapping[str, LoraModule]
    metadata: Mapping[str, str]


def part_of(name: str) -> str:
    """Which weight applies to a module: "unet", "te1" (SD1's only text encoder, or SDXL's first) or "te2"."""
    if name.startswith(f"{UNET}_"):
        return "unet"
    return "te2" if name.startswith("lora_te2_") else "te1"


def read_lora(path: Path) -> LoraFile:
    """Read a kohya-named LoRA file whole.

    Raises MissingFileError, or LoraFileError for a pickle, a truncated file, keys that are no LoRA's, a missing half,
    shapes that do not fit, an alpha of 0, or values that are not finite.
    """
    tensors, metadata = _read_tensors(path)
    names = sorted({_module_of(key, path) for key in tensors})
    if not names:
        raise LoraFileError(f"{path}: holds no tensors; it is not a LoRA file")
    return LoraFile({name: _module(name, tensors, path) for name in names}, metadata)


def write_lora(lora: LoraFile, path: Path, dtype: torch.dtype = torch.float16) -> LoraFile:
    """Write `lora` whole, factors cast to `dtype` (alphas stay float32), and return what the file now holds.

    The header gets kohya's `sshs_*` hashes, over the final bytes.
    """
    cast = cast_lora(lora, dtype)
    tensors: dict[str, Tensor] = {}
    for name, module in cast.modules.items():
        tensors[name + DOWN] = module.down.contiguous()
        tensors[name + UP] = module.up.contiguous()
        tensors[name + ALPHA] = torch.tensor(module.alpha, dtype=torch.float32)
    metadata = with_hashes(tensors, dict(lora.metadata))
    with whole_file(path) as beside:
        beside.write_bytes(serialise(tensors, metadata))
    return LoraFile(cast.modules, metadata)


def cast_lora(lora: LoraFile, dtype: torch.dtype) -> LoraFile:
    """The same LoRA as a file of `dtype` would hold it: alphas as float32 keeps them.

    Raises LoraFileError where a value leaves the range of `dtype`.
    """
    modules = {}
    for name, module in lora.modules.items():
        down, up = module.down.to("cpu", dtype), module.up.to("cpu", dtype)
        if not (down.isfinite().all() and up.isfinite().all()):
            raise LoraFileError(f"{name}: not finite as {dtype}; nothing was written")
        modules[name] = LoraModule(down, up, torch.tensor(module.alpha, dtype=torch.float32).item())
    return LoraFile(modules, lora.metadata)


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with opened_safetensors(path) as opened:
        return {key: opened.get_tensor(key) for key in opened.keys()}, dict(opened.metadata() or {})  # noqa: SIM118


def _module_of(key: str, path: Path) -> str:
    for suffix in (DOWN, UP, ALPHA):
        if key.endswith(suffix) and key.startswith((UNET, *TEXT_ENCODERS)):
            return key.removesuffix(suffix)
    raise LoraFileError(f"{path}: cannot read key `{key}`; only kohya-named LoRA files (lora_down, lora_up) are read")


def _module(name: str, tensors: Mapping[str, Tensor], path: Path) -> LoraModule:
    down, up, alpha = (tensors.get(name + suffix) for suffix in (DOWN, UP, ALPHA))
    if down is None or up is None:
        missing = DOWN if down is None else UP
        raise LoraFileError(f"{path}: `{name}{missing}` is missing; the file is incomplete")
    if up.dim() != down.dim() or up.shape[1] != down.shape[0]:
        raise LoraFileError(f"{path}: `{name}`: shapes {tuple(down.shape)} and {tuple(up.shape)} do not fit")
    if not (down.isfinite().all() and up.isfinite().all()):
        raise LoraFileError(f"{path}: `{name}` holds NaN or infinity; the run that made it broke, use another epoch")
    module = LoraModule(down, up, float(down.shape[0] if alpha is None else alpha.item()))
    if module.alpha == 0:
        # Trainers read alpha 0 as the rank, A1111 as nothing at all: no reading would be right everywhere.
        raise LoraFileError(
            f"{path}: `{name}.alpha` is 0, which tools read differently; set it to the rank, {module.rank}"
        )
    return module
