"""Pictures and texts as vectors of one space, read by an open_clip model: does a picture show what was asked for?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from huggingface_hub import try_to_load_from_cache
from PIL import Image

from base_models.model_hub import hub_model
from base_models.no_pickles import only_pickled, pickles_refused
from base_models.vision.long_texts import TextPart, Tokenizer, parts_of
from base_models.vision.torch_judges import device_of, digest_of, unit_vectors
from foundation.errors import UserError
from foundation.typed.untyped import untyped
from miniature.paths import folder_of

LOCAL, HUB_SCHEMA = "local-dir:", "hf-hub:"
SCHEMAS = (LOCAL, HUB_SCHEMA)
CLIP_WEIGHTS = "open_clip_model.safetensors"


class ClipError(UserError):
    """A CLIP model that cannot be loaded."""


@dataclass
class ClipModel:
    """An open_clip model in float32. `sha256` covers its weights and how pictures are prepared for it."""

    name: str
    sha256: str
    _model: Any
    _prepare: Callable[[Image.Image], torch.Tensor]
    _tokenize: Tokenizer
    _device: torch.device

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax: the model's own, learned temperature."""
        return float(self._model.logit_scale.detach().exp())

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Unit embeddings (N, E) float32 of pictures (H, W, 3) RGB uint8, whole: padded, never cropped."""
        return unit_vectors(
            lambda batch: self._model.encode_image(
                torch.stack([self._prepare(Image.fromarray(picture)) for picture in batch]).to(self._device)
            ),
            pictures,
        )

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, E) float32 of prompts, of one longer than the model's context the mean of its parts'."""
        # Of long ones, too, the beginning: so the others go in the batches, and come out as the bits, that they always
        # did, whatever they are asked with.
        beginnings: list[list[int]] = self._tokenize(list(texts)).tolist() if texts else []
        found = unit_vectors(self._read_ids, beginnings)
        for at, text in enumerate(texts):
            if len(parts := parts_of(text, self._tokenize)) > 1:
                found[at] = self._mean_of(parts)
        return found

    def parts_of_texts(self, texts: Sequence[str]) -> list[int]:
        """In how many parts each text is read."""
        return [len(parts_of(text, self._tokenize)) for text in texts]

    def _mean_of(self, parts: Sequence[TextPart]) -> np.ndarray:
        """The unit mean (E,) of the parts' embeddings, each weighing as many tokens as it has."""
        vectors = unit_vectors(self._read_ids, [part.row for part in parts])
        mean = np.array([part.tokens for part in parts], dtype=np.float32) @ vectors
        return mean / np.linalg.norm(mean)

    def _read_ids(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return self._model.encode_text(torch.tensor([list(row) for row in rows]).to(self._device))


def load_clip(name: str, device: str = "auto") -> ClipModel:
    """Load "miniature", "local-dir:FOLDER", "hf-hub:OWNER/NAME" or "ARCHITECTURE/TAG". Raises ClipError."""
    place = device_of(device)
    architecture, tag = _source(name)
    _check_here_or_announced(architecture, tag)
    try:
        # The other constructors of open_clip fall back to random weights; its default centre crop cuts portraits.
        with pickles_refused():
            model, prepare = open_clip.create_model_from_pretrained(
                architecture, pretrained=tag, precision="fp32", device=place, image_resize_mode="longest"
            )
    except Exception as error:  # open_clip, huggingface_hub and torch each raise their own
        raise ClipError(f"CLIP model `{name}` cannot be loaded: {error}") from error
    return ClipModel(name, digest_of(model, prepare), model.eval(), prepare, load_tokenizer(name), place)


def _check_here_or_announced(architecture: str, tag: str | None) -> None:
    """Raise ClipError for a folder of pickles, NotFetchedError for what is not here and may not be fetched."""
    if architecture.startswith(LOCAL):
        folder = Path(architecture.removeprefix(LOCAL))
        if pickle := only_pickled(folder):
            raise ClipError(
                f"{folder}: has only a pickle ({pickle}), which can run code and is refused; "
                "it needs a .safetensors file"
            )
        return
    told: Mapping[str, str] = untyped(open_clip).get_pretrained_cfg(architecture, tag) if tag else {}
    repository = (told.get("hf_hub", "") if tag else architecture.removeprefix(HUB_SCHEMA)).strip("/")
    if repository and not isinstance(try_to_load_from_cache(repository, CLIP_WEIGHTS), str):
        hub_model("CLIP model", repository).announce()


def load_tokenizer(name: str) -> Tokenizer:
    """What that CLIP model splits texts by, without its weights. Raises ClipError."""
    source = _source(name)[0]
    may_change = source.startswith(LOCAL) and not folder_of("clip", name)
    try:
        return open_clip.get_tokenizer(source) if may_change else _known_tokenizer(source)
    except Exception as error:  # as above
        raise ClipError(f"the tokenizer of CLIP model `{name}` cannot be loaded: {error}") from error


@lru_cache(maxsize=4)
def _known_tokenizer(source: str) -> Tokenizer:
    return open_clip.get_tokenizer(source)


def _source(name: str) -> tuple[str, str | None]:
    name = f"local-dir:{folder}" if (folder := folder_of("clip", name)) else name
    if name.startswith(SCHEMAS):
        return name, None
    architecture, _, tag = name.partition("/")
    if not tag:
        raise ClipError(
            f"CLIP model `{name}`: write local-dir:FOLDER or ARCHITECTURE/TAG, as ViT-B-32/laion2b_s34b_b79k"
        )
    return architecture, tag
