"""Extracts a LoRA: tuned checkpoint - base checkpoint -> the best approximation of a rank, module by module.

The modules are those that kohya trains: the linear layers and outer projections of the UNet's transformers, the text
encoders' linear layers, and with a rank for convolutions the UNet's resnets and samplers too. The two checkpoints may
be of different layouts. What a LoRA cannot hold (norms, biases, embeddings) is measured and reported, not hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from base_models.base_source import base_sha256
from base_models.kohya_names import UNET, block_of
from foundation.errors import UserError
from foundation.files import check_is_no_input, sha256_of
from foundation.progress import Reporter
from foundation.typed.typed_torch import vector_norm
from loras.blending.blend_metadata import blend_metadata
from loras.blending.dense_delta import DenseDelta, zero_module
from loras.blending.rank_rule import RankRule
from loras.blending.weighted_lora import SUFFIX
from loras.blending.written_lora import BlockDistance, WrittenLora
from loras.checkpoints.checkpoint_layout import Checkpoint, ParameterName, ParameterPlace, Shape, open_tensors
from loras.lora_family import KnownFamily
from loras.lora_file import LoraFile, LoraModule, cast_lora, write_lora

UNTOUCHED = 1e-7  # of the weight's norm: below it a difference is rounding
_TEXT = re.compile(r"_(?:self_attn_[qkv]_proj|self_attn_out_proj|mlp_fc[12])$")
_TRANSFORMER = re.compile(r"_transformer_blocks_\d+_|_proj_in$|_proj_out$")
_RESNET = re.compile(
    r"_resnets_\d+_(?:conv1|conv2|conv_shortcut|time_emb_proj)$|_(?:down|up)samplers_0_conv$"
    r"|_(?:in_layers_2|out_layers_3|emb_layers_1|skip_connection)$|_blocks_\d+_\d_(?:op|conv)$"
)
_ATTENTION = re.compile(r"(.+)_(?:to_[qkv]|to_out_0|[qkv]_proj|out_proj)$")
ReadTensor = Callable[[ParameterPlace], Tensor]


class ExtractError(UserError):
    """Two checkpoints of which no LoRA can be made."""


@dataclass(frozen=True)
class ExtractRequest:
    """`conv_rank` is the rule of 3x3 convolutions; None leaves resnets and samplers out, as kohya's default does."""

    tuned: Checkpoint
    base: Checkpoint
    rank: RankRule
    conv_rank: RankRule | None
    output: Path
    dtype: torch.dtype


@dataclass(frozen=True)
class Extracted(WrittenLora):
    """`unheld` is the share (0..1) of the whole difference's norm that lies in `unheld_tensors` tensors outside the
    modules that were asked for."""

    unheld: float
    unheld_tensors: int


@dataclass(frozen=True)
class ExtractedModule:
    """One module of the LoRA, as the file holds it; squared norms of the difference, and of what the module misses."""

    module: LoraModule
    squared: float
    missed: float


def extract(request: ExtractRequest, reporter: Reporter) -> Extracted:
    """Write the LoRA. Raises ExtractError where the checkpoints are of different models, or do not differ.

    Raises DamagedFileError where the disk gives the file back otherwise.
    """
    _check_output(request)
    targets = _targets(request)
    with open_tensors(request.tuned) as read_tuned, open_tensors(request.base) as read_base:
        readers = read_tuned, read_base
        advance = reporter.task("extract", len(targets))
        parts: dict[str, ExtractedModule] = {}
        untouched: list[str] = []
        for name in targets:
            part = _part(request, readers, name)
            if part is None:
                untouched.append(name)
            else:
                parts[name] = part
            advance(1)
        unheld = _unheld(request, readers, targets)
    if not parts:
        raise ExtractError(
            f"{request.tuned.path}: no module that a LoRA could hold differs from {request.base.path}; "
            "are they the same model?"
        )
    shapes = {name: request.base.places[name, "weight"].shape for name in untouched}
    modules = {name: part.module for name, part in parts.items()} | _siblings(parts.keys(), shapes, request)
    error = _error(parts.values())
    written = _write(request, dict(sorted(modules.items())), error)
    return Extracted(
        request.output,
        written,
        len(modules),
        _ranks(part.module for part in parts.values()),
        error,
        _by_block(parts),
        _share(sum(unheld), sum(part.squared for part in parts.values())),
        len(unheld),
    )


def _check_output(request: ExtractRequest) -> None:
    output = request.output
    if output.suffix != SUFFIX:
        raise ExtractError(f"{output}: a LoRA file ends in {SUFFIX}; name it so")
    check_is_no_input(output, (request.tuned.path, request.base.path))


def _targets(request: ExtractRequest) -> list[str]:
    """The modules to extract. Raises ExtractError unless both checkpoints have them all, in the same shapes."""
    tuned, base = request.tuned, request.base
    if tuned.family != base.family:
        raise ExtractError(f"{tuned.path}: is {tuned.family.name}, but {base.path} is {base.family.name}; {_ADVICE}")
    ours, theirs = (_modules(checkpoint, request.conv_rank is not None) for checkpoint in (tuned, base))
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None or one != other:
            said = [str(shape) if shape else "absent" for shape in (one, other)]
            raise ExtractError(f"{tuned.path}: `{name}` is {said[0]}, but {said[1]} in {base.path}; {_ADVICE}")
    return sorted(ours)


_ADVICE = "give the base that it was tuned from"


