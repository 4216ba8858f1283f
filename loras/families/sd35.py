"""Stable Diffusion 3 and 3.5 (Stability AI 2024): MMDiT. Names: Stability-AI/sd3.5 `mmditx.py`.

The last block's text half is not read on, so its modulation has two parts, whose order diffusers changes.
"""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily, TextNames
from loras.families.flux1 import T5_COMFYUI, TEXT_L
from loras.families.rows import Fused, Modules, Other, Rows, table
from loras.families.text_encoders import CLIP, T5

BLOCK: Modules = {
    "x_block.attn.qkv": Fused(("attn.to_q", "attn.to_k", "attn.to_v")),
    "x_block.attn.proj": "attn.to_out.0",
    "x_block.attn.ln_q": "attn.norm_q",
    "x_block.attn.ln_k": "attn.norm_k",
    "x_block.attn2.qkv": Fused(("attn2.to_q", "attn2.to_k", "attn2.to_v")),
    "x_block.attn2.proj": "attn2.to_out.0",
    "x_block.attn2.ln_q": "attn2.norm_q",
    "x_block.attn2.ln_k": "attn2.norm_k",
    "x_block.mlp.fc1": "ff.net.0.proj",
    "x_block.mlp.fc2": "ff.net.2",
    "x_block.adaLN_modulation.1": "norm1.linear",
    "context_block.attn.qkv": Fused(("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
    "context_block.attn.proj": "attn.to_add_out",
    "context_block.attn.ln_q": "attn.norm_added_q",
    "context_block.attn.ln_k": "attn.norm_added_k",
    "context_block.mlp.fc1": "ff_context.net.0.proj",
    "context_block.mlp.fc2": "ff_context.net.2",
    "context_block.adaLN_modulation.1": Other("norm1_context.linear", swapped=True),
}
SD35 = ReadableFamily(
    key="sd3",
    name="SD3.5",
    parts=(Part("unet", "transformer"), Part("te1", "te1"), Part("te2", "te2"), Part("te3", "te3")),
    denoiser=Rows(
        (
            *table("joint_blocks.#.", "transformer_blocks.#.", BLOCK),
            *table(
                "",
                "",
                {
                    "x_embedder.proj": "pos_embed.proj",
                    "context_embedder": "",
                    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
                    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
                    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
                    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
                    "final_layer.linear": "proj_out",
                    "final_layer.adaLN_modulation.1": Other("norm_out.linear", swapped=True),
                },
            ),
        )
    ),
    text=(
        TEXT_L,
        TextNames(
            *("te2", "lora_te2", "text_encoder_2", "text_encoders.clip_g.transformer.", CLIP),
            also=("lora_te2.", "clip_g.transformer."),
        ),
        TextNames("te3", "lora_te3", "text_encoder_3", T5_COMFYUI, T5, ("lora_te3.", "t5xxl.transformer.")),
    ),
    widths=frozenset([1536, 2432]),
    depths={"joint_blocks": (24, 38)},
    words=("sd3", "stable-diffusion-3", "stable-diffusion-v3"),
    transformer_class="SD3Transformer2DModel",
)
