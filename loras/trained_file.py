"""What was trained, as a file: plain factors, or the kinds of LyCORIS."""

from __future__ import annotations

from pathlib import Path

import torch

from foundation.errors import LoraFileError
from loras.blend import with_one_alpha
from loras.lora_file import LoraFile, LoraModule, Module, write_lora, write_modules
from loras.module_tensors import ModuleTensors, module_from
from loras.value_checks import is_finite


def write_trained(lora: LoraFile[Module], path: Path, dtype: torch.dtype) -> None:
    """Write modules of any kind whole, cast to `dtype` (alphas stay float32), in kohya's and LyCORIS' spelling.

    Raises LoraFileError where a value leaves the range of `dtype`.
    """
    plain = {name: one for name, one in lora.modules.items() if isinstance(one, LoraModule)}
    if len(plain) == len(lora.modules):
        write_lora(LoraFile(with_one_alpha(plain), lora.metadata), path, dtype)
        return
    modules = {name: _cast(one, name, dtype) for name, one in lora.modules.items()}
    write_modules(LoraFile(modules, lora.metadata), path)


def _cast(module: Module, name: str, dtype: torch.dtype) -> Module:
    tensors = {suffix: tensor.to("cpu", dtype) for suffix, tensor in module.tensors().items()}
    if not all(is_finite(tensor) for tensor in tensors.values()):
        raise LoraFileError(f"{name}: not finite as {dtype}; nothing was written")
    alpha = module.stored_alpha
    if alpha is not None:
        tensors["alpha"] = torch.tensor(alpha, dtype=torch.float32)
    return module_from(ModuleTensors(Path(), name, tensors, getattr(module, "kernel", ())))
