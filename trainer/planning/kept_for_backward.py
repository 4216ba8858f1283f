"""What a forward pass keeps for the way back, counted on the meta device, where nothing is computed.

torch tells of every tensor that it saves (`saved_tensors_hooks`); what several operations save is counted once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from base_models.base_model import kohya_modules
from base_models.base_source import BaseSource
from base_models.drawing.arithmetic import TOKENS, pooled_width, reduction_of
from base_models.families.family import whole
from base_models.pictures.picture_file import Size
from base_models.shapes import Shapes, shapes_of
from foundation.typed.untyped import untyped
from trainer.config.config import TrainConfig
from trainer.learning.adapters import attach, parameters_of, text_encoder_targets, unet_targets

# With gradient checkpoints a block is computed again on the way back, and then kept whole: about this share of all.
LARGEST_BLOCK = 0.2


@dataclass(frozen=True)
class Adapted:
    """Counts of numbers. `trained`: the adapters' own; `adapted`: the weights that they sit on; `frozen`: the UNet's
    and the text encoders'; `kept`: kept of one picture for the way back, in the UNet and in the text encoders.
    """

    trained: int
    adapted: int
    frozen: int
    kept_in_unet: float
    kept_in_text: float


def adapted(base: BaseSource, config: TrainConfig, size: Size) -> Adapted:
    """Count for one picture of `size`. Raises BaseModelError for a base that cannot be read."""
    shapes, rates = shapes_of(base), config.training.rates
    frozen = sum(one.numel() for model in (shapes.unet, *shapes.text_encoders) for one in model.parameters())
    trained, weights = 0, 0
    parts = {"unet": shapes.unet, **{f"te{at}": one for at, one in enumerate(shapes.text_encoders, 1)}}
    modules = kohya_modules(base.family, shapes.unet, shapes.text_encoders)
    for name, model in parts.items():
        if not rates[name]:
            continue
        targets = _targets(name, model, config)
        weights += sum(model.get_submodule(path).get_parameter("weight").numel() for path in targets)
        with torch.device("meta"):
            adapters = attach(model, modules, targets, config.lora, 0)
        trained += sum(one.numel() for one in parameters_of(adapters))
    text = [_kept(model, _text_pass(model)) for name, model in parts.items() if name != "unet" and rates[name]]
    unet = _kept(shapes.unet, _unet_pass(base, shapes, size, config.model.gradient_checkpointing, bool(text)))
    if config.model.gradient_checkpointing:
        whole_unet = _kept(shapes.unet, _unet_pass(base, shapes, size, False, bool(text)))
        unet = min(whole_unet, unet + LARGEST_BLOCK * whole_unet)
    return Adapted(trained, weights, frozen, unet, sum(text) * config.data.chunks)


def _targets(name: str, model: nn.Module, config: TrainConfig) -> list[str]:
    if name == "unet":
        return unet_targets(model, with_convolutions=config.lora.conv_rank > 0)
    return text_encoder_targets(model)


def _unet_pass(
    base: BaseSource, shapes: Shapes, size: Size, checkpoints: bool, text_learns: bool
) -> Callable[[], object]:
    unet, reduction = untyped(shapes.unet), reduction_of(base)
    if checkpoints:
        unet.enable_gradient_checkpointing()
        unet.train()
    elif getattr(unet, "is_gradient_checkpointing", False):
        unet.disable_gradient_checkpointing()
    with torch.device("meta"):
        latents = torch.empty(1, unet.config["in_channels"], size[1] // reduction, size[0] // reduction)
        text = torch.empty(1, TOKENS, unet.config["cross_attention_dim"], requires_grad=text_learns)
        added = base.family.added(torch.empty(1, pooled_width(unet.config)), whole(*size))
        time = torch.empty(1)
    return lambda: unet(latents, time, text, **added)


def _text_pass(model: nn.Module) -> Callable[[], object]:
    with torch.device("meta"):
        tokens = torch.zeros(1, TOKENS, dtype=torch.long)
    return lambda: model(tokens)


def _kept(model: nn.Module, forward: Callable[[], object]) -> float:
    """How many float32 numbers the pass keeps that are no weights of the model's."""
    own = {one.untyped_storage()._cdata for one in model.parameters()}  # pyright: ignore[reportPrivateUsage]
    seen: dict[int, tuple[int, object]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if (place := storage._cdata) not in own:  # pyright: ignore[reportPrivateUsage]
            seen[place] = (storage.nbytes(), storage)  # held, so that no other gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), _FusedAttention():
        answer = forward()
    del answer
    return sum(size for size, _ in seen.values()) / torch.float32.itemsize


class _FusedAttention(TorchFunctionMode):
    """Attention as CPUs and GPUs compute it: it keeps no table of every place against every other, as meta would."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is nn.functional.scaled_dot_product_attention:
            return _Attended.apply(*args[:3]) if len(args) > 2 else _Attended.apply(*_named(args, kwargs))
        return func(*args, **(kwargs or {}))


def _named(args: Any, kwargs: Any) -> list[Any]:
    return [*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :])]


class _Attended(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        answer = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return ctx.saved_tensors[:3]
