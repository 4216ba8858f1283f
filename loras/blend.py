"""Blending, as pure arithmetic: LoRA files with weights -> one LoRA file that does at weight 1 what they do together.

The delta of a blend is the sum over LoRAs of w * alpha / rank * up @ down, per module. It is exact by concatenating
ranks: [up_1 .. up_n] @ [down_1; ..; down_n], each part's coefficient folded into its factors. Kinds other than plain
factors enter by their exact low rank; DoRA and OFT do not add up, and are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from base_models.kohya_names import part_of
from foundation.errors import UserError
from loras.lora_file import Additive, LoraFile, LoraModule, Module
from loras.weights import Weights


class BlendError(UserError):
    """LoRA files that cannot be added up into one."""


class NothingLeftError(BlendError):
    """No module is moved at the weights that are asked for."""


class Weighting(Protocol):
    """How strongly a LoRA acts on each module, by kohya name."""

    def on_module(self, name: str) -> float:
        """The factor on the module of that kohya name; 0 leaves it out, 1 is the file as trained."""
        ...


@dataclass(frozen=True)
class Term:
    """One LoRA's part of a module's blend: plain factors, the weight they get, and the file's place among all."""

    module: LoraModule
    weight: float
    place: int = 0


def blend(parts: Sequence[tuple[LoraFile[Module], Weights]]) -> LoraFile[LoraModule]:
    """The exact sum. One LoRA alone keeps its tensors bit for bit, alpha scaled, but for modules whose alpha is not
    that of most; weight 0 leaves a module out.

    Raises BlendError for a module that does not add up (DoRA, OFT, norms, biases).
    """
    by_name: dict[str, list[Term]] = {}
    acting = 0
    for lora, weights in parts:
        acting += any(weights.on_module(name) for name in lora.modules)
        for name, module in lora.modules.items():
            if weight := weights.on_module(name):
                by_name.setdefault(name, []).append(Term(plain_factors(module, name), weight))
    modules = {name: summed(terms, name) for name, terms in by_name.items()}
    metadata = dict(parts[0][0].metadata) if len(parts) == 1 else {}
    if acting <= 1:
        return LoraFile(with_one_alpha(modules), metadata)
    alpha = float(max((module.rank for module in modules.values()), default=1))
    return LoraFile({name: module.with_alpha(alpha) for name, module in modules.items()}, {})


def with_one_alpha(modules: Mapping[str, LoraModule]) -> dict[str, LoraModule]:
    """The same deltas with one alpha in each part of the model: the one that most of its modules have.

    diffusers (0.42) reads a kohya file whose modules differ in alpha as if all had the commonest one, and says nothing.
    Modules that have it stay as they are, bit for bit.
    """
    common = common_alphas(modules)
    return {name: module.with_alpha(common[part_of(name)]) for name, module in modules.items()}


def common_alphas(modules: Mapping[str, LoraModule]) -> dict[str, float]:
    """By part ("unet", "te1", "te2"), the alpha that most of its modules have."""
    found: dict[str, Counter[float]] = {}
    for name, module in modules.items():
        found.setdefault(part_of(name), Counter())[module.alpha] += 1
    return {part: alphas.most_common(1)[0][0] for part, alphas in found.items()}


def plain_factors(module: Module, name: str) -> LoraModule:
    """The module as plain factors, exactly. Raises BlendError where its effect depends on the base model."""
    if isinstance(module, Additive) and not (module.kind == "full" and module.delta().dim() < 2):
        return module.low_rank()
    raise BlendError(
        f"`{name}` is of the kind {module.kind}, which does not add up without the base model; `python -m eval bake` "
        "puts the file into a model, and `python -m eval extract` makes a plain LoRA of the difference"
    )


def summed(terms: Sequence[Term], name: str) -> LoraModule:
    """The exact weighted sum of one module's terms. Raises BlendError where their weights' shapes differ."""
    if len(terms) == 1:
        module, weight = terms[0].module, terms[0].weight
        return LoraModule(module.down, module.up, module.alpha * weight)
    _check_shapes((term.module for term in terms), name)
    modules = [term.module for term in terms]
    rank, kernel = sum(len(one.down) for one in modules), max((one.down.shape[2:] for one in modules), key=len)
    down = torch.empty(rank, modules[0].down.shape[1], *kernel)
    up = torch.empty(len(modules[0].up), rank, *[1] * len(kernel))
    start = 0
    for term in terms:
        end = start + len(term.module.down)
        # The coefficient's root on both, so that fp16 keeps its range.
        coefficient = term.weight * term.module.scale
        root = abs(coefficient) ** 0.5
        down[start:end].copy_(term.module.down.reshape(end - start, -1, *kernel)).mul_(root)
        part = up[:, start:end]
        part.copy_(term.module.up.reshape(part.shape)).mul_(root if coefficient > 0 else -root)
        start = end
    return LoraModule(down, up, float(rank))


def _check_shapes(modules: Iterable[LoraModule], name: str) -> None:
    """Linear and 1x1 factors of one weight go together: tools write either."""
    shapes = {module.shape if module.shape[2:] != (1, 1) else module.shape[:2] for module in modules}
    if len(shapes) > 1:
        listed = " and ".join(str(shape) for shape in sorted(shapes))
        raise BlendError(
            f"`{name}` is {listed} in different files; they are for different models, so they do not add up"
        )
