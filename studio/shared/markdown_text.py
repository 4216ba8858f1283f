"""Text that goes into Markdown: names of files are the user's own and must show as they are."""

from __future__ import annotations

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$:^-])")


def escaped(text: str) -> str:
    """`text` with everything that Markdown (Streamlit's colours and formulas too) would interpret escaped.

    Two hyphens would be drawn, and copied, as one long dash, so they stand as code.
    """
    return SPECIAL.sub(r"\\\1", text).replace(r"\-\-", "`--`")
