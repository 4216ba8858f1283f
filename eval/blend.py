"""Blending, as pure arithmetic: LoRA files with weights -> one LoRA file that does at weight 1 what they do together.

The delta of a blend is the sum over LoRAs of w * alpha / rank * up @ down, per module. It is exact by concatenating
ranks: [up_1 .. up_n] @ [down_1; ..; down_n], each part's coefficient folded into its factors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from eval.weights import Weights
from trainer.lora_file import LoraFile, LoraModule, part_of


def blend(parts: Sequence[tuple[LoraFile, Weights]]) -> LoraFile:
    """The exact sum. One LoRA alone keeps its tensors bit for bit, alpha scaled; weight 0 leaves a module out."""
    by_name: dict[str, list[tuple[LoraModule, float]]] = {}
    for lora, weights in parts:
        for name, module in lora.modules.items():
            if weight := weights.on(part_of(name)):
                by_name.setdefault(name, []).append((module, weight))
    metadata = dict(parts[0][0].metadata) if len(parts) == 1 else {}
    return LoraFile({name: _sum(terms) for name, terms in by_name.items()}, metadata)


def _sum(terms: Sequence[tuple[LoraModule, float]]) -> LoraModule:
    if len(terms) == 1:
        module, weight = terms[0]
        return LoraModule(module.down, module.up, module.alpha * weight)
    downs, ups = zip(*(_folded(module, weight * module.scale) for module, weight in terms), strict=True)
    down, up = torch.cat(downs, dim=0), torch.cat(ups, dim=1)
    return LoraModule(down, up, float(down.shape[0]))


def _folded(module: LoraModule, coefficient: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors whose product is `coefficient` times the module's: the root on both, so that fp16 keeps its range."""
    root = abs(coefficient) ** 0.5
    return module.down.float() * root, module.up.float() * (root if coefficient > 0 else -root)
