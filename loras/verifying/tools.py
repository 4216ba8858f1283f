"""The tools whose rules are known, by the word that `--for` takes. A further one is its table and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from loras.verifying.a1111 import A1111
from loras.verifying.comfyui import COMFYUI
from loras.verifying.diffusers_loader import DIFFUSERS
from loras.verifying.facts import NotVerifiedError
from loras.verifying.rules import Tool
from loras.verifying.trainers import AI_TOOLKIT, MUSUBI, SD_SCRIPTS

TOOLS: Mapping[str, Tool] = {tool.key: tool for tool in (A1111, COMFYUI, DIFFUSERS, SD_SCRIPTS, MUSUBI, AI_TOOLKIT)}
ALIASES = {"kohya": "sd-scripts", "forge": "a1111", "webui": "a1111", "aitoolkit": "ai-toolkit"}


def tool_called(word: str) -> Tool:
    """The tool of that name. Raises NotVerifiedError, with the nearest, for one that is not known."""
    key = ALIASES.get(word.lower(), word.lower())
    if key not in TOOLS:
        known = [*TOOLS, *ALIASES]
        near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
        raise NotVerifiedError(f"--for {word}: unknown tool (did you mean `{near}`?); known: {', '.join(known)}")
    return TOOLS[key]
