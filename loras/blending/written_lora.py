"""How far a written LoRA is from what it stands for: by block, in all, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BlockDistance:
    """The error of one block's modules: |wanted - written| / |wanted|, Frobenius."""

    block: str
    modules: int
    error: float


@dataclass(frozen=True)
class WrittenLora:
    """A written file, its ranks (least, greatest), and its error in all and by block, as `BlockDistance`'s."""

    path: Path
    sha256: str
    modules: int
    ranks: tuple[int, int]
    error: float
    blocks: tuple[BlockDistance, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values, as `--json` prints them: errors in all and by block are shares of the norm."""
        return {
            "file": str(self.path),
            "sha256": self.sha256,
            "modules": self.modules,
            "ranks": self.ranks,
            "error": self.error,
            "blocks": {block.block: block.error for block in self.blocks},
        }

    def lines(self, against: str) -> Sequence[str]:
        """A line a block, then the file's; `against` says what the error is measured from."""
        low, high = self.ranks
        rank = str(low) if low == high else f"{low} to {high}"
        return [
            *(f"  {one.block:<6} {one.modules:>4} modules   error {one.error:.2e}" for one in self.blocks),
            f"wrote {self.path}: {self.modules} modules, rank {rank}, error against {against} {self.error:.2e}",
        ]
