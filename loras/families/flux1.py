"""FLUX.1 (Black Forest Labs 2024): dev, schnell, Kontext, Krea. Names: black-forest-labs/flux `model.py`."""

from __future__ import annotations

from loras.families.family import CLIP_TRANSFORMER, Part, ReadableFamily, TextNames
from loras.families.rows import Fused, Modules, Other, Rows, table
from loras.families.text_encoders import CLIP, T5

ATTENTION: Modules = {
    "img_attn.qkv": Fused(("attn.to_q", "attn.to_k", "attn.to_v"), also=("attn.to_qkv",)),
    "img_attn.proj": "attn.to_out.0",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.qkv": Fused(("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"), also=("attn.to_added_qkv",)),
    "txt_attn.proj": "attn.to_add_out",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
}
DOUBLE: Modules = {
    **ATTENTION,
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
SINGLE: Modules = {
    "linear1": Fused(
        ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), (1, 1, 1, 4), ("to_q", "to_k", "to_v", "proj_mlp")
    ),
    "linear2": "proj_out",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
}
WIDER = {"img_mlp.0": 4.0, "txt_mlp.0": 4.0, "linear1": 7.0}
BLOCKS = (
    *table("double_blocks.#.", "transformer_blocks.#.", DOUBLE, WIDER),
    *table("single_blocks.#.", "single_transformer_blocks.#.", SINGLE, WIDER),
)
ENDS: Modules = {"img_in": "x_embedder", "txt_in": "context_embedder", "final_layer.linear": "proj_out"}
TEXT_L = TextNames(
    "te1",
    "lora_te1",
    "text_encoder",
    CLIP_TRANSFORMER,
    CLIP,
    ("lora_te_", "lora_te.", "lora_te1.", "clip_l.transformer."),
)
T5_COMFYUI = "text_encoders.t5xxl.transformer."
# sd-scripts and ComfyUI call T5 the third encoder in every family; OneTrainer the second of this one.
TEXT_T5 = TextNames(
    "te3", "lora_te3", "text_encoder_2", T5_COMFYUI, T5, ("lora_te2_", "lora_te2.", "lora_te3.", "t5xxl.transformer.")
)

FLUX1 = ReadableFamily(
    key="flux1",
    name="FLUX.1",
    parts=(Part("unet", "transformer"), Part("te1", "te1"), Part("te3", "te2")),
    denoiser=Rows(
        (
            *BLOCKS,
            *table(
                "double_blocks.#.",
                "transformer_blocks.#.",
                {"img_mod.lin": "norm1.linear", "txt_mod.lin": "norm1_context.linear"},
            ),
            *table("single_blocks.#.", "single_transformer_blocks.#.", {"modulation.lin": "norm.linear"}),
            *table("", "", {**ENDS, "final_layer.adaLN_modulation.1": Other("norm_out.linear", swapped=True)}),
            *table(
                "",
                "time_text_embed.",
                {
                    "time_in.in_layer": "timestep_embedder.linear_1",
                    "time_in.out_layer": "timestep_embedder.linear_2",
                    "vector_in.in_layer": "text_embedder.linear_1",
                    "vector_in.out_layer": "text_embedder.linear_2",
                    "guidance_in.in_layer": "guidance_embedder.linear_1",
                    "guidance_in.out_layer": "guidance_embedder.linear_2",
                },
            ),
        )
    ),
    text=(TEXT_L, TEXT_T5),
    widths=frozenset([3072]),
    depths={"double_blocks": (19,), "single_blocks": (38,)},
    words=("flux1", "flux-1", "flux.1", "flux_1", "flux_dev", "flux-dev", "flux_schnell", "flux_kontext"),
    transformer_class="FluxTransformer2DModel",
)
