"""Latents on the disk, one file a picture, under a name that says all they depend on, so that none is ever stale."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from base_models.pictures.picture_file import reading_sha256
from foundation.files import sweep_partial
from foundation.safetensors_stream import write_tensors
from trainer.data.pictures import Frame

# Raise it when the same picture comes to other latents: a new way to scale, crop or encode.
VERSION = 2
KEY = "latents"


@dataclass(frozen=True)
class View:
    """A picture as it is encoded."""

    path: Path
    frame: Frame
    mirror: bool = False


def content_sha256(model: nn.Module, config: Mapping[str, object]) -> str:
    """One hash over a model's weights and its configuration, whatever file they came from."""
    digest = hashlib.sha256(repr(sorted(config.items(), key=str)).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class LatentCache:
    """A folder of latents, named by the bytes of the picture, the VAE, the cut and whether it is mirrored."""

    def __init__(self, folder: Path, vae_sha256: str) -> None:
        self._folder, self._vae = folder, vae_sha256
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partial(folder)

    def read(self, view: View) -> Tensor | None:
        """The latents (C, h, w) of `view`; None where they are not there, or not whole."""
        path = self._path(view)
        if path is None or not path.is_file():
            return None
        try:
            return load_file(path)[KEY]
        except (SafetensorError, KeyError, OSError):
            path.unlink(missing_ok=True)  # damaged on the disk: it is encoded again
            return None

    def write(self, view: View, latents: Tensor) -> None:
        """Keep the latents (C, h, w) of a view, whole or not at all; none of a picture that is gone meanwhile."""
        if path := self._path(view):
            write_tensors(path, {KEY: latents})

    def _path(self, view: View) -> Path | None:
        """None for a picture that cannot be read, which the encoding will say."""
        try:
            picture = reading_sha256(view.path)
        except OSError:
            return None
        cut = (view.frame.original, view.frame.resized, view.frame.bucket, view.mirror)
        name = hashlib.sha256(f"{VERSION} {self._vae} {picture} {cut}".encode()).hexdigest()
        return self._folder / f"{name}.safetensors"
