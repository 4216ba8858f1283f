"""What the steps of a run draw from: latents and captions, made ready once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from base_models.base_model import BaseModel
from base_models.prompts.conditioning import Conditioning, encode_tokens, tokenize
from trainer.data.long_captions import joined, tokenize_in_chunks
from trainer.data.pictures import Frame
from trainer.data.text_cache import TextCache


@dataclass(frozen=True)
class TrainingInputs:
    """N samples, on the CPU: latents (C, h, w), perhaps their mirror images', captions, loss weights (N,) and names."""

    latents: Sequence[Tensor]
    mirrored: Sequence[Tensor]
    captions: Sequence[str]
    weights: Tensor
    names: Sequence[str]
    frames: Sequence[Frame]

    def latents_of(self, samples: Sequence[int], mirror: Sequence[bool] = ()) -> Tensor:
        """(B, C, h, w): the latents of samples of one size, of those told by `mirror` the mirror image's."""
        flags = mirror or (False,) * len(samples)
        return torch.stack(
            [(self.mirrored if flag else self.latents)[at] for at, flag in zip(samples, flags, strict=True)]
        )


class CaptionReader:
    """Captions -> what the UNet is told. A caption that comes twice in a batch is encoded once.

    Captions have `chunks` of 75 tokens. Tokens are kept by caption; where no text encoder is trained and captions stay
    what they are (`frozen`), so are their answers, and in a folder `cache` between runs.
    """

    def __init__(
        self, base: BaseModel, clip_skip: int, frozen: bool, cache: Path | None = None, chunks: int = 1
    ) -> None:
        self._cache = TextCache(cache, base, clip_skip) if frozen and cache else None
        self._base, self._clip_skip, self._frozen, self._chunks = base, clip_skip, frozen, chunks
        self._tokens: dict[str, list[Tensor]] = {}
        self._answers: dict[str, Conditioning] = {}

    def read(self, captions: Sequence[str]) -> Conditioning:
        """The conditioning of captions, in their order. Gradients reach the text encoders where they are trained."""
        distinct = list(dict.fromkeys(captions))
        if self._frozen:
            answer = Conditioning.stack([self._answer(caption) for caption in distinct])
        else:
            answer = self._encoded(distinct)
        if len(distinct) == len(captions):
            return answer
        places = torch.tensor([distinct.index(caption) for caption in captions])
        places = places.to(answer.text.device, non_blocking=True)  # made there, it would be waited for
        return Conditioning(answer.text[places], None if answer.pooled is None else answer.pooled[places])

    def make_ready(self, captions: Sequence[str]) -> None:
        """Do now what several threads that `read` parts of `captions` could not do at once."""
        for caption in dict.fromkeys(captions):
            if self._frozen:
                self._answer(caption)
            else:
                self._tokens_of(caption)

    def _answer(self, caption: str) -> Conditioning:
        if caption not in self._answers:
            self._answers[caption] = self._cached(caption)
        return self._answers[caption]

    @torch.no_grad()
    def _cached(self, caption: str) -> Conditioning:
        known = self._cache and self._cache.read(self._tokens_of(caption))
        answer = known or self._encoded([caption])
        if self._cache and not known:
            self._cache.write(self._tokens_of(caption), answer)
        return answer

    def _encoded(self, captions: Sequence[str]) -> Conditioning:
        tokens = zip(*(self._tokens_of(caption) for caption in captions), strict=True)
        answer = encode_tokens(self._base, [torch.cat(ids) for ids in tokens], self._clip_skip)
        if self._chunks == 1:
            return answer
        pooled = None if answer.pooled is None else answer.pooled[:: self._chunks]
        return Conditioning(joined(answer.text, self._chunks), pooled)

    def _tokens_of(self, caption: str) -> list[Tensor]:
        if caption not in self._tokens:
            self._tokens[caption] = [self._tokenized(tokenizer, caption) for tokenizer in self._base.tokenizers]
        return self._tokens[caption]

    def _tokenized(self, tokenizer: CLIPTokenizer, caption: str) -> Tensor:
        if self._chunks == 1:
            return tokenize(tokenizer, [caption])
        return tokenize_in_chunks(tokenizer, caption, self._chunks)
