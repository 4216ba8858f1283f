"""Where a base model lies, of which family it is, and the hash of its contents. Loads no model and no heavy library."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal

from base_models.families.family import Config, Family, TextPart
from base_models.families.known import FAMILIES
from base_models.model_hub import NotFetchedError, hub_model, refuse_path
from base_models.single_file import is_vae, read_single_file
from foundation.errors import BaseModelError
from foundation.files import sha256_of
from foundation.safetensors_header import read_header
from foundation.text_files import TextFileError, read_json
from foundation.typed.json_values import is_table
from foundation.typed.untyped import untyped
from miniature.paths import folder_of

WEIGHTS = (".safetensors", ".json", ".txt")
SUFFIX = ".safetensors"
VARIANT = re.compile(r"\.(?:fp16|bf16|non_ema)\b")


@dataclass(frozen=True)
class Overrides:
    """What is taken instead of the base's own: `vae` (a diffusers folder or a file), what its UNet predicts.

    `tiled`: the VAE decodes in tiles, which blends their edges and so changes pictures a little.
    """

    vae: str | None = None
    prediction: str | None = None
    tiled: bool = False


@dataclass(frozen=True)
class BaseSource:
    """The files that a base model is loaded from; `name` is what the user called it, `path` a folder or a file.

    `prediction` is what a single file or an override says; None leaves it to the folder's scheduler.
    """

    name: str
    path: Path
    family: Family
    vae: Path | None = None
    prediction: str | None = None
    tiled: bool = False

    @cached_property
    def sha256(self) -> str:
        """One hash over the contents of every file that the model is loaded from, and over what is overridden."""
        own = base_sha256(self.path) if self.path.is_dir() else sha256_of(self.path)
        vae = self.vae and (base_sha256(self.vae) if self.vae.is_dir() else sha256_of(self.vae))
        told = [f"vae={vae}"] * bool(vae) + [f"prediction={self.prediction}"] * bool(self.prediction)
        told += ["tiled"] * self.tiled
        return hashlib.sha256("\n".join([own, *told]).encode()).hexdigest() if told else own

    @cached_property
    def parameters(self) -> int:
        """How many numbers its weights are, all parts together, from the files' headers."""
        if self.path.is_file():
            files = [self.path]
        else:
            parts = [self.path / part for part in self.family.models]
            # Of several variants of one part (`.fp16.`, `.non_ema.`) the one that is loaded has no infix.
            files = [path for part in parts for path in part.glob(f"*{SUFFIX}") if not VARIANT.search(path.name)]
        return sum(prod(shape) for path in files for shape in read_header(path).shapes.values())

    @property
    def size(self) -> int:
        """The width it was trained at, in pixels: latents times the autoencoder's reduction."""
        if self.path.is_file():
            return self.family.size_for(self.prediction)
        reduction = 2 ** (len(self.configuration("vae")["block_out_channels"]) - 1)
        return int(self.configuration("unet")["sample_size"]) * reduction

    def configuration(self, part: Literal["unet", "vae"]) -> Config:
        """That part's, in diffusers' words: a folder's own, or its family's for a single file, which has none."""
        folder = self.vae if part == "vae" and self.vae else self.path / part
        if folder.is_dir():
            return _config(folder)
        return self.family.unet if part == "unet" else self.family.vae

    def text_configuration(self, part: TextPart) -> Config:
        """A text encoder's, in transformers' words: a folder's own, or the public model's for a single file."""
        folder = self.path / part.encoder
        return _config(folder) if folder.is_dir() else part.public


def find_base(name: str, overrides: Overrides | None = None) -> BaseSource:
    """What `name` stands for: "miniature", a diffusers folder, a single .safetensors file, or a hub id.

    Raises BaseModelError when there is none, a part of it is missing, or it is of a family that is not known.
    """
    told = overrides or Overrides()
    path = folder_of("base", name) or Path(name)
    vae = None if told.vae is None else _find_vae(Path(told.vae))
    if path.is_file():
        found = read_single_file(path, has_vae=vae is not None)
        return BaseSource(name, path, found.family, vae, told.prediction or found.prediction, told.tiled)
    if not path.is_dir():
        path = _download(name)
    return BaseSource(name, path, _family_of_folder(path, vae is not None), vae, told.prediction, told.tiled)


