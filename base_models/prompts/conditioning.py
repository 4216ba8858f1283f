"""Prompts -> what a UNet is told: the text encoders' answers, as the base model's family reads them.

Weights and long prompts are A1111's: chunks are read apart and laid end to end, embeddings are multiplied by their
tokens' weights and each chunk's mean restored. A prompt without weights of at most 75 tokens is what diffusers makes
of it, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from base_models.base_model import BaseModel, TextEncoder
from base_models.families.family import TextPart
from base_models.prompts.prompt_chunks import chunks_of
from base_models.prompts.prompt_weights import parse_weights
from base_models.prompts.token_ids import most_tokens
from foundation.errors import ConfigurationError
from foundation.typed.untyped import untyped


@dataclass(frozen=True)
class Conditioning:
    """`text` (N, tokens, width), and `pooled` (N, P) where the family adds the text as a whole to the timestep."""

    text: Tensor
    pooled: Tensor | None = None

    @classmethod
    def stack(cls, parts: Sequence[Conditioning]) -> Conditioning:
        """All prompts in one batch; they have the same number of tokens."""
        pooled = [part.pooled for part in parts if part.pooled is not None]
        return cls(torch.cat([part.text for part in parts]), torch.cat(pooled) if pooled else None)

    def followed_by(self, other: Conditioning, times: int) -> Conditioning:
        """This text, then `times` the other; the pooled text stays this one's."""
        return Conditioning(torch.cat([self.text, *[other.text] * times], dim=1), self.pooled)

    def zeros(self) -> Conditioning:
        """As much text that says nothing: SDXL's own unconditional, where a negative prompt is empty."""
        return Conditioning(torch.zeros_like(self.text), None if self.pooled is None else torch.zeros_like(self.pooled))


@torch.no_grad()
def encode_prompt(base: BaseModel, prompt: str, clip_skip: int) -> Conditioning:
    """The conditioning of one prompt, (1, 77 a chunk, width); the first chunk's pooled text. `clip_skip` as below."""
    sections = parse_weights(prompt)
    chunks = [chunks_of(sections, tokenizer) for tokenizer in base.tokenizers]
    ids = [torch.tensor([chunk.ids for chunk in own]) for own in chunks]
    weights = [torch.tensor([chunk.weights for chunk in own]) for own in chunks]
    apart = encode_tokens(base, ids, clip_skip, weights)
    return Conditioning(apart.text.flatten(0, 1)[None], None if apart.pooled is None else apart.pooled[:1])


def encode_tokens(
    base: BaseModel, tokens: Sequence[Tensor], clip_skip: int, weights: Sequence[Tensor] | None = None
) -> Conditioning:
    """The conditioning of tokens (N, 77), one tensor for each text encoder; gradients reach the text encoders.

    `clip_skip` 1 takes the last layer, 2 the one before, as A1111 counts; it acts on SD1 alone. SD2 and SDXL answer
    with a fixed layer, in A1111 too. `weights` (N, 77), likewise, of tokens. Raises ConfigurationError for more layers
    than there are.
    """
    texts: list[Tensor] = []
    pooled: list[Tensor | None] = []
    for number, (encoder, part) in enumerate(zip(base.text_encoders, base.family.text, strict=True)):
        text, whole = _read(encoder, part, tokens[number], clip_skip)
        texts.append(text if weights is None else emphasised(text, weights[number]))
        pooled.append(whole)
    joined = texts[0] if len(texts) == 1 else torch.cat(texts, dim=-1)
    return Conditioning(joined, None if base.family.pooled is None else pooled[base.family.pooled])


def emphasised(text: Tensor, weights: Tensor) -> Tensor:
    """`text` (N, 77, width) times `weights` (N, 77), each text's mean as it was (A1111's emphasis "Original")."""
    if bool((weights == 1).all()):
        return text
    before = text.float()
    after = before * weights.to(text.device).unsqueeze(2)
    whole = (1, 2)
    restored = after * (before.mean(whole, keepdim=True) / after.mean(whole, keepdim=True))
    return torch.where((weights == 1).all(dim=1).to(text.device)[:, None, None], before, restored).to(text.dtype)


def tokenize(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """(N, 77) token ids, padded as the tokenizer's model pads; what is longer is cut."""
    encoded = untyped(tokenizer)(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=most_tokens(tokenizer),
        return_tensors="pt",
    )
    return encoded.input_ids


def _read(encoder: TextEncoder, part: TextPart, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
    """One encoder's answer: its layer (N, 77, width), and its projected pooled text (N, P) where it has one."""
    layer = part.layer or clip_skip
    if layer > (layers := encoder.config.num_hidden_layers):
        raise ConfigurationError(f"clip_skip = {layer}: the text encoder has {layers} layers; use 1 or 2")
    answer: Any = encoder(ids.to(encoder.device, non_blocking=True), output_hidden_states=layer > 1 or not part.normed)
    pooled = getattr(answer, "text_embeds", None)
    if layer == 1 and part.normed:
        return answer.last_hidden_state, pooled
    hidden = answer.hidden_states[-layer]
    inner: Any = getattr(encoder, "text_model", encoder)
    return inner.final_layer_norm(hidden) if part.normed else hidden, pooled
