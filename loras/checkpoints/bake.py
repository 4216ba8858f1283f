"""Bakes LoRAs into a checkpoint: base + LoRAs at weights -> a checkpoint of the base's layout.

Every weight is moved in float32 and cast once. LoRAs are put on in the order given, each onto the result so far: for
kinds that add a delta this is the sum, in any order; DoRA, OFT and BOFT act on what the LoRAs before them made.
What no LoRA acts on keeps its bytes. One tensor is in memory at a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import torch
from safetensors import safe_open
from torch import Tensor

from base_models.base_source import base_sha256
from foundation.errors import LoraFileError, UserError
from foundation.files import check_is_no_input, sha256_of, sweep_partial, whole_file, write_text
from foundation.progress import Advance, Reporter
from foundation.safetensors_header import FLOATS, opened_safetensors
from foundation.safetensors_stream import Entry, write_stream
from foundation.text_files import read_json
from loras.blending.blend_metadata import RECIPE
from loras.blending.weighted_lora import SUFFIX, WeightedLora
from loras.checkpoints.checkpoint_layout import Checkpoint, ParameterName, StoredTensor, TensorSlice, WeightsFile
from loras.checkpoints.whole_folder import whole_folder
from loras.lora_file import Module, OpenedLora, check_nothing_is_lost, open_lora
from loras.value_checks import check_values
from loras.weights import recipe_weights

TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
BIASES = frozenset(["diff_b", "b_norm"])
# Other formats' copies of weights that were baked: a tool that preferred them would load the model without its LoRAs.
STALE = (".bin", ".pt", ".pth", ".ckpt", ".msgpack", ".h5", ".onnx", ".onnx_data", ".pb")
# Hashes that other tools keep in the header; they would speak of the base's bytes.
OLD_HASHES = ("sshs_", "modelspec.hash_sha256")


class BakeError(UserError):
    """LoRAs that cannot be put into this checkpoint, or an output that would destroy an input."""


@dataclass(frozen=True)
class BakeRequest:
    """`dtype` ("float16", ..) is the UNet's and the text encoders' new type, or None: each tensor keeps its own.

    The VAE is never cast: SDXL's overflows in float16.
    """

    base: Checkpoint
    loras: tuple[WeightedLora, ...]
    output: Path
    dtype: str | None


@dataclass(frozen=True)
class Baked:
    """The written file or folder, its sha256 (a folder's as `base_sha256` counts it), how many modules were moved."""

    path: Path
    sha256: str
    modules: int


@dataclass(frozen=True)
class LoraOnModule:
    """One LoRA's part on one module."""

    lora: OpenedLora
    name: str
    strength: float

    def changes(self, parameter: ParameterName) -> bool:
        """Whether the file has anything that moves the module's weight, or its bias."""
        suffixes = self.lora.spelling.modules[self.name].keys()
        return bool(suffixes & BIASES) if parameter == "bias" else bool(suffixes - {"diff_b", "b_norm", "alpha"})

    def moved(self, part: Tensor, parameter: ParameterName) -> Tensor:
        """`part`, float32, with the LoRA on it. Raises BakeError where shapes differ."""
        module = check_values(self.lora.module(self.name), self.name, self.lora.path)
        try:
            return module.moved(part, self.strength) if parameter == "weight" else self._shifted(part, module)
        except LoraFileError as error:
            raise BakeError(f"{self.lora.path}: `{self.name}`: {error}; {_ADVICE}") from error

    def _shifted(self, part: Tensor, module: Module) -> Tensor:
        shift = module.bias
        if shift is None:
            return part
        if shift.numel() != part.numel():
            raise LoraFileError(f"a delta of shape {tuple(shift.shape)} does not fit a bias of {tuple(part.shape)}")
        return part + self.strength * shift.float().reshape(part.shape)


LorasByModule = Mapping[str, Sequence[LoraOnModule]]


def bake(request: BakeRequest, reporter: Reporter) -> Baked:
    """Write the checkpoint. Raises BakeError before anything is written where a LoRA names what the base has not."""
    _check_output(request)
    with _acting(request) as by_module:
        recipe = json.dumps(_recipe(request), ensure_ascii=False)
        advance = reporter.task("bake", sum(len(file.tensors) for file in request.base.files))
        baking = _Baking(by_module, request.dtype, recipe, advance)
        if request.base.path.is_dir():
            _bake_folder(request, baking)
            return Baked(request.output, base_sha256(request.output), len(by_module))
        sweep_partial(request.output.parent, f"{request.output.stem}-")
        baking.write(request.base.files[0], request.output)
        return Baked(request.output, sha256_of(request.output), len(by_module))


@dataclass(frozen=True)
class _Baking:
    by_module: LorasByModule
    dtype: str | None
    recipe: str
    advance: Advance

    def type_of(self, tensor: StoredTensor) -> str:
        casts = self.dtype is not None and tensor.of_model and tensor.type in FLOATS
        return TYPES[self.dtype] if casts and self.dtype is not None else tensor.type

    def acting(self, tensor: StoredTensor) -> list[tuple[TensorSlice, LoraOnModule]]:
        return [
            (part, on_module)
            for part in tensor.slices
            for on_module in self.by_module.get(part.module, ())
            if on_module.changes(part.parameter)
        ]

    def rewrites(self, file: WeightsFile) -> bool:
        return any(self.acting(tensor) or self.type_of(tensor) != tensor.type for tensor in file.tensors)

    def write(self, file: WeightsFile, path: Path) -> None:
        """Bake one file; one that nothing changes is copied byte for byte."""
        if not self.rewrites(file):
            _copy(file.path, path)
            self.advance(len(file.tensors))
            return
        entries = [Entry(tensor.key, self.type_of(tensor), tensor.shape) for tensor in file.tensors]
        kept = {key: value for key, value in file.metadata.items() if not key.startswith(OLD_HASHES)}
        by_key = {tensor.key: tensor for tensor in file.tensors}
        with opened_safetensors(file.path) as opened:
            write_stream(path, entries, {**kept, RECIPE: self.recipe}, partial(self._baked, file.path, opened, by_key))

    def _baked(self, path: Path, opened: safe_open, by_key: Mapping[str, StoredTensor], key: str) -> Tensor:
        tensor, stored = by_key[key], opened.get_tensor(key)
        self.advance(1)
        acting, type_name = self.acting(tensor), self.type_of(tensor)
        if not acting and type_name == tensor.type:
            return stored
        result = stored.to(torch.float32, copy=True)
        for part, on_module in acting:
            own = part.of(result)
            own.copy_(on_module.moved(own, part.parameter))
        dtype = next((getattr(torch, name) for name, short in TYPES.items() if short == type_name), stored.dtype)
        cast = result.to(dtype)
        if not cast.float().isfinite().all() and stored.float().isfinite().all():
            raise BakeError(f"{path}: `{key}` leaves the range of {type_name}; give --dtype bfloat16 or float32")
        return cast


@contextmanager
def _acting(request: BakeRequest) -> Generator[LorasByModule]:
    """Every LoRA's acting parts by module, in the order given; the files stay open for the block."""
    by_module: dict[str, list[LoraOnModule]] = {}
    with ExitStack() as stack:
        for asked in request.loras:
            lora = stack.enter_context(open_lora(asked.path))
            check_nothing_is_lost(lora)
            weighted = asked.for_family(lora.family)
            weighted.check_parts(lora.names)
            for name in lora.names:
                if strength := weighted.on_module(name):
                    on_module = LoraOnModule(lora, name, strength)
                    _check_is_there(on_module, request.base)
                    by_module.setdefault(name, []).append(on_module)
        yield by_module


def _check_is_there(on_module: LoraOnModule, base: Checkpoint) -> None:
    parameters: tuple[ParameterName, ParameterName] = ("weight", "bias")
    for parameter in parameters:
        if on_module.changes(parameter) and (on_module.name, parameter) not in base.places:
            raise BakeError(
                f"{on_module.lora.path}: is for {on_module.lora.family.name}, and its `{on_module.name}` has no "
                f"{parameter} in {base.path}, which is {base.family.name}; {_ADVICE}"
            )


_ADVICE = "use the base model that the LoRA was trained on, or one of its family"


def _bake_folder(request: BakeRequest, baking: _Baking) -> None:
    base, files = request.base.path, {file.path: file for file in request.base.files}
    rewritten = {path.parent for path, file in files.items() if baking.rewrites(file)}
    with whole_folder(request.output) as beside:
        for source in sorted(path for path in base.rglob("*") if path.is_file()):
            target = beside / source.relative_to(base)
            if source in files:
                baking.write(files[source], target)
            elif source.parent not in rewritten:
                _copy(source, target)
            elif source.name.endswith(".safetensors.index.json"):
                write_text(target, _index(source, files, baking))
            elif not source.name.endswith(STALE):
                _copy(source, target)


class _ShardIndex(TypedDict):
    """A `.safetensors.index.json`, as Hugging Face's libraries write it: which file holds which tensor."""

    weight_map: dict[str, str]
    metadata: NotRequired[dict[str, object]]


def _index(path: Path, files: Mapping[Path, WeightsFile], baking: _Baking) -> str:
    """A sharded model's index, its `total_size` (bytes of all tensors) as it is now."""
    index: _ShardIndex = cast(_ShardIndex, read_json(path))
    shards = [files[path.parent / name] for name in set(index["weight_map"].values()) if path.parent / name in files]
    sizes = (Entry(tensor.key, baking.type_of(tensor), tensor.shape).size for file in shards for tensor in file.tensors)
    index.setdefault("metadata", {})["total_size"] = sum(sizes)
    return json.dumps(index, indent=2) + "\n"


def _copy(source: Path, target: Path) -> None:
    with whole_file(target) as beside:
        shutil.copyfile(source, beside)


def _check_output(request: BakeRequest) -> None:
    output, base = request.output, request.base.path
    if base.is_dir():
        if output.exists():
            raise BakeError(f"{output}: exists already; name a new folder, or remove it first")
        if output.resolve().is_relative_to(base.resolve()):
            raise BakeError(f"{output}: lies inside the base model; write the new model elsewhere")
        return
    if output.suffix != SUFFIX or output.is_dir():
        raise BakeError(f"{output}: the base is one file, so the result is one too; name it *{SUFFIX}")
    check_is_no_input(output, (base, *(weighted.path for weighted in request.loras)))


def _recipe(request: BakeRequest) -> dict[str, object]:
    base = request.base.path
    return {
        "method": "bake",
        "base": {"name": base.stem, "sha256": base_sha256(base) if base.is_dir() else sha256_of(base)},
        "parents": [
            {
                "name": weighted.name,
                "sha256": sha256_of(weighted.path),
                **recipe_weights(weighted.weights),
                "blocks": weighted.blocks.said or None,
            }
            for weighted in request.loras
        ],
        "dtype": request.dtype,
    }
