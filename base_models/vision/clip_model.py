"""Pictures and texts as vectors of one space, read by an open_clip model: does a picture show what was asked for?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import open_clip
import torch
from PIL import Image

from foundation.errors import UserError
from miniature.paths import folder_of

BATCH = 32
Item = TypeVar("Item")
SCHEMAS = ("local-dir:", "hf-hub:")


class ClipError(UserError):
    """A CLIP model that cannot be loaded."""


@dataclass
class ClipModel:
    """An open_clip model in float32. `sha256` covers its weights and how pictures are prepared for it."""

    name: str
    sha256: str
    _model: Any
    _prepare: Callable[[Image.Image], torch.Tensor]
    _tokenize: Callable[[list[str]], torch.Tensor]
    _device: torch.device

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Unit embeddings (N, E) float32 of pictures (H, W, 3) RGB uint8, whole: padded, never cropped."""
        return self._embed(
            lambda batch: self._model.encode_image(
                torch.stack([self._prepare(Image.fromarray(picture)) for picture in batch]).to(self._device)
            ),
            pictures,
        )

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, E) float32 of prompts; what is beyond the model's context is cut."""
        return self._embed(lambda batch: self._model.encode_text(self._tokenize(list(batch)).to(self._device)), texts)

    @torch.inference_mode()
    def _embed(self, encode: Callable[[Sequence[Item]], torch.Tensor], items: Sequence[Item]) -> np.ndarray:
        batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
        vectors = [torch.nn.functional.normalize(encode(batch).float(), dim=-1).cpu() for batch in batches]
        return torch.cat(vectors).numpy() if vectors else np.empty((0, 0), dtype=np.float32)


def load_clip(name: str, device: str = "auto") -> ClipModel:
    """Load "miniature", "local-dir:FOLDER", "hf-hub:OWNER/NAME" or "ARCHITECTURE/TAG". Raises ClipError."""
    place = torch.device(_device(device))
    folder = folder_of("clip", name)
    architecture, tag = _source(f"local-dir:{folder}" if folder else name)
    try:
        # The other constructors of open_clip fall back to random weights; its default centre crop cuts portraits.
        model, prepare = open_clip.create_model_from_pretrained(
            architecture, pretrained=tag, precision="fp32", device=place, image_resize_mode="longest"
        )
        tokenize = open_clip.get_tokenizer(architecture)
    except Exception as error:  # open_clip, huggingface_hub and torch each raise their own
        raise ClipError(f"CLIP model `{name}` cannot be loaded: {error}") from error
    return ClipModel(name, _digest(model, prepare), model.eval(), prepare, tokenize, place)


def _source(name: str) -> tuple[str, str | None]:
    if name.startswith(SCHEMAS):
        return name, None
    architecture, _, tag = name.partition("/")
    if not tag:
        raise ClipError(
            f"CLIP model `{name}`: write local-dir:FOLDER or ARCHITECTURE/TAG, as ViT-B-32/laion2b_s34b_b79k"
        )
    return architecture, tag


def _device(device: str) -> str:
    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _digest(model: torch.nn.Module, prepare: object) -> str:
    """The content of the weights, whatever file or hub they came from, and the picture preparation."""
    digest = hashlib.sha256(repr(prepare).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
