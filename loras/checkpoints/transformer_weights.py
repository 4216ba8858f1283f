"""The weights of a transformer by our names, read one at a time: a single file in any naming, or a diffusers folder.

Tensors are read from the file, not mapped into memory: of a model of any size only its largest weight is ever held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from foundation.safetensors_header import read_header
from foundation.typed.json_values import is_list, is_table, parse_json
from foundation.typed.typed_torch import vector_norm
from loras.families.family import ReadableFamily
from loras.families.known import TRANSFORMERS

TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I8": torch.int8,
}
AT_ONCE = 1024  # rows that are held in float64
FEWEST = 10  # modules of one family, for a file to be its base
_SCALES = ("scale_weight", "weight_scale")


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: where its bytes are, its type and shape, and the one that it is multiplied by.

    `reordered`: the halves of its outputs are in diffusers' order, and are read in the original's.
    """

    path: Path
    start: int
    stop: int
    type: str
    shape: tuple[int, ...]
    scale: Stored | None = None
    reordered: bool = False

    def read(self) -> Tensor:
        """The tensor, float32 where it has a scale."""
        tensor = self._read()
        swapped = self.reordered and tensor.dim() == 2 and len(tensor) == 2 * tensor.shape[1]
        return tensor.roll(len(tensor) // 2, 0) if swapped else tensor

    def _read(self) -> Tensor:
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            data = bytearray(stream.read(self.stop - self.start))
        tensor = torch.frombuffer(data, dtype=TYPES[self.type]).reshape(self.shape)
        if self.scale is None:
            return tensor
        scale = self.scale.read().float()
        return tensor.float() * (
            scale.reshape(()) if scale.numel() == 1 else scale.reshape(-1, *[1] * (tensor.dim() - 1))
        )


@dataclass(frozen=True)
class TransformerWeights:
    """A base model's files; `name` is what the user called it."""

    name: str
    family: ReadableFamily
    stored: Mapping[str, Stored]
    _squares: dict[str, float] = field(default_factory=dict[str, float])

    def weight(self, module: str) -> Tensor | None:
        """The weight of the module of that name, or None where the base has no such module.

        A projection that the base keeps whole is cut for a part of it, and the other way round.
        """
        if module in self.stored:
            return self.stored[module].read()
        if self.family.to_kohya(module) is None:
            return None
        whole, parts = self.family.whole(module), self.family.fused(module)
        if whole is not None and whole in self.stored:
            weight = self.stored[whole].read()
            return weight[self.family.to_original(module).share.rows(len(weight))]
        if parts and all(part in self.stored for part in parts):
            return torch.cat([self.stored[part].read() for part in parts])
        return None

    def squares(self, module: str, elements: int) -> float | None:
        """The weight's squared Frobenius norm, or None where the base has none of that many elements."""
        if module not in self._squares:
            weight = self.weight(module)
            if weight is None or weight.numel() != elements:
                return None
            pieces = (weight[start : start + AT_ONCE] for start in range(0, len(weight), AT_ONCE))
            self._squares[module] = sum(vector_norm(piece.double()).item() ** 2 for piece in pieces)
        return self._squares[module]


def transformer_weights(name: str) -> TransformerWeights | None:
    """The transformer in a .safetensors file or a diffusers folder; None for anything else.

    Raises LoraFileError for a file whose header is damaged.
    """
    stored = {key: one for path in _files(Path(name)) for key, one in _stored(path).items()}
    best: tuple[int, ReadableFamily | None, dict[str, Stored]] = (FEWEST - 1, None, {})
    for family in TRANSFORMERS:
        named = {
            ours: replace(one, reordered=family.reordered(key.removesuffix(".weight")))
            for key, one in stored.items()
            if key.endswith(".weight") and (ours := family.to_kohya(key.removesuffix(".weight"))) is not None
        }
        if len(named) > best[0]:
            best = (len(named), family, named)
    return None if best[1] is None else TransformerWeights(name, best[1], best[2])


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path] if path.suffix == ".safetensors" else []
    folder = path / "transformer" if (path / "transformer").is_dir() else path
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []


def _stored(path: Path) -> dict[str, Stored]:
    """By key, every tensor of a file whose header has been checked."""
    read_header(path)
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        entries = parse_json(stream.read(size))
    found = {
        key: one
        for key, entry in (entries.items() if is_table(entries) else ())
        if key != "__metadata__" and (one := _entry(path, 8 + size, entry)) is not None
    }
    return {key: _with_scale(key, one, found) for key, one in found.items()}


def _entry(path: Path, after: int, entry: object) -> Stored | None:
    if not is_table(entry) or entry.get("dtype") not in TYPES:
        return None
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not (is_list(shape) and is_list(offsets)):
        return None
    start, stop = (after + int(str(offset)) for offset in offsets)
    return Stored(path, start, stop, str(entry["dtype"]), tuple(int(str(side)) for side in shape))


def _with_scale(key: str, one: Stored, stored: Mapping[str, Stored]) -> Stored:
    stem = key.removesuffix("weight")
    scale = next((stored[f"{stem}{name}"] for name in _SCALES if f"{stem}{name}" in stored), None)
    if scale is None or not key.endswith(".weight"):
        return one
    return replace(one, scale=scale)
