"""A1111's `parameters` text, taken apart: prompt, negative prompt, and what is written as `Key: value` behind them.

As A1111 writes and reads it (`modules/infotext_utils.py` of 1.10, `generation_parameters_copypaste.py` before): values
that hold a comma or a colon are JSON strings. Forge, SD.Next and image savers of ComfyUI write the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MOST_TEXT = 2**20  # characters
_STEPS = re.compile(r"^\s*Steps:\s*\d+\s*(?:,|$)")
# Dynamic Prompts adds what the prompt was made of, which may look like anything.
_TEMPLATE = re.compile(r"^\s*(?:Negative )?Template:")
_NEGATIVE = "Negative prompt:"
_PAIR = re.compile(r'\s*([A-Za-z_][\w \-/.+()]*?):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
# Lists in brackets that are written without quotes: Civitai's own generator.
_LISTED = re.compile(r"(?:^|,)\s*(Civitai resources|Civitai metadata|Hashes):\s*(?=[\[{])")


@dataclass(frozen=True)
class Infotext:
    """`pairs`: what is said by key, unquoted; `lists`: what stood in brackets, parsed."""

    prompt: str
    negative: str
    pairs: dict[str, str]
    lists: dict[str, object]


def parse_infotext(text: str) -> Infotext | None:
    """The parts of a `parameters` text, or None where it has no `Steps:` line and so is none."""
    if len(text) > MOST_TEXT:
        return None
    lines = text.strip().split("\n")
    at = next((at for at in reversed(range(len(lines))) if _STEPS.match(lines[at])), None)
    if at is None:
        return None
    begins = next((number for number, line in enumerate(lines[:at]) if line.strip().startswith(_NEGATIVE)), at)
    negative = "\n".join(lines[begins:at]).strip().removeprefix(_NEGATIVE)
    ends = next((end for end in range(at, len(lines)) if _TEMPLATE.match(lines[end])), len(lines))
    settings, lists = _lists_taken(" ".join(lines[at:ends]))
    pairs: dict[str, str] = {}
    for key, value in _PAIR.findall(settings):
        pairs.setdefault(key.strip(), _unquoted(value.strip()))
    return Infotext("\n".join(lines[:begins]).strip(), negative.strip(), pairs, lists)


def _unquoted(value: str) -> str:
    if not (len(value) > 1 and value.startswith('"') and value.endswith('"')):
        return value
    try:
        told: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return told if isinstance(told, str) else value


def _lists_taken(settings: str) -> tuple[str, dict[str, object]]:
    """The settings without what stands in brackets, and that."""
    lists: dict[str, object] = {}
    decoder = json.JSONDecoder()
    while found := _LISTED.search(settings):
        try:
            value, end = decoder.raw_decode(settings, found.end())
        except (ValueError, RecursionError):
            value, end = None, found.end()
        lists.setdefault(found[1], value)
        settings = settings[: found.start()] + settings[end:]
    return settings, lists
