"""How an exported file is written: another rank, type or tool's spelling than what was scored, and words beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from foundation.errors import ConfigurationError
from foundation.files import gone_at_last, partial_beside, told_of
from foundation.progress import Silent
from loras.blending.lower_rank import of_lower_rank, relative_distance
from loras.blending.rank_rule import RankRule
from loras.converting.targets import ConvertError, Target, target_called
from loras.lora_file import LoraFile, LoraModule, cast_lora, write_lora

# Kohya's spelling is the one that A1111, ComfyUI and diffusers all read.
EVERY_TOOLS = "kohya"
LONGEST_WORDS = 4000  # characters of a header's own words
AUTHOR, DESCRIPTION, TRIGGER = "modelspec.author", "modelspec.description", "modelspec.trigger_phrase"


@dataclass(frozen=True)
class FileForm:
    """What is asked for. `rank` None, `dtype` "" and `target` None leave the file as the cell was scored; `author` and
    `description` go into the header, where managers of LoRAs show them."""

    rank: RankRule | None = None
    dtype: str = ""
    target: Target | None = None
    author: str = ""
    description: str = ""

    @classmethod
    def asked(cls, rank: str, dtype: str, tool: str, author: str, description: str) -> FileForm:
        """As a command or a page is told it, "" for what stays. Raises RankError, ConvertError, ConfigurationError."""
        for name, words in (("author", author), ("description", description)):
            if len(words) > LONGEST_WORDS:
                raise ConfigurationError(f"--{name}: {len(words)} characters; a header takes up to {LONGEST_WORDS}")
        target = target_called(tool) if tool else None
        return cls(
            RankRule.parse(rank) if rank else None,
            dtype,
            None if target is None or target.key == EVERY_TOOLS else target,
            author.strip(),
            description.strip(),
        )

    def words(self, kept: Mapping[str, str], trigger: str) -> dict[str, str]:
        """What the header says beside the recipe; the trigger where the parents' header does not say it."""
        said = {AUTHOR: self.author, DESCRIPTION: self.description}
        if not kept.get(TRIGGER):
            said[TRIGGER] = trigger
        return {key: value for key, value in said.items() if value}


AS_SCORED = FileForm()


@dataclass(frozen=True)
class Shaped:
    """The modules as the file holds them, their type, and how far they are from what was scored, as a share."""

    modules: dict[str, LoraModule]
    dtype: str
    error: float

    @property
    def rank(self) -> int:
        """The greatest of any module."""
        return max((module.rank for module in self.modules.values()), default=0)


def shaped(modules: Mapping[str, LoraModule], dtype: str, form: FileForm) -> Shaped:
    """Modules that were scored in `dtype`, as `form` asks for them."""
    kind = form.dtype or dtype
    lower = of_lower_rank(modules, form.rank) if form.rank else dict(modules)
    cast = cast_lora(LoraFile(lower, {}), getattr(torch, kind)).modules
    is_scored = form.rank is None and kind == dtype
    return Shaped(dict(cast), kind, 0.0 if is_scored else relative_distance(modules, cast))


def write_shaped(made: Shaped, metadata: Mapping[str, str], path: Path, form: FileForm) -> None:
    """Write the file, read it back, and put it in place: kohya's spelling, or that of the tool that is asked for.

    Raises ConvertError for what a tool cannot hold, and what writing raises; then nothing is written.
    """
    lora, dtype = LoraFile(made.modules, dict(metadata)), getattr(torch, made.dtype)
    if form.target is None:
        write_lora(lora, path, dtype)
        return
    from loras.converting.convert_lora import convert

    plain = partial_beside(path)
    with told_of(path, plain), gone_at_last(plain):
        write_lora(lora, plain, dtype)
        try:
            convert(plain, path, form.target, None, Silent())
        except ConvertError as error:  # which names the hidden file that is no longer there
            raise ConvertError(str(error).replace(str(plain), str(path))) from error
