"""A LoRA file: modules by kohya name, metadata, hashes. The trainer owns the format; eval and studio read it.

Every family is read (`loras.key_spellings` knows the spellings, `loras.module_kinds` the kinds), and kohya's
spelling is written, or diffusers' where asked for. A missing alpha means scale 1. Nothing in a file is ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from base_models.architecture import Architecture
from base_models.kohya_names import kernel_of, part_of
from foundation.errors import DamagedFileError, LoraFileError
from foundation.files import check_given_back, flush, sha256_of, whole_file
from foundation.safetensors_header import FLOATS, Header, opened_safetensors, read_header
from loras.key_spellings import spelling_of
from loras.lora_family import KnownFamily, LoraFamily, family_of, family_told
from loras.module_kinds import Additive, LoraModule, Module, TuckerModule
from loras.module_tensors import ModuleTensors, module_from
from loras.serialised_tensors import SerialisedTensors
from loras.spelling.eight_bits import BYTES, dequantised
from loras.spelling.peft_scales import PeftScales
from loras.spelling.reordered_halves import in_original_order
from loras.spelling.spelling import Spelling
from loras.value_checks import check_values, is_finite

__all__ = [
    "Additive",
    "LoraFile",
    "LoraModule",
    "Module",
    "OpenedLora",
    "TuckerModule",
    "cast_lora",
    "open_lora",
    "part_of",
    "read_lora",
    "write_diffusers",
    "write_lora",
    "write_modules",
    "write_tensors",
]
MOST_TENSORS = 2**14  # twice what LoKr's eight tensors make of a thousand modules
NUMBERS = (".alpha", ".on_input")  # single numbers, of whatever type
_Kind_co = TypeVar("_Kind_co", bound=Module, covariant=True)


@dataclass(frozen=True)
class LoraFile(Generic[_Kind_co]):
    """Modules by kohya name, and the header's metadata. `LoraFile[LoraModule]` holds plain factors only."""

    modules: Mapping[str, _Kind_co]
    metadata: Mapping[str, str]

    @property
    def family(self) -> LoraFamily:
        """The family of base models that it is for, or that this cannot be told."""
        shapes = {
            name: {suffix: tuple(tensor.shape) for suffix, tensor in module.tensors().items()}
            for name, module in self.modules.items()
        }
        return family_of(shapes, self.metadata)


