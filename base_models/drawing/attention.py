"""Attention for sampling: the text's keys and values are made once a batch; q, k and v of pictures in one product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from base_models.onednn_layers import attention, computed_in, linear

FUSED = "fused_qkv"


class ConstantText:
    """A diffusers attention processor, as its `AttnProcessor2_0` computes, that keeps the text's keys and values.

    They are kept for one text tensor, told by identity, which the sampler hands over unchanged at every step. Whoever
    changes the weights hands over another tensor. Over 30 steps this saves 29 of 30 projections of 77 tokens a layer.
    """

    def __init__(self) -> None:
        self._text: Tensor | None = None
        self._kept: tuple[Tensor, Tensor] | None = None

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: object
    ) -> Tensor:
        if encoder_hidden_states is None:
            query, key, value = (_heads(attn, one) for one in _self_projections(attn, hidden_states))
        else:
            query = _heads(attn, attn.to_q(hidden_states))
            if self._kept is None or self._text is not encoder_hidden_states:
                keys, values = attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
                wide = computed_in(keys)
                self._kept = _heads(attn, keys).to(wide), _heads(attn, values).to(wide)
                self._text = encoder_hidden_states
            key, value = self._kept
        mixed = attention(query, key, value)
        answer = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return answer if attn.rescale_output_factor == 1 else answer / attn.rescale_output_factor


def _self_projections(attn: Any, hidden_states: Tensor) -> tuple[Tensor, ...]:
    fused = getattr(attn, FUSED, None)
    if fused is None or fused.data_ptr() != attn.to_q.weight.data_ptr():
        return attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
    return linear(hidden_states, fused).chunk(3, dim=-1)


def _heads(attn: Any, projected: Tensor) -> Tensor:
    """(N, tokens, width) as (N, heads, tokens, width / heads)."""
    return torch.unflatten(projected, 2, (attn.heads, -1)).transpose(1, 2)


def keep_text(unet: UNet2DConditionModel) -> None:
    """Give every plain attention of a UNet such a processor; one with norms or extra projections keeps its own."""
    chosen: dict[str, Any] = dict(unet.attn_processors)
    for name, _ in _plain_attentions(unet):
        chosen[f"{name}.processor"] = ConstantText()
    unet.set_attn_processor(chosen)


def fuse_projections(unet: UNet2DConditionModel) -> None:
    """Lay q, k and v of each plain self-attention side by side in one tensor (3 * width, width), named `fused_qkv`.

    The three weights stay parameters of their modules, as views of it: whoever writes into them in place, as a LoRA
    put on does, writes into the one. A UNet that is
    copied, or moved to another device or type, parts them again, and its attentions do without.
    """
    for _, attn in _plain_attentions(unet):
        parts = [attn.to_q, attn.to_k, attn.to_v]
        shapes = {tuple(part.weight.shape) for part in parts}
        if attn.is_cross_attention or len(shapes) > 1 or any(part.bias is not None for part in parts):
            continue
        fused = torch.cat([part.weight.detach() for part in parts])
        for part, view in zip(parts, fused.chunk(3), strict=True):
            part.weight.data = view  # the same parameter, for whoever holds it
        setattr(attn, FUSED, fused)


def _plain_attentions(unet: UNet2DConditionModel) -> Iterator[tuple[str, Any]]:
    for processor in unet.attn_processors:
        name = processor.removesuffix(".processor")
        attn: Any = unet.get_submodule(name)
        extras = (attn.group_norm, attn.spatial_norm, attn.norm_cross, attn.norm_q, attn.norm_k, attn.add_k_proj)
        if all(extra is None for extra in extras) and not attn.residual_connection:
            yield name, attn
