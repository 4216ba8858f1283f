"""The languages that the studio speaks, each by its own name. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENGLISH = "en"


@dataclass(frozen=True)
class Language:
    """`name`: in itself; `tags`: what browsers call it and its kin, in small letters (`ja` stands for `ja-jp` too)."""

    name: str
    tags: tuple[str, ...]


# By the names of their catalogues. A simplified script is no `zh_Hant`: who reads that one may still choose it.
LANGUAGES: Mapping[str, Language] = {
    ENGLISH: Language("English", ("en",)),
    "zh_Hant": Language("正體中文", ("zh-hant", "zh-tw", "zh-hk", "zh-mo")),
    "ja": Language("日本語", ("ja",)),
}


def language_of(tag: str | None) -> str:
    """The language of a browser's tag (`ja-JP`, `zh-TW`); English for one that is not spoken here, and for none."""
    return _known(tag or "") or ENGLISH


def language_asked_for(header: str) -> str:
    """The first that is spoken here of a request's Accept-Language (`fr-CH, ja;q=0.9`); English where none is."""
    tags = (one.partition(";")[0] for one in header.split(","))
    return next((found for tag in tags if (found := _known(tag))), ENGLISH)


def _known(tag: str) -> str:
    asked = tag.strip().lower().replace("_", "-")
    for code, one in LANGUAGES.items():
        if any(asked == own or asked.startswith(f"{own}-") for own in one.tags):
            return code
    return ""
