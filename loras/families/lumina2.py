"""Lumina-Image 2.0 (Alpha-VLLM 2025). Names: sd-scripts `library/lumina_models.py`.

Its attention has three times as many heads for queries as for keys and values.
"""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily, TextNames
from loras.families.rows import Fused, Modules, Rows, table
from loras.families.text_encoders import LANGUAGE_MODEL

BLOCK: Modules = {
    "attention.qkv": Fused(("attn.to_q", "attn.to_k", "attn.to_v"), (3, 1, 1), ("qkv_q", "qkv_k", "qkv_v")),
    "attention.out": "attn.to_out.0",
    "attention.q_norm": "attn.norm_q",
    "attention.k_norm": "attn.norm_k",
    "feed_forward.w1": "feed_forward.linear_1",
    "feed_forward.w2": "feed_forward.linear_2",
    "feed_forward.w3": "feed_forward.linear_3",
    "attention_norm2": "norm2",
    "ffn_norm1": "",
    "ffn_norm2": "",
}
TOLD: Modules = {**BLOCK, "attention_norm1": "norm1.norm", "adaLN_modulation.1": "norm1.linear"}
WIDER = {"attention.qkv": 5 / 3, "feed_forward.w1": 4.0}
LUMINA2 = ReadableFamily(
    key="lumina2",
    name="Lumina 2",
    parts=(Part("unet", "transformer"), Part("te1", "te")),
    denoiser=Rows(
        (
            *table("layers.#.", "layers.#.", TOLD, WIDER),
            *table("noise_refiner.#.", "noise_refiner.#.", TOLD, WIDER),
            *table("context_refiner.#.", "context_refiner.#.", {**BLOCK, "attention_norm1": "norm1"}, WIDER),
            *table(
                "",
                "",
                {
                    "x_embedder": "",
                    "t_embedder.mlp.0": "time_caption_embed.timestep_embedder.linear_1",
                    "t_embedder.mlp.2": "time_caption_embed.timestep_embedder.linear_2",
                    "cap_embedder.0": "time_caption_embed.caption_embedder.0",
                    "cap_embedder.1": "time_caption_embed.caption_embedder.1",
                    "final_layer.adaLN_modulation.1": "norm_out.linear_1",
                    "final_layer.linear": "norm_out.linear_2",
                },
            ),
        )
    ),
    text=(
        TextNames(
            *("te1", "lora_te", "text_encoder", "text_encoders.gemma2_2b.transformer.model.", LANGUAGE_MODEL),
            also=("lora_te1_", "lora_te.", "gemma2_2b.transformer.model."),
        ),
    ),
    widths=frozenset([2304]),
    depths={"layers": (26,), "noise_refiner": (2,), "context_refiner": (2,)},
    words=("lumina",),
    transformer_class="Lumina2Transformer2DModel",
)
