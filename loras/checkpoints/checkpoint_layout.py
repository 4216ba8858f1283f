"""Where each module's weight and bias lie in a checkpoint: a diffusers folder, or one file in the original naming.

All is derived from headers: tensor names, shapes, and for SDXL the UNet's own configuration. Modules are called by
kohya's names, so that a LoRA and checkpoints of either layout speak of the same things.

Original naming: `model.diffusion_model.` is the UNet (CompVis' latent-diffusion). The text encoder is
`cond_stage_model.transformer.` (SD1, as transformers names it) or `cond_stage_model.model.` (SD2, as OpenCLIP does);
SDXL has both kinds, `conditioner.embedders.0.transformer.` and `conditioner.embedders.1.model.`. OpenCLIP keeps an
attention's q, k and v in one tensor, and its projection transposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, cast

from safetensors import safe_open
from torch import Tensor

from base_models.families.family import Family
from base_models.families.sd1 import SD1
from base_models.families.sd2 import SD2
from base_models.families.sdxl import SDXL
from base_models.kohya_names import TEXT_ENCODER, TEXT_ENCODERS, UNET, UnetLayout, has_ldm_name, kohya_name, text_path
from foundation.errors import UserError
from foundation.safetensors_header import opened_safetensors
from foundation.text_files import read_json
from miniature.paths import folder_of

ParameterName = Literal["weight", "bias"]
Shape = tuple[int, ...]
PARAMETERS: dict[str, ParameterName] = {"weight": "weight", "bias": "bias"}
UNET_FOLDER, TEXT_FOLDERS = "unet", ("text_encoder", "text_encoder_2")
UNET_KEYS = "model.diffusion_model."
# Where a single file keeps text encoders: the key's beginning, which encoder, whose naming.
TEXT_KEYS = (
    ("cond_stage_model.transformer.", 0, "transformers"),
    ("cond_stage_model.model.", 0, "openclip"),
    ("conditioner.embedders.0.transformer.", 0, "transformers"),
    ("conditioner.embedders.1.model.", 1, "openclip"),
)
# SD2 reads its text before OpenCLIP's last layer, the 24th: diffusers' folders and LoRAs do not have it.
SD2_TEXT_LAYERS = 23
_OPENCLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_OPENCLIP_ENDS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}


class CheckpointError(UserError):
    """A base model whose layout or family is not understood."""


@dataclass(frozen=True)
class TensorSlice:
    """One module's weight or bias within a stored tensor: `rows` first to last of it, or all; `transposed` where it is
    stored (in, out)."""

    module: str
    parameter: ParameterName
    rows: tuple[int, int] | None = None
    transposed: bool = False

    def of(self, stored: Tensor) -> Tensor:
        """The module's own part of the tensor, a view."""
        part = stored if self.rows is None else stored[slice(*self.rows)]
        return part.T if self.transposed else part

    def shape(self, stored: Shape) -> Shape:
        """The module's own shape, (out, in[, k, k]), of a tensor that is stored in the shape `stored`."""
        part = stored if self.rows is None else (self.rows[1] - self.rows[0], *stored[1:])
        return part[::-1] if self.transposed else part


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a file, its type in safetensors' words. `of_model`: of the UNet or a text encoder, not the VAE."""

    key: str
    type: str
    shape: Shape
    slices: tuple[TensorSlice, ...]
    of_model: bool


