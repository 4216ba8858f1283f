"""Texts that are longer than a CLIP model reads at once: in parts, split where the renderer splits its prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from base_models.prompts.prompt_chunks import split_at_commas


class Tokenizer(Protocol):
    """open_clip's: texts as a tensor of rows of ids, padded to `context_length` and cut there."""

    context_length: int

    def __call__(self, texts: list[str], context_length: int | None = None) -> Any: ...


@dataclass(frozen=True)
class TextPart:
    """What the model reads at once: a row of its context's length, in which `tokens` are the text's own."""

    row: tuple[int, ...]
    tokens: int


@dataclass(frozen=True)
class _Framed:
    """A text's own ids, and what the tokenizer puts before, behind and after them."""

    start: list[int]
    ids: list[int]
    end: list[int]
    padding: int


def parts_of(text: str, tokenizer: Tokenizer) -> list[TextPart]:
    """The whole of a text; of one that the model reads at once, the tokenizer's own row and no other."""
    framed = _framed(text, tokenizer)
    room = tokenizer.context_length - len(framed.start) - len(framed.end) if framed else 0
    if framed is None or len(framed.ids) <= room:
        row: list[int] = tokenizer([text])[0].tolist()
        return [TextPart(tuple(row), len(framed.ids) if framed else len(row))]
    comma = _framed(",", tokenizer)
    ends_at = comma.ids[-1] if comma and comma.ids else -1
    found: list[TextPart] = []
    for part in split_at_commas([(token, 1.0) for token in framed.ids], ends_at, room):
        row = [*framed.start, *(token for token, _ in part), *framed.end]
        row += [framed.padding] * (tokenizer.context_length - len(row))
        found.append(TextPart(tuple(row), len(part)))
    return found


def _framed(text: str, tokenizer: Tokenizer) -> _Framed | None:
    """None of a tokenizer that does more than to put something before and behind: its rows stay as it cuts them."""
    # No tokenizer makes more tokens than there are bytes; cleaning a text may lengthen it.
    wide = tokenizer.context_length + 2 * len(text.encode())
    rows: list[list[int]] = tokenizer(["", text], context_length=wide).tolist()
    padding = rows[0][-1]
    nothing, whole = (_without(padding, row) for row in rows)
    begun = next((at for at, pair in enumerate(zip(nothing, whole, strict=False)) if pair[0] != pair[1]), len(nothing))
    start, end = nothing[:begun], nothing[begun:]
    stop = len(whole) - len(end)
    return _Framed(start, whole[begun:stop], end, padding) if whole[stop:] == end else None


def _without(padding: int, row: list[int]) -> list[int]:
    """A row without what it is padded with."""
    length = len(row)
    while length and row[length - 1] == padding:
        length -= 1
    return row[:length]
