"""A prompt of any length as chunks that a CLIP text encoder reads one by one, split where A1111 splits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import CLIPTokenizer

from base_models.prompts.prompt_weights import Passage
from base_models.prompts.token_ids import ids_of, most_tokens, token_id

BACKTRACK = 20  # A1111's default: a comma at most so many tokens before a chunk's end is where the chunk ends

Weighted = tuple[int, float]  # a token and its weight


@dataclass(frozen=True)
class Chunk:
    """What the text encoder reads at once: `ids` and `weights` of 77 positions; start, end and padding weigh 1."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


def chunks_of(sections: Sequence[Sequence[Passage]], tokenizer: CLIPTokenizer) -> list[Chunk]:
    """At least one chunk; a section (between BREAKs) begins a chunk of its own, also when it is empty."""
    size = most_tokens(tokenizer) - 2  # the start and the end are tokens, too
    comma = token_id(tokenizer, ",</w>")
    parts: list[list[Weighted]] = []
    for number, section in enumerate(sections):
        found = split_at_commas(_tokens(section, tokenizer), comma, size)
        is_last = number == len(sections) - 1
        parts += found if found or (is_last and parts) else [[]]
    return [_chunk(part, tokenizer) for part in parts]


def split_at_commas(tokens: Sequence[Weighted], comma: int, size: int) -> list[list[Weighted]]:
    """Parts of at most `size` tokens. One that is full ends after its last comma, if that is near its end."""
    parts: list[list[Weighted]] = []
    part: list[Weighted] = []
    for token in tokens:
        if len(part) == size:
            end = size if token[0] == comma else _end_at_comma(part, comma)
            parts.append(part[:end])
            part = part[end:]
        part.append(token)
    return [*parts, part] if part else parts


def _end_at_comma(part: Sequence[Weighted], comma: int) -> int:
    """Where a full part is to end."""
    near = range(len(part) - 1, max(0, len(part) - BACKTRACK) - 1, -1)
    return next((at + 1 for at in near if part[at][0] == comma), len(part))


def _tokens(section: Sequence[Passage], tokenizer: CLIPTokenizer) -> list[Weighted]:
    found: list[Weighted] = []
    for passage in section:
        found += [(token, passage.weight) for token in ids_of(tokenizer, passage.text)]
    return found


def _chunk(part: Sequence[Weighted], tokenizer: CLIPTokenizer) -> Chunk:
    """Start, tokens, end, and then what the tokenizer's model is padded with (SD1: the end again; the others: 0)."""
    missing = most_tokens(tokenizer) - 2 - len(part)
    special: Any = tokenizer  # its special tokens' ids are declared as whatever a tokenizer may have
    start, end, pad = special.bos_token_id, special.eos_token_id, special.pad_token_id
    ids = (start, *(token for token, _ in part), end, *[pad] * missing)
    return Chunk(ids, (1.0, *(weight for _, weight in part), *[1.0] * (missing + 1)))
