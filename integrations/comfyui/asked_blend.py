"""What the widgets of *Exact LoRA blend* ask for: files at weights by part, method, rank, type, a name to save by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from .blended_cell import BlendedCell, CellLora
from .named_places import LORA, lora_file, shown
from .studio_door import NodeError

if TYPE_CHECKING:
    from loras.blending.blend_files import BlendRequest
    from loras.blending.weighted_lora import WeightedLora

SLOTS = 4
NONE = "none"
EXACT = "sum"
DTYPES = ("float16", "bfloat16", "float32")
PREVIEW = "lora-studio-preview"  # what a file that is not saved is called


@dataclass(frozen=True)
class AskedBlend:
    """`slots`: names with their weights on denoiser and text encoders; `more`: lines as they are typed.

    `density` 0 is the method's own; `rank` and `save_as` may be empty.
    """

    slots: tuple[tuple[str, float, float], ...]
    more: tuple[str, ...]
    method: str
    rank: str
    density: float
    draw: int
    dtype: str
    save_as: str

    @classmethod
    def of(cls, widgets: Mapping[str, object]) -> AskedBlend:
        """As the widgets say. Raises NodeError where no file is named, or a type that is none."""
        slots = [
            (str(widgets[f"lora_{at}"]), number(widgets[f"unet_{at}"]), number(widgets[f"te_{at}"]))
            for at in range(1, SLOTS + 1)
        ]
        lines = [line.strip() for line in str(widgets["more"]).splitlines()]
        asked = cls(
            tuple(slot for slot in slots if slot[0] != NONE),
            tuple(line for line in lines if line),
            str(widgets["method"]),
            str(widgets["rank"]).strip(),
            number(widgets["density"]),
            int(number(widgets["draw"])),
            str(widgets["dtype"]),
            str(widgets["save_as"]).strip(),
        )
        if not asked.slots and not asked.more:
            raise NodeError("no LoRA is chosen: choose one as lora_1, or write one into `more`")
        if asked.dtype not in DTYPES:
            raise NodeError(f"dtype: `{shown(asked.dtype)}` is none; take {', '.join(DTYPES)}")
        return asked

    @property
    def files(self) -> list[Path]:
        """The files, in their order. Raises PlaceError for a name that ComfyUI does not list."""
        return [*(lora_file(name) for name, _, _ in self.slots), *(path for path, _ in self._lines())]

    @property
    def title(self) -> str:
        """What the file is called, and its header with it."""
        return Path(self.save_as.replace("\\", "/")).name.removesuffix(LORA) if self.save_as else PREVIEW

    def key(self, contents: Sequence[str]) -> str:
        """A hash of all that shapes the file. `contents`: what tells its files apart from changed ones."""
        how = (self.method, self.rank, self.density, self.draw, self.dtype, self.title)
        return sha256(json.dumps([list(contents), self.slots, self.more, how]).encode()).hexdigest()[:20]

    def request(self, output: Path) -> BlendRequest:
        """The blend as `eval blend` makes it. Raises UserErrors of the package."""
        import torch

        from loras.blending.blend_files import BlendRequest
        from loras.blending.merge_methods import merge_called
        from loras.blending.rank_rule import RankRule

        return BlendRequest(
            self.parts(),
            output,
            RankRule.parse(self.rank) if self.rank else None,
            merge_called(self.method, self.density or None, self.draw),
            getattr(torch, self.dtype),
        )

    def parts(self) -> tuple[WeightedLora, ...]:
        """The files at their weights. A slot's weight on a part that its file lacks does nothing; a typed one is an
        error."""
        from loras.blending.weighted_lora import WeightedLora
        from loras.weights import Weights

        slots = [WeightedLora(lora_file(name), Weights.of(unet, te)) for name, unet, te in self.slots]
        return (*slots, *(WeightedLora.parse(f"{path}{said}") for path, said in self._lines()))

    def cell(self, hashes: Sequence[str]) -> BlendedCell:
        """The blend as the row of a store. `hashes`: of its files."""
        parts = self.parts()
        fault = ""
        if self.method != EXACT or self.rank:
            fault = "the blend is merged or compressed, and a store's rows are exact sums: take method sum and no rank"
        elif any(_has_parts_apart(one) for one in parts):
            fault = "the blend has weights by block, or of text encoders apart, and an appended row has unet and te"
        loras = [
            CellLora(one.name, content, one.weights.unet, one.weights.te1)
            for one, content in zip(parts, hashes, strict=True)
        ]
        return BlendedCell(tuple(loras), fault)

    def _lines(self) -> Iterator[tuple[Path, str]]:
        """The file of each line, and what is said of its weights, with the colon."""
        for line in self.more:
            name, colon, said = line.partition(f"{LORA}:")
            yield lora_file(name + LORA if colon else line), f":{said}" if colon else ""


def _has_parts_apart(part: WeightedLora) -> bool:
    """Whether its weights are more than two numbers."""
    from loras.blending.block_weights import BlockWeights
    from loras.weights import Weights

    return part.blocks != BlockWeights() or part.weights != Weights.of(part.weights.unet, part.weights.te1)


def number(value: object) -> float:
    """A widget's number. Raises NodeError."""
    if not isinstance(value, (int, float)):
        raise NodeError(f"`{shown(str(value))}` is no number")
    return float(value)
