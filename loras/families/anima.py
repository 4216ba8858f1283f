"""Anima (circlestone-labs 2026): Cosmos-Predict2's transformer, and an adapter before it that reads Qwen3's answer.

Names: sd-scripts `library/anima_models.py`.
"""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily, TextNames
from loras.families.rows import Modules, Rows, table
from loras.families.text_encoders import LANGUAGE_MODEL

BLOCK: Modules = {
    "self_attn.q_proj": "attn1.to_q",
    "self_attn.k_proj": "attn1.to_k",
    "self_attn.v_proj": "attn1.to_v",
    "self_attn.output_proj": "attn1.to_out.0",
    "self_attn.q_norm": "attn1.norm_q",
    "self_attn.k_norm": "attn1.norm_k",
    "cross_attn.q_proj": "attn2.to_q",
    "cross_attn.k_proj": "attn2.to_k",
    "cross_attn.v_proj": "attn2.to_v",
    "cross_attn.output_proj": "attn2.to_out.0",
    "cross_attn.q_norm": "attn2.norm_q",
    "cross_attn.k_norm": "attn2.norm_k",
    "mlp.layer1": "ff.net.0.proj",
    "mlp.layer2": "ff.net.2",
    "adaln_modulation_self_attn.1": "norm1.linear_1",
    "adaln_modulation_self_attn.2": "norm1.linear_2",
    "adaln_modulation_cross_attn.1": "norm2.linear_1",
    "adaln_modulation_cross_attn.2": "norm2.linear_2",
    "adaln_modulation_mlp.1": "norm3.linear_1",
    "adaln_modulation_mlp.2": "norm3.linear_2",
}
_ADAPTER_ATTENTION = tuple(
    f"{kind}_attn.{name}"
    for kind in ("self", "cross")
    for name in ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")
)
ADAPTER = Rows(
    (
        *table(
            "blocks.#.",
            "blocks.#.",
            dict.fromkeys((*_ADAPTER_ATTENTION, "norm_self_attn", "norm_cross_attn", "norm_mlp", "mlp.0", "mlp.2"), ""),
        ),
        *table("", "", dict.fromkeys(("embed", "in_proj", "out_proj", "norm"), "")),
    )
)
ANIMA = ReadableFamily(
    key="anima",
    name="Anima",
    parts=(Part("unet", "transformer"), Part("adapter", "adapter"), Part("te1", "te")),
    denoiser=Rows(
        (
            *table("blocks.#.", "transformer_blocks.#.", BLOCK),
            *table(
                "",
                "",
                {
                    "x_embedder.proj.1": "patch_embed.proj",
                    "t_embedder.1.linear_1": "time_embed.t_embedder.linear_1",
                    "t_embedder.1.linear_2": "time_embed.t_embedder.linear_2",
                    "t_embedding_norm": "time_embed.norm",
                    "final_layer.adaln_modulation.1": "norm_out.linear_1",
                    "final_layer.adaln_modulation.2": "norm_out.linear_2",
                    "final_layer.linear": "proj_out",
                },
            ),
        )
    ),
    adapter=ADAPTER,
    adapter_diffusers="text_conditioner",
    text=(
        TextNames(
            *("te1", "lora_te", "text_encoder", "text_encoders.qwen3_06b.transformer.model.", LANGUAGE_MODEL),
            also=(
                "lora_te1_",
                "lora_te.",
                "lora_te1.",
                "text_encoder.model.",
                "lora_te_model_",
                "qwen3_06b.transformer.model.",
            ),
        ),
    ),
    widths=frozenset([2048]),
    depths={"blocks": (28,), "llm_adapter": (6,)},
    words=("anima",),
    transformer_class="CosmosTransformer3DModel",
)
