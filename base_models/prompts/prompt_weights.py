"""The weights that a prompt's brackets say, as A1111 reads them.

`(word)` is 1.1, `[word]` 1/1.1, `(word:1.3)` 1.3; brackets multiply. A backslash makes a bracket a letter. Brackets
left open act to the end; closing ones without an opening are letters. `BREAK` begins a new chunk (A1111's
prompt_parser.parse_prompt_attention; a BREAK within brackets, which A1111 takes for a word, breaks here too).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby

ROUND, SQUARE = 1.1, 1 / 1.1
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_PIECE = re.compile(
    r"\\(?P<letter>[()\[\]\\]?)"
    r"|(?P<opened>[(\[])"
    r"|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
    r"|(?P<closed>[)\]])"
    r"|[^\\()\[\]:]+|:"
)


@dataclass(frozen=True)
class Passage:
    """A stretch of a prompt, and how strongly it counts."""

    text: str
    weight: float


def parse_weights(prompt: str) -> list[list[Passage]]:
    """The passages of each section between BREAKs, without the syntax; neighbours of one weight are one passage."""
    reading = _Reading()
    for found in _PIECE.finditer(prompt):
        reading.take(found)
    reading.close_all()
    return reading.sections()


def plain_text(prompt: str) -> str:
    """What the prompt says, without weights: for models that know no such syntax."""
    sections = ("".join(passage.text for passage in section) for section in parse_weights(prompt))
    return " ".join(section for section in sections if section)


@dataclass
class _Reading:
    """Texts (None for a BREAK) and weights so far, and where brackets were opened."""

    texts: list[str | None] = field(default_factory=list[str | None])
    weights: list[float] = field(default_factory=list[float])
    opened: dict[str, list[int]] = field(default_factory=lambda: {"(": [], "[": []})

    def take(self, found: re.Match[str]) -> None:
        piece = found[0]
        closes = "(" if piece.endswith(")") else "["
        if found["letter"] is not None:
            self._add(found["letter"])
        elif found["opened"]:
            self.opened[piece].append(len(self.texts))
        elif (found["weight"] or found["closed"]) and self.opened[closes]:
            factor = float(found["weight"]) if found["weight"] else ROUND if closes == "(" else SQUARE
            self._close(closes, factor)
        else:
            self._add_words(piece)

    def close_all(self) -> None:
        for kind, factor in (("(", ROUND), ("[", SQUARE)):
            while self.opened[kind]:
                self._close(kind, factor)

    def sections(self) -> list[list[Passage]]:
        found: list[list[Passage]] = [[]]
        pairs = zip(self.texts, self.weights, strict=True)
        for (is_break, weight), group in groupby(pairs, key=lambda pair: (pair[0] is None, pair[1])):
            texts = [text or "" for text, _ in group]
            if is_break:
                found += [[] for _ in texts]
            elif joined := "".join(texts):
                found[-1].append(Passage(joined, weight))
        return found

    def _close(self, kind: str, factor: float) -> None:
        for at in range(self.opened[kind].pop(), len(self.weights)):
            self.weights[at] *= factor

    def _add_words(self, words: str) -> None:
        first, *others = _BREAK.split(words)
        self._add(first)
        for text in others:
            self._add(None)
            self._add(text)

    def _add(self, text: str | None) -> None:
        self.texts.append(text)
        self.weights.append(1.0)
