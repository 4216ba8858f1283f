"""A text -> its tokens, as ids of a CLIP tokenizer's vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import CLIPTokenizer

from foundation.typed.untyped import untyped


def most_tokens(tokenizer: CLIPTokenizer) -> int:
    """How many positions the tokenizer's model reads at once, start and end among them: CLIP's 77."""
    return untyped(tokenizer).model_max_length


def ids_of(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    """The ids of a text of any length, without start and end."""
    return untyped(tokenizer)(text, add_special_tokens=False, verbose=False).input_ids


def lengths_of(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> list[int]:
    """How many tokens each text is, start and end among them, however long."""
    read: list[list[int]] = untyped(tokenizer)(list(texts)).input_ids
    return [len(ids) for ids in read]


def token_id(tokenizer: CLIPTokenizer, token: str) -> int:
    """The id of one token; the whole vocabulary as a dictionary takes 25 ms each time that it is asked for."""
    return untyped(tokenizer).convert_tokens_to_ids(token)
