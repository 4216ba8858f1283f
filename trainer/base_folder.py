"""Where a base model lies, and the hash of its contents. Loads no model and imports no heavy library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from miniature.paths import folder_of
from trainer.errors import BaseModelError
from trainer.files import sha256_of

WEIGHTS = (".safetensors", ".json", ".txt")


def find_base(name: str) -> Path:
    """The diffusers folder that `name` ("miniature", a folder, or a hub id) stands for.

    Raises BaseModelError when there is none, or it is of a family that is not supported.
    """
    folder = folder_of("base", name) or Path(name)
    if folder.is_file():
        raise BaseModelError(f"{folder}: a single file; give a diffusers folder (a single file cannot be loaded yet)")
    if not folder.is_dir():
        folder = _download(name)
    index = folder / "model_index.json"
    if not index.is_file():
        raise BaseModelError(f"{folder}: has no model_index.json, so it is not a diffusers folder")
    family = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    if family != "StableDiffusionPipeline":
        raise BaseModelError(f"{folder}: is a {family}; only Stable Diffusion 1.x bases can be loaded yet")
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if not (folder / part).is_dir():
            raise BaseModelError(f"{folder}: its folder `{part}` is missing; copy the base model again")
    return folder


def base_sha256(folder: Path) -> str:
    """One hash over the names and contents of the files that a base model is loaded from."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS):
        digest.update(f"{path.relative_to(folder).as_posix()}={sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _download(name: str) -> Path:
    from diffusers import DiffusionPipeline  # seconds to import, and needed for hub ids alone

    try:
        return Path(DiffusionPipeline.download(name))
    except (OSError, ValueError) as error:
        raise BaseModelError(f"`{name}`: no such folder, and no such model could be had from the hub") from error