@dataclass(frozen=True)
class WeightsFile:
    """A .safetensors file that holds modules, its tensors in the order of its bytes."""

    path: Path
    tensors: tuple[StoredTensor, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class ParameterPlace:
    """Where to read one module's weight or bias."""

    file: WeightsFile
    tensor: StoredTensor
    part: TensorSlice

    @property
    def shape(self) -> Shape:
        """The shape that the module has it in, (out, in[, k, k]) or (out,)."""
        return self.part.shape(self.tensor.shape)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of which only headers were read. `path` is its folder or its file."""

    path: Path
    family: Family
    files: tuple[WeightsFile, ...]

    @cached_property
    def places(self) -> Mapping[tuple[str, ParameterName], ParameterPlace]:
        """By module and parameter. Of a folder's several variants (fp16, non_ema) the plain one, where it is there."""
        found: dict[tuple[str, ParameterName], ParameterPlace] = {}
        for file in sorted(self.files, key=lambda file: ("." in file.path.stem, file.path)):
            for tensor in file.tensors:
                for part in tensor.slices:
                    found.setdefault((part.module, part.parameter), ParameterPlace(file, tensor, part))
        return found


_SlicesOf = Callable[[str, Shape], tuple[TensorSlice, ...]]


def open_checkpoint(name: str | Path) -> Checkpoint:
    """Read the layout of `name`: "miniature", a diffusers folder, or a .safetensors file in the original naming.

    Raises CheckpointError for anything else, LoraFileError for a damaged file or a pickle.
    """
    path = folder_of("base", str(name)) or Path(name)
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _single_file(path)
    raise CheckpointError(f"{path}: no such file or folder; give a diffusers folder or a .safetensors checkpoint")


@contextmanager
def open_tensors(checkpoint: Checkpoint) -> Generator[Callable[[ParameterPlace], Tensor]]:
    """A function that reads a place's tensor, in its stored type. Files are mapped, and stay open for the block."""
    with ExitStack() as stack:
        opened: dict[Path, safe_open] = {}

        def read(place: ParameterPlace) -> Tensor:
            path = place.file.path
            if path not in opened:
                opened[path] = stack.enter_context(opened_safetensors(path))
            return place.part.of(opened[path].get_tensor(place.tensor.key))

        yield read


def _folder(path: Path) -> Checkpoint:
    config = path / UNET_FOLDER / "config.json"
    if not config.is_file():
        raise CheckpointError(
            f"{path}: has no {UNET_FOLDER}/config.json, so it is no Stable Diffusion diffusers folder"
        )
    is_sdxl = (path / TEXT_FOLDERS[1]).is_dir()
    layout = UnetLayout.of(cast("dict[str, Any]", read_json(config)))
    namings: dict[str, Callable[[str], str]] = {UNET_FOLDER: partial(_unet_from_diffusers, layout, is_sdxl)}
    for number, part in enumerate(TEXT_FOLDERS):
        namings[part] = partial(_text_from_transformers, number, is_sdxl)
    files: list[WeightsFile] = []
    for part, naming in namings.items():
        found = [_weights_file(file, partial(_slices_of_folder, naming)) for file in _weights_in(path / part)]
        if not found and (path / part).is_dir():
            raise CheckpointError(f"{path / part}: has no .safetensors weights; save the model with safe serialization")
        files += found
    return Checkpoint(path, SDXL if is_sdxl else _by_projections(files), tuple(files))


def _weights_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _slices_of_folder(naming: Callable[[str], str], key: str) -> _SlicesOf:
    del key
    return partial(_plain_slices, naming)


def _single_file(path: Path) -> Checkpoint:
    with opened_safetensors(path, framework="np") as opened:
        keys = list(opened.keys())
    if not any(key.startswith(UNET_KEYS) for key in keys):
        raise CheckpointError(
            f"{path}: has no `{UNET_KEYS}` tensors, so it is no Stable Diffusion checkpoint in the original naming"
        )
    is_sdxl = any(key.startswith(("conditioner.", f"{UNET_KEYS}label_emb.")) for key in keys)
    file = _weights_file(path, _slices_of_single_file(_layout_of(keys), is_sdxl))
    return Checkpoint(path, SDXL if is_sdxl else _by_projections([file]), (file,))


def _slices_of_single_file(layout: UnetLayout, is_sdxl: bool) -> Callable[[str], _SlicesOf | None]:
    by_start: dict[str, _SlicesOf] = {UNET_KEYS: partial(_plain_slices, partial(_unet_from_ldm, layout, is_sdxl))}
    for start, number, naming in TEXT_KEYS:
        name = partial(_text_from_transformers, number, is_sdxl)
        if naming == "transformers":
            by_start[start] = partial(_plain_slices, name)
        else:
            by_start[start] = partial(_openclip_slices, name, None if is_sdxl else SD2_TEXT_LAYERS)

    def slices_of(key: str) -> _SlicesOf | None:
        start = next((start for start in by_start if key.startswith(start)), None)
        return None if start is None else partial(_slices_behind, start, by_start[start])

    return slices_of


def _slices_behind(start: str, slices: _SlicesOf, key: str, shape: Shape) -> tuple[TensorSlice, ...]:
    return slices(key.removeprefix(start), shape)


def _weights_file(path: Path, slices_of: Callable[[str], _SlicesOf | None]) -> WeightsFile:
    tensors: list[StoredTensor] = []
    with opened_safetensors(path, framework="np") as opened:
        for key in opened.offset_keys():
            stored = opened.get_slice(key)
            shape, slices = tuple(stored.get_shape()), slices_of(key)
            places = slices(key, shape) if slices else ()
            tensors.append(StoredTensor(key, stored.get_dtype(), shape, places, slices is not None))
        return WeightsFile(path, tuple(tensors), dict(opened.metadata() or {}))


def _by_projections(files: Iterable[WeightsFile]) -> Family:
    """SD2's transformers have linear outer projections, SD1's 1x1 convolutions, at every width."""
    for file in files:
        for tensor in file.tensors:
            if tensor.key.endswith(".proj_in.weight"):
                return SD2 if len(tensor.shape) == 2 else SD1
    return SD1


def _layout_of(keys: Iterable[str]) -> UnetLayout:
    """Layers a block, from where the first downsampler stands. The way to diffusers' names needs nothing else."""
    found = (re.fullmatch(rf"{re.escape(UNET_KEYS)}input_blocks\.(\d+)\.0\.op\.weight", key) for key in keys)
    samplers = [int(match[1]) for match in found if match]
    return UnetLayout(min(samplers, default=3) - 1, ())


def _unet_from_diffusers(layout: UnetLayout, is_sdxl: bool, path: str) -> str:
    return kohya_name(UNET, layout.to_ldm(path) if is_sdxl and has_ldm_name(path) else path)


def _unet_from_ldm(layout: UnetLayout, is_sdxl: bool, path: str) -> str:
    if is_sdxl:
        return kohya_name(UNET, path)
    try:
        return kohya_name(UNET, layout.to_diffusers(path))
    except KeyError:  # a part that only some UNets have, and that both call the same
        return kohya_name(UNET, path)


def _text_from_transformers(number: int, is_sdxl: bool, path: str) -> str:
    return kohya_name(TEXT_ENCODERS[number] if is_sdxl else TEXT_ENCODER, text_path(path))


def _plain_slices(name_of: Callable[[str], str], key: str, shape: Shape) -> tuple[TensorSlice, ...]:
    del shape
    path, _, parameter = key.rpartition(".")
    if parameter not in PARAMETERS or not path:
        return ()
    return (TensorSlice(name_of(path), PARAMETERS[parameter]),)


def _openclip_slices(
    name_of: Callable[[str], str], layers: int | None, key: str, shape: Shape
) -> tuple[TensorSlice, ...]:
    """OpenCLIP's names in transformers' words; layers from `layers` on are nobody's."""
    if key in ("text_projection", "text_projection.weight"):
        return (TensorSlice(name_of("text_projection"), "weight", transposed=key == "text_projection"),)
    if key in _OPENCLIP_ENDS:
        return _plain_slices(name_of, _OPENCLIP_ENDS[key], shape)
    found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)", key)
    if not found or (layers is not None and int(found[1]) >= layers):
        return ()
    layer, inner, parameter = f"encoder.layers.{found[1]}", found[2], found[3]
    if inner == "attn.in_proj":
        third = shape[0] // 3
        thirds = (_plain_slices(name_of, f"{layer}.self_attn.{part}_proj.{parameter}", shape)[0] for part in "qkv")
        return tuple(replace(whole, rows=(at * third, (at + 1) * third)) for at, whole in enumerate(thirds))
    if inner not in _OPENCLIP_LAYER:
        return ()
    return _plain_slices(name_of, f"{layer}.{_OPENCLIP_LAYER[inner]}.{parameter}", shape)