@dataclass(frozen=True)
class OpenedLora:
    """A LoRA file of which only the header is read; each module's tensors are read when it is asked for."""

    path: Path
    header: Header
    spelling: Spelling
    _scales: PeftScales
    _opened: safe_open

    @property
    def names(self) -> list[str]:
        """kohya names of all modules, sorted."""
        return sorted(self.spelling.modules)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the header says besides tensors: `ss_*`, `modelspec.*`, our own recipe."""
        return self.header.metadata

    @cached_property
    def family(self) -> LoraFamily:
        """The family of base models that it is for, or that this cannot be told."""
        if self.spelling.told is not None:
            return family_told(self.spelling.told, self.metadata)
        shapes = self.header.shapes
        modules = {
            name: {suffix: shapes[key] for suffix, key in keys.items()} for name, keys in self.spelling.modules.items()
        }
        return family_of(modules, self.metadata)

    @property
    def _has_linear_projections(self) -> bool:
        """Whether flat factors of the outer projections stand for linear layers, else for 1x1 kernels.

        Where the family is open, the latter: both are the same numbers, and blends take either.
        """
        return isinstance(self.family, KnownFamily) and "use_linear_projection" in self.family.family.unet

    def module(self, name: str) -> Module:
        """One module. Raises LoraFileError for a missing half or shapes that do not fit; values are not judged."""
        keys = self.spelling.modules[name]
        parts = {suffix: self._tensor(key) for suffix, key in keys.items()}
        if name in self.spelling.reordered:
            parts = in_original_order(parts, name)
        path = self.spelling.paths.get(name)
        down = parts.get("lora_down.weight")
        if "alpha" not in parts and path is not None and down is not None and down.dim():
            alpha = self._scales.alpha(path, down.shape[0], self.path)
            if alpha is not None:
                parts["alpha"] = torch.tensor(alpha)
        if down is not None and "lora_magnitude_vector" in keys.get("dora_scale", ""):
            # PEFT scales outputs always, and keeps (out,) for a linear layer, (1, out, 1, 1) for a convolution.
            parts["dora_scale"] = parts["dora_scale"].reshape(-1, *[1] * (down.dim() - 1))
        kernel = () if self.spelling.told is not None else kernel_of(name, self._has_linear_projections)
        return module_from(ModuleTensors(self.path, name, parts, kernel))

    def _tensor(self, key: str) -> Tensor:
        """A tensor as it is meant: one in 8 bits times the scale beside it, float32."""
        tensor, scale = self._opened.get_tensor(key), self.spelling.scales.get(key)
        return tensor if scale is None else dequantised(tensor, self._opened.get_tensor(scale), key, self.path)


@contextmanager
def open_lora(path: Path) -> Generator[OpenedLora]:
    """Open a LoRA file lazily: header, names and metadata at once, tensors module by module.

    Raises MissingFileError, or LoraFileError for a pickle, a damaged file, an unknown or doubled key, or no tensors.
    """
    header = read_header(path)
    if not header.shapes:
        raise LoraFileError(f"{path}: holds no tensors; it is not a LoRA file")
    _check_tensors(path, header)
    spelling = spelling_of(header.shapes, path, header.metadata)
    for key, kind in header.types.items():
        if kind not in FLOATS and not key.endswith(NUMBERS) and not (kind in BYTES and key in spelling.scales):
            raise LoraFileError(f"{path}: `{key}` is of type {kind}; a LoRA's tensors are floating-point numbers")
    scales = PeftScales.beside(path, header.metadata) if spelling.paths else PeftScales({})
    with opened_safetensors(path) as opened:
        yield OpenedLora(path, header, spelling, scales, opened)


def _check_tensors(path: Path, header: Header) -> None:
    """Before names are understood, which takes long of very many."""
    if len(header.shapes) > MOST_TENSORS:
        raise LoraFileError(
            f"{path}: holds {len(header.shapes)} tensors, and no LoRA has more than {MOST_TENSORS}; the file was made "
            "wrongly"
        )
    if empty := next((key for key, shape in header.shapes.items() if 0 in shape), None):
        raise LoraFileError(f"{path}: `{empty}` is empty ({header.shapes[empty]}); the file was made wrongly")


def read_lora(path: Path) -> LoraFile[Module]:
    """Read a LoRA file of any family whole.

    Raises what `open_lora` and its modules raise, and LoraFileError for an alpha of 0, values that are not finite, or
    embeddings beside the LoRA.
    """
    with open_lora(path) as opened:
        check_nothing_is_lost(opened)
        modules = {name: check_values(opened.module(name), name, path) for name in opened.names}
        return LoraFile(modules, dict(opened.metadata))


def check_nothing_is_lost(opened: OpenedLora) -> None:
    """Raise LoraFileError where a file holds more than modules: blends and grids would leave it out."""
    if opened.spelling.embeddings:
        words = ", ".join(f"`{word}`" for word in opened.spelling.embeddings)
        raise LoraFileError(
            f"{opened.path}: has embeddings bundled with it ({words}), which act through words of a prompt and would "
            "be lost here; save it once more without them (OneTrainer: untick bundling)"
        )


def write_lora(lora: LoraFile[LoraModule], path: Path, dtype: torch.dtype = torch.float16) -> str:
    """Write plain factors whole in kohya's spelling, cast to `dtype` (alphas stay float32); give the file's sha256.

    The header gets kohya's `sshs_*` hashes, over the final bytes.
    """
    return write_modules(cast_lora(lora, dtype), path)


def write_modules(lora: LoraFile[Module], path: Path) -> str:
    """Write modules of any kind whole, in kohya's and LyCORIS' spelling, in the types they have; give the sha256."""
    tensors: dict[str, Tensor] = {}
    for name, module in lora.modules.items():
        for suffix, tensor in module.tensors().items():
            tensors[f"{name}.{suffix}"] = tensor.contiguous()
        if module.stored_alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(module.stored_alpha, dtype=torch.float32)
    return write_tensors(tensors, lora, path)


def write_diffusers(
    lora: LoraFile[LoraModule], path: Path, names: Architecture, dtype: torch.dtype = torch.float16
) -> str:
    """Write plain factors in diffusers' spelling (`unet.<path>.lora_A.weight`), scales folded in; give the sha256.

    No such file has alphas, so tools that do not read the adapter's configuration take each scale for 1: so it is. The
    configuration (`lora_adapter_metadata`) tells diffusers >= 0.34 the ranks where they differ. Raises LoraFileError
    for a module that `names` does not know.
    """
    folded = {name: module.with_alpha(float(module.rank)) for name, module in lora.modules.items()}
    cast = cast_lora(LoraFile(folded, lora.metadata), dtype)
    tensors: dict[str, Tensor] = {}
    by_part: dict[str, dict[str, LoraModule]] = {}
    for name, module in cast.modules.items():
        known = names.by_kohya.get(name)
        if known is None:
            raise LoraFileError(f"`{name}`: no such module in the model that names are taken from; give its --base")
        tensors[f"{known.diffusers}.lora_A.weight"] = module.down.contiguous()
        tensors[f"{known.diffusers}.lora_B.weight"] = module.up.contiguous()
        part, _, inner = known.diffusers.partition(".")
        by_part.setdefault(part, {})[inner.removeprefix("text_model.")] = module
    flat = {f"{part}.{key}": value for part in by_part for key, value in _peft_config(by_part[part]).items()}
    kept = {key: value for key, value in lora.metadata.items() if not key.startswith("sshs_")}
    written = replace(cast, metadata={**kept, "lora_adapter_metadata": json.dumps(flat, sort_keys=True)})
    return _write(SerialisedTensors.of(tensors), written, path)


def write_tensors(tensors: Mapping[str, Tensor], lora: LoraFile[Module], path: Path) -> str:
    """Write tensors by keys of any spelling, which are read back as the modules of `lora`, with kohya's hashes; give
    the file's sha256.

    Raises DamagedFileError where a module comes back otherwise; nothing is left written then.
    """
    serialised = SerialisedTensors.of(tensors)
    return _write(serialised, replace(lora, metadata=serialised.hashed(lora.metadata)), path)


def _peft_config(modules: Mapping[str, LoraModule]) -> dict[str, object]:
    """PEFT's LoraConfig of one model's modules, by their path's end: transformers 5 has no `text_model` before it.

    The most frequent rank and alpha are the defaults: PEFT holds every module against every other pattern, which takes
    half a minute for SDXL where all modules are listed.
    """
    ranks = {path: module.rank for path, module in modules.items()}
    alphas = {path: module.alpha for path, module in modules.items()}
    (rank, _), (alpha, _) = Counter(ranks.values()).most_common(1)[0], Counter(alphas.values()).most_common(1)[0]
    return {
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": list(modules),
        "rank_pattern": {path: other for path, other in ranks.items() if other != rank},
        "alpha_pattern": {path: other for path, other in alphas.items() if other != alpha},
    }


def _write(serialised: SerialisedTensors, lora: LoraFile[Module], path: Path) -> str:
    """Write the file beside, read it as any file from what the disk gives back, and only then put it in place.

    Gives its sha256. Raises DamagedFileError where bytes or modules come back otherwise; `path` then is what it was.
    """
    chunks = serialised.header(lora.metadata), *serialised.chunks
    with whole_file(path) as beside, ThreadPoolExecutor(1) as other_thread:
        meant = other_thread.submit(_sha256, chunks)
        with beside.open("wb") as stream:
            stream.writelines(chunks)
        flush(beside, forget=True)
        given_back = other_thread.submit(sha256_of, beside)
        try:
            _check_reads_back(beside, lora, path)
        finally:  # that the disk gave back other bytes says more than what came of them
            check_given_back(given_back.result(), meant.result(), path)
    return meant.result()


def _sha256(chunks: Iterable[bytes | memoryview]) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def _check_reads_back(beside: Path, lora: LoraFile[Module], path: Path) -> None:
    """Compare every module of `beside`, which is to become `path`, with what was written. Raises DamagedFileError."""
    with open_lora(beside) as there:
        strange = set(there.names) ^ set(lora.modules)
        differing = (name for name, wanted in lora.modules.items() if not _is_same(there.module(name), wanted))
        name = min(strange) if strange else next(differing, None)
    if name is not None:
        raise DamagedFileError(
            f"{path}: `{name}` is read back otherwise than it was written, so the file was not put in place; "
            "are its modules those of a Stable Diffusion model?"
        )


def _is_same(found: Module, wanted: Module) -> bool:
    ours, theirs = found.tensors(), wanted.tensors()
    return (
        ours.keys() == theirs.keys()
        and all(_same_bits(ours[suffix], theirs[suffix]) for suffix in theirs)
        and _same_number(found.stored_alpha, wanted.stored_alpha)
    )


def _same_number(one: float | None, other: float | None) -> bool:
    """Whether alphas are alike as the file's float32 has them, NaN too."""
    if one is None or other is None:
        return one is other
    return _same_bits(torch.tensor(one, dtype=torch.float32), torch.tensor(other, dtype=torch.float32))


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same in type, shape and every bit, NaN included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    ours, theirs = (tensor.contiguous().reshape(-1).view(torch.uint8).numpy() for tensor in (one, other))
    return np.array_equal(ours, theirs)  # in a fifth of the time of torch's own


def cast_lora(lora: LoraFile[LoraModule], dtype: torch.dtype) -> LoraFile[LoraModule]:
    """The same LoRA as a file of `dtype` would hold it: alphas as float32 keeps them.

    Raises LoraFileError where a value leaves the range of `dtype`.
    """
    modules: dict[str, LoraModule] = {}
    for name, module in lora.modules.items():
        down, up = module.down.to("cpu", dtype), module.up.to("cpu", dtype)
        if not (is_finite(down) and is_finite(up)):
            raise LoraFileError(f"{name}: not finite as {dtype}; nothing was written")
        if abs(module.alpha) > torch.finfo(torch.float32).max:
            raise LoraFileError(f"{name}: an alpha of {module.alpha:g} is beyond float32; take a smaller weight")
        modules[name] = LoraModule(down, up, torch.tensor(module.alpha, dtype=torch.float32).item())
    return LoraFile(modules, lora.metadata)