def _modules(checkpoint: Checkpoint, with_convolutions: bool) -> dict[str, Shape]:
    """Names and shapes of what kohya trains. 1x1 kernels are left out of shapes: layouts differ in them."""
    found: dict[str, Shape] = {}
    for (name, parameter), place in checkpoint.places.items():
        if parameter == "weight" and len(place.shape) >= 2 and is_trained(name, with_convolutions):
            found[name] = place.shape[:2] if place.shape[2:] == (1, 1) else place.shape
    return found


def is_trained(name: str, with_convolutions: bool) -> bool:
    """Whether kohya's networks.lora trains the module of that name, `with_convolutions` where it has a conv_dim."""
    if not name.startswith(f"{UNET}_"):
        return bool(_TEXT.search(name))
    return bool(_TRANSFORMER.search(name) or (with_convolutions and _RESNET.search(name)))


def _part(request: ExtractRequest, readers: tuple[ReadTensor, ReadTensor], name: str) -> ExtractedModule | None:
    """The module's best approximation, or None where tuning left it as it was."""
    delta, size = _difference(request, readers, name, "weight")
    squared = delta.double().square().sum().item()
    if squared**0.5 <= UNTOUCHED * size:
        return None
    dense = DenseDelta.of(delta)
    is_wide = delta.dim() == 4 and delta.shape[2:] != (1, 1)
    rule = request.conv_rank if is_wide and request.conv_rank is not None else request.rank
    # As the file will hold it, so that the error is the file's own.
    best = dense.truncated(rule.of(dense.values)).with_alpha(request.rank.alpha)
    module = cast_lora(LoraFile({name: best}, {}), request.dtype).modules[name]
    return ExtractedModule(module, squared, (delta - module.delta()).double().square().sum().item())


def _difference(
    request: ExtractRequest, readers: tuple[ReadTensor, ReadTensor], name: str, parameter: ParameterName
) -> tuple[Tensor, float]:
    """tuned - base, float32 in the base's shape, and the norm of the base."""
    tuned, base = (
        read(checkpoint.places[name, parameter]).float()
        for read, checkpoint in zip(readers, (request.tuned, request.base), strict=True)
    )
    delta = tuned.reshape(base.shape) - base
    if not delta.isfinite().all():
        raise ExtractError(f"{request.tuned.path}: `{name}` holds NaN or infinity, or its base does; use another file")
    return delta, vector_norm(base.double()).item()


def _unheld(request: ExtractRequest, readers: tuple[ReadTensor, ReadTensor], targets: Iterable[str]) -> list[float]:
    """Squared norms of the differences that lie outside the modules asked for, of each tensor that differs."""
    held = {(name, "weight") for name in targets}
    found: list[float] = []
    for (name, parameter), place in request.base.places.items():
        other = request.tuned.places.get((name, parameter))
        if (name, parameter) in held or other is None or other.shape != place.shape:
            continue
        delta, size = _difference(request, readers, name, parameter)
        squared = delta.double().square().sum().item()
        if squared**0.5 > UNTOUCHED * size:
            found.append(squared)
    return found


def _siblings(kept: Iterable[str], untouched: Mapping[str, Shape], request: ExtractRequest) -> dict[str, LoraModule]:
    """Zeros for the untouched q, k, v and out of attentions of which something is kept.

    A1111 applies SD2's and SDXL's second text encoder only where a file has all four.
    """
    attentions = {found[1] for name in kept if (found := _ATTENTION.match(name))}
    zeros = {
        name: zero_module(shape).with_alpha(request.rank.alpha)
        for name, shape in untouched.items()
        if (found := _ATTENTION.match(name)) and found[1] in attentions
    }
    return dict(cast_lora(LoraFile(zeros, {}), request.dtype).modules)


def _write(request: ExtractRequest, modules: Mapping[str, LoraModule], error: float) -> str:
    """Write the file and return its sha256."""
    write_lora(LoraFile(modules, _metadata(request, modules, error)), request.output, request.dtype)
    return sha256_of(request.output)


def _metadata(request: ExtractRequest, modules: Mapping[str, LoraModule], error: float) -> dict[str, str]:
    _, rank = _ranks(modules.values())
    family = KnownFamily(request.base.family, f"made from {request.base.path}")
    recipe = {
        "method": "extract",
        "parents": [
            {"role": role, "name": checkpoint.path.stem, "sha256": _sha256(checkpoint.path)}
            for role, checkpoint in (("tuned", request.tuned), ("base", request.base))
        ],
        "rule": str(request.rank),
        "conv_rule": None if request.conv_rank is None else str(request.conv_rank),
        "rank": rank,
        "dtype": str(request.dtype).removeprefix("torch."),
        "error": error,
    }
    return blend_metadata(LoraFile(modules, {}), [], family, request.output.stem, recipe)


def _sha256(path: Path) -> str:
    return base_sha256(path) if path.is_dir() else sha256_of(path)


def _ranks(modules: Iterable[LoraModule]) -> tuple[int, int]:
    ranks = [module.rank for module in modules]
    return min(ranks), max(ranks)


def _by_block(parts: Mapping[str, ExtractedModule]) -> tuple[BlockDistance, ...]:
    blocks: dict[str, list[ExtractedModule]] = {}
    for name, part in parts.items():
        blocks.setdefault(block_of(name), []).append(part)
    return tuple(BlockDistance(name, len(found), _error(found)) for name, found in sorted(blocks.items()))


def _error(parts: Iterable[ExtractedModule]) -> float:
    missed, squared = map(sum, zip(*((part.missed, part.squared) for part in parts), strict=True))
    return (missed / squared) ** 0.5


def _share(one: float, other: float) -> float:
    return (one / (one + other)) ** 0.5 if one else 0.0
