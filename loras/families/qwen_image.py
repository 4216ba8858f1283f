"""Qwen-Image (Alibaba 2025), Qwen-Image-Edit: released in diffusers' own naming, which every tool keeps."""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily
from loras.families.rows import Rows, table

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
_NORMS = ("norm_q", "norm_k", "norm_added_q", "norm_added_k")
_REST = ("img_mod.1", "txt_mod.1", "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2")
_EMBEDDER = tuple(f"time_text_embed.timestep_embedder.linear_{number}" for number in (1, 2))
QWEN_IMAGE = ReadableFamily(
    key="qwen_image",
    name="Qwen-Image",
    parts=(Part("unet", "transformer"),),
    denoiser=Rows(
        (
            *table(
                "transformer_blocks.#.",
                "transformer_blocks.#.",
                dict.fromkeys([*(f"attn.{name}" for name in (*_ATTENTION, *_NORMS)), *_REST], ""),
            ),
            *table(
                "",
                "",
                dict.fromkeys(
                    ("img_in", "txt_in", "txt_norm", "proj_out", "norm_out.linear", *_EMBEDDER),
                    "",
                ),
            ),
        )
    ),
    widths=frozenset([3072]),
    depths={"transformer_blocks": (60,)},
    words=("qwen_image", "qwen-image", "qwen image", "qwenimage"),
    transformer_class="QwenImageTransformer2DModel",
)
