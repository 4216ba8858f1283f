"""Captions of more than 75 tokens, as kohya reads them: chunks of 75 read apart, their answers joined without ends."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from base_models.prompts.token_ids import ids_of, most_tokens
from foundation.typed.untyped import untyped


def tokenize_in_chunks(tokenizer: CLIPTokenizer, caption: str, chunks: int) -> Tensor:
    """(chunks, 77) token ids: so many chunks whatever the caption's length; what is longer is cut.

    Each has a start, 75 tokens and an end. Where padding is a token of its own, an end follows the last word, and one
    that has no word begins with it.
    """
    names = untyped(tokenizer)
    start, end, pad = names.bos_token_id, names.eos_token_id, names.pad_token_id
    size = most_tokens(tokenizer) - 2
    words = ids_of(tokenizer, caption)[: size * chunks]
    whole = [*words, end, *[pad] * (size * chunks - len(words))]
    rows = [[start, *whole[at * size : (at + 1) * size], whole[-1]] for at in range(chunks)]
    for row in rows if pad != end else ():
        if row[-2] not in (end, pad):
            row[-1] = end
        if row[1] == pad:
            row[1] = end
    return torch.tensor(rows)


def joined(text: Tensor, chunks: int) -> Tensor:
    """(N * chunks, 77, width) -> (N, 75 * chunks + 2, width): the first start, all that is between, the last end."""
    apart = text.view(-1, chunks, *text.shape[1:])
    return torch.cat([apart[:, 0, :1], apart[:, :, 1:-1].flatten(1, 2), apart[:, -1, -1:]], dim=1)
