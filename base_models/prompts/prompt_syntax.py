"""What other tools read in a prompt and this renderer does not: it would pass as words, so it is named instead.

What is read is in `prompt_weights`: brackets with weights, and BREAK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPED = re.compile(r"\\[()\[\]{}<>|#\\]")
_NUMBER = r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*"
# What is said of each: what it is elsewhere, and what to do.
_REFUSED = (
    (
        re.compile(r"<\w+:[^<>]*>"),
        "puts on a LoRA or draws something in A1111 and its like; take it out, [lora] names files",
    ),
    (re.compile(r"__[\w./*\- ]+?__"), "is a wildcard; write the words themselves, a prompt for each"),
    (re.compile(r"\$\{[^{}]*\}?"), "is a variable; write the words themselves"),
    (re.compile(r"\{[^{}]*(?:\||\$\$)[^{}]*\}"), "is a choice at random; write a prompt for each"),
    (re.compile(r"\bAND\b"), "in capitals joins two prompts in A1111; write `and`, or a comma"),
    (re.compile(r"\bADD(?:COMM|BASE|COL|ROW)\b"), "parts a picture into regions; write one prompt for all of it"),
    (re.compile(r"\bembedding:\S+"), "loads a textual inversion; take it out"),
    (re.compile(r"(?:^|\s)--(?=[A-Za-z])\S+"), "is an option, not words; take it out, its table has a key for it"),
    (re.compile(r"^\s*(?:#|//).*"), "is a comment; take it out"),
    (re.compile(r"\s#\s.*"), "is a comment behind a prompt; take it out, or give it a line of its own"),
    (re.compile(r"(?m)^\s*Negative prompt:.*"), "belongs in the key `negative`"),
    (re.compile(r"(?m)^\s*Steps: \d+(?:,|$).*"), "are A1111's settings, not words; take them out"),
)
_EDITED = re.compile(rf".*:{_NUMBER}", re.DOTALL)
_SQUARE = re.compile(r"\[([^\[\]]*)\]")
_DOUBTFUL = (
    (re.compile(r"\{[^{}|$]*\}"), "braces are letters here; a weight is written (word:1.05)"),
    (re.compile(r"\([^()]*:\s*\d+,\d+\s*\)"), "a comma in a weight makes it words; write (word:1.3)"),
    (re.compile(r"(?:\w\+\+|\)\+)\+*(?=[\s,]|$)"), "a plus is a letter here; a weight is written (word:1.1)"),
)


def fault_of_prompt(prompt: str) -> str | None:
    """What in a prompt would pass as words though it means something else, and what to do; None where nothing would."""
    return next(_faults(_ESCAPED.sub(" ", prompt)), None)


def cautions_of_prompt(prompt: str) -> list[str]:
    """What may have been meant otherwise than it is read, each in a few words."""
    said = _ESCAPED.sub(" ", prompt)
    return [f"`{found[0].strip()}`: {words}" for pattern, words in _DOUBTFUL if (found := pattern.search(said))]


def _faults(said: str) -> Iterator[str]:
    for pattern, words in _REFUSED:
        if found := pattern.search(said):
            yield f"`{found[0].strip()}` {words}"
    while found := _SQUARE.search(said):
        if "|" in found[1]:
            yield f"`{found[0]}` changes at each step in A1111; write a prompt for each"
        if _EDITED.fullmatch(found[1]):
            yield f"`{found[0]}` changes while A1111 draws; write one of its words, a weight as (word:0.8)"
        said = said[: found.start()] + f" {found[1]} " + said[found.end() :]
