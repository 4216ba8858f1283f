"""FLUX.2 (Black Forest Labs 2025): dev, and Klein of 4 and 9 billion. Names: black-forest-labs/flux2 `model.py`.

diffusers keeps the single blocks' first projection fused, as the original does.
"""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily
from loras.families.flux1 import ATTENTION, ENDS
from loras.families.rows import Other, Rows, table

WIDER = {"img_mlp.0": 6.0, "txt_mlp.0": 6.0, "linear1": 9.0}
FLUX2 = ReadableFamily(
    key="flux2",
    name="FLUX.2",
    parts=(Part("unet", "transformer"),),
    denoiser=Rows(
        (
            *table(
                "double_blocks.#.",
                "transformer_blocks.#.",
                {
                    **ATTENTION,
                    "img_mlp.0": "ff.linear_in",
                    "img_mlp.2": "ff.linear_out",
                    "txt_mlp.0": "ff_context.linear_in",
                    "txt_mlp.2": "ff_context.linear_out",
                },
                WIDER,
            ),
            *table(
                "single_blocks.#.",
                "single_transformer_blocks.#.",
                {
                    "linear1": "attn.to_qkv_mlp_proj",
                    "linear2": "attn.to_out",
                    "norm.query_norm": "attn.norm_q",
                    "norm.key_norm": "attn.norm_k",
                },
                WIDER,
            ),
            *table(
                "",
                "",
                {
                    **ENDS,
                    "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
                    "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
                    "guidance_in.in_layer": "time_guidance_embed.guidance_embedder.linear_1",
                    "guidance_in.out_layer": "time_guidance_embed.guidance_embedder.linear_2",
                    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
                    "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
                    "single_stream_modulation.lin": "single_stream_modulation.linear",
                    "final_layer.adaLN_modulation.1": Other("norm_out.linear", swapped=True),
                },
            ),
        )
    ),
    widths=frozenset([3072, 4096, 6144]),
    depths={"double_blocks": (5, 8), "single_blocks": (20, 24, 48)},
    words=("flux2", "flux-2", "flux.2", "flux_2", "klein"),
    transformer_class="Flux2Transformer2DModel",
)
