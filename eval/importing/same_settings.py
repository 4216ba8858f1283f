"""Pictures can be compared where nothing differs but LoRA, weight, prompt and seed: the largest such group is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.importing.collected import ReadPicture
from eval.importing.metadata.told import SIZE

TOOL, NEGATIVE = "tool", "negative prompt"
Settings = tuple[tuple[str, str], ...]
LONGEST = 60  # characters of a setting that is shown


def settings_of(picture: ReadPicture) -> Settings:
    """All that has to be alike, sorted by name."""
    told = picture.told
    size = f"{picture.size[0]}x{picture.size[1]}"
    return tuple(sorted({**told.settings, SIZE: size, TOOL: told.by, NEGATIVE: told.negative}.items()))


def largest_group(pictures: Sequence[ReadPicture]) -> tuple[list[ReadPicture], dict[str, str]]:
    """The pictures of the commonest settings (of two as common, the first read), and why the others are not of them."""
    keys = [settings_of(picture) for picture in pictures]
    if not keys:
        return [], {}
    chosen = Counter(keys).most_common(1)[0][0]
    kept = [picture for picture, key in zip(pictures, keys, strict=True) if key == chosen]
    others = {
        str(picture.source): f"other settings: {_difference(dict(chosen), dict(key))}"
        for picture, key in zip(pictures, keys, strict=True)
        if key != chosen
    }
    return kept, others


def _difference(chosen: dict[str, str], other: dict[str, str]) -> str:
    names = [name for name in dict.fromkeys((*chosen, *other)) if chosen.get(name) != other.get(name)]
    said = [f"{name} {_shown(other.get(name))} rather than {_shown(chosen.get(name))}" for name in names[:2]]
    return ", ".join(said) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _shown(value: str | None) -> str:
    if value is None:
        return "not told"
    text = value if len(value) <= LONGEST else f"{value[:LONGEST]}.."
    return f"`{text}`"
