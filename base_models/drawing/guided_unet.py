"""The UNet under classifier-free guidance: what its two halves have in common is computed once.

Without the prompt and with it, a picture's latents and timestep are the same, so all that comes before the first
cross-attention is the same as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from base_models.drawing.attention import fuse_projections, keep_text
from base_models.onednn_layers import norms_in_float32, use_onednn


class GuidedUnet:
    """A UNet2DConditionModel prepared in place for rendering; called as itself, its weights stay where they are."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet: Any = unet
        self._halved = False
        # Convolutions on a CPU, and in half precision on a GPU, are faster with channels last.
        nn.Module.to(unet, memory_format=torch.channels_last)
        fuse_projections(unet)
        keep_text(unet)
        use_onednn(unet)
        norms_in_float32(unet)
        for module in _common(unet):
            module.register_forward_pre_hook(self._first_half)
            module.register_forward_hook(self._both_halves)
        unet.time_embedding.register_forward_pre_hook(self._first_row)

    def __call__(self, latents: Tensor, timestep: Tensor, text: Tensor, **added: object) -> Tensor:
        """(2N, C, h, w): what is predicted without the prompt, then with it, for latents (N, C, h, w) at one timestep.

        `text` (2N, tokens, width) holds the negative prompts' rows first; `added` is what else the family gives.
        """
        both = torch.cat([latents, latents]).to(self._unet.dtype).contiguous(memory_format=torch.channels_last)
        self._halved = True
        try:
            return self._unet(both, timestep, encoder_hidden_states=text, **added, return_dict=False)[0]
        finally:
            self._halved = False

    def _first_half(self, _: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return (given[0][: len(given[0]) // 2], *given[1:]) if self._halved else None

    def _both_halves(self, _: nn.Module, __: tuple[Tensor, ...], answer: Tensor) -> Tensor | None:
        return torch.cat([answer, answer]) if self._halved else None

    def _first_row(self, _: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        """All rows of a batch are at the same timestep; the sums that follow spread the one row over them."""
        return (given[0][:1], *given[1:]) if self._halved else None


def _common(unet: UNet2DConditionModel) -> Iterator[nn.Module]:
    """The dear modules before anything depends on the prompt. SDXL's time embedding does, by the pooled text in it."""
    yield unet.conv_in
    first = unet.down_blocks[0]
    if unet.config["addition_embed_type"] is None and unet.config["class_embed_type"] is None and _attends(first):
        yield first.get_submodule("resnets.0")
        yield first.get_submodule("attentions.0.transformer_blocks.0.attn1")


def _attends(block: nn.Module) -> bool:
    return bool(getattr(block, "has_cross_attention", False))
