"""Attention for sampling: the text is the same at all steps of a batch, so its keys and values are made once."""

from __future__ import annotations

from typing import Any

from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


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
        query = _heads(attn, attn.to_q(hidden_states))
        if encoder_hidden_states is None:
            key, value = _heads(attn, attn.to_k(hidden_states)), _heads(attn, attn.to_v(hidden_states))
        else:
            if self._kept is None or self._text is not encoder_hidden_states:
                keys, values = attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
                self._kept, self._text = (_heads(attn, keys), _heads(attn, values)), encoder_hidden_states
            key, value = self._kept
        mixed = scaled_dot_product_attention(query, key, value)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2)) / attn.rescale_output_factor


def _heads(attn: Any, projected: Tensor) -> Tensor:
    """(N, tokens, width) as (N, heads, tokens, width / heads)."""
    return projected.unflatten(2, (attn.heads, -1)).transpose(1, 2)


def keep_text(unet: UNet2DConditionModel) -> None:
    """Give every plain attention of a UNet such a processor; one with norms or extra projections keeps its own."""
    chosen: dict[str, Any] = dict(unet.attn_processors)
    for name in chosen:
        attn: Any = unet.get_submodule(name.removesuffix(".processor"))
        extras = (attn.group_norm, attn.spatial_norm, attn.norm_cross, attn.norm_q, attn.norm_k, attn.add_k_proj)
        if all(extra is None for extra in extras) and not attn.residual_connection:
            chosen[name] = ConstantText()
    unet.set_attn_processor(chosen)
