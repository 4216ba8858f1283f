"""Text that goes into Markdown: names of files are the user's own and must show as they are; sentences are ours."""

from __future__ import annotations

import re

from foundation.printing import as_typed

CODE = re.compile(r"(`[^`\n]+`)")
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$:^-])")


def escaped(text: str) -> str:
    """`text` with everything that Markdown (Streamlit's colours and formulas too) would interpret escaped.

    Two hyphens would be drawn, and copied, as one long dash, so they stand as code.
    """
    return SPECIAL.sub(r"\\\1", text).replace(r"\-\-", "`--`")


def in_sentence(text: str) -> str:
    """The same of what we say ourselves: what stands between backticks is drawn as code, and nothing in it is read."""
    return "".join(part if CODE.fullmatch(part) else escaped(part) for part in CODE.split(as_typed(text)))