def base_sha256(folder: Path) -> str:
    """One hash over the names and contents of the files in a diffusers folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS):
        digest.update(f"{path.relative_to(folder).as_posix()}={sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _family_of_folder(folder: Path, has_vae: bool) -> Family:
    index = folder / "model_index.json"
    if not index.is_file():
        raise BaseModelError(
            f"{folder}: has no model_index.json, so it is no diffusers model; give a folder that has one, or a "
            f"{SUFFIX} checkpoint"
        )
    pipeline = _json(index).get("_class_name")
    candidates = [family for family in FAMILIES.values() if family.pipeline == pipeline]
    if not candidates:
        known = ", ".join(family.name for family in FAMILIES.values())
        raise BaseModelError(f"{folder}: is a {pipeline}; the families that can be loaded are {known}")
    for part in candidates[0].parts:
        if not (part == "vae" and has_vae):
            _check_part(folder / part, part in candidates[0].models)
    unet = _config(folder / "unet")
    return next((family for family in candidates if family.has_unet(unet)), candidates[0])


def _check_part(part: Path, has_weights: bool) -> None:
    """Half a model is named by what it lacks."""
    if not part.is_dir():
        hint = "give one with [model] vae, or copy" if part.name == "vae" else "copy"
        raise BaseModelError(f"{part.parent}: its folder `{part.name}` is missing; {hint} the base model again")
    if not has_weights:
        return
    _config(part)
    if any(part.glob(f"*{SUFFIX}")):
        return _check_shards(part)
    pickled = next((path.name for path in part.glob("*") if path.suffix in (".bin", ".ckpt", ".pt")), None)
    wrong = f"has only a pickle ({pickled}), which can run code and is refused" if pickled else "has no weights"
    raise BaseModelError(f"{part}: {wrong}; it needs a {SUFFIX} file, copy the base model again with it")


def _check_shards(part: Path) -> None:
    for index in part.glob(f"*{SUFFIX}.index.json"):
        for name in sorted(set(_json(index).get("weight_map", {}).values())):
            if not (part / name).is_file():
                raise BaseModelError(f"{part / name}: is missing; {index.name} names it, copy the base model again")


def _find_vae(path: Path) -> Path:
    """A VAE's folder (or the model's that it is in) or its file."""
    if path.is_file():
        if not is_vae(path):
            raise BaseModelError(f"{path}: holds no VAE; give a VAE's diffusers folder or {SUFFIX} file as [model] vae")
        return path
    folder = path / "vae" if (path / "vae").is_dir() else path
    if not folder.is_dir():
        raise BaseModelError(f"{path}: no such VAE; give its diffusers folder or {SUFFIX} file as [model] vae")
    _check_part(folder, has_weights=True)
    return folder


def _config(part: Path) -> dict[str, Any]:
    path = part / "config.json"
    if not path.is_file():
        raise BaseModelError(f"{path}: is missing; copy the base model again")
    return _json(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except TextFileError as error:
        raise BaseModelError(f"{path}: {error.fault}; copy the base model again") from error
    if not is_table(found):
        raise BaseModelError(f"{path}: is not a JSON object; copy the base model again")
    return found


def _download(name: str) -> Path:
    refuse_path("base model", name)
    from diffusers import DiffusionPipeline  # seconds to import, and needed for hub ids alone

    download = untyped(DiffusionPipeline).download
    with suppress(OSError, ValueError):  # fetched before
        return Path(download(name, local_files_only=True))
    try:
        asked = hub_model("base model", name)
    except NotFetchedError as error:  # no hub is reached: as if it had none of that name
        raise BaseModelError(str(error)) from None
    asked.announce()
    try:
        return Path(download(name))
    except (OSError, ValueError) as error:
        raise BaseModelError(f"`{name}`: no such file or folder, and the hub has or gives no such model") from error
