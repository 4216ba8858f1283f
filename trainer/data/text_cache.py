"""Captions' conditioning on the disk, one file a caption, under a name that says all it depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from base_models.base_model import BaseModel
from base_models.prompts.conditioning import Conditioning
from foundation.files import sweep_partial
from foundation.safetensors_stream import write_tensors
from foundation.typed.typed_torch import listed
from trainer.data.latent_cache import content_sha256

# Raise it when the same tokens come to another conditioning.
VERSION = 1
TEXT, POOLED = "text", "pooled"


class TextCache:
    """A folder of conditionings, named by the caption's tokens, the text encoders as they are held, and `clip_skip`.

    Tokens stand for the caption, so that another tokenizer never meets an old answer.
    """

    def __init__(self, folder: Path, base: BaseModel, clip_skip: int) -> None:
        self._folder, self._device = folder, base.device
        read_as = [(part.layer or clip_skip, part.normed) for part in base.family.text]
        encoders = [content_sha256(cast(nn.Module, one), one.config.to_dict()) for one in base.text_encoders]
        self._key = f"text {VERSION} {encoders} {read_as} {base.family.pooled}"
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partial(folder)

    def read(self, tokens: Sequence[Tensor]) -> Conditioning | None:
        """Of one caption's tokens, a tensor (1, 77) for each text encoder; None where it is not there, or not whole."""
        path = self._path(tokens)
        if not path.is_file():
            return None
        try:
            found = {name: tensor.to(self._device) for name, tensor in load_file(path).items()}
            return Conditioning(found[TEXT], found.get(POOLED))
        except (SafetensorError, KeyError, OSError):
            path.unlink(missing_ok=True)  # damaged on the disk: it is encoded again
            return None

    def write(self, tokens: Sequence[Tensor], answer: Conditioning) -> None:
        """Keep the conditioning of one caption's tokens, whole or not at all, in the type that it came in."""
        tensors = {TEXT: answer.text} | ({} if answer.pooled is None else {POOLED: answer.pooled})
        write_tensors(self._path(tokens), tensors)

    def _path(self, tokens: Sequence[Tensor]) -> Path:
        ids = [listed(one) for one in tokens]
        return self._folder / f"{hashlib.sha256(f'{self._key} {ids}'.encode()).hexdigest()}.safetensors"
