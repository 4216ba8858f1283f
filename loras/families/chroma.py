"""Chroma (lodestones 2025): FLUX.1 schnell without modulations of its blocks; an approximator makes them all.

Names: sd-scripts `library/chroma_models.py`.
"""

from __future__ import annotations

from dataclasses import replace

from loras.families.family import Part, ReadableFamily
from loras.families.flux1 import BLOCKS, ENDS, TEXT_T5
from loras.families.rows import Rows, table

CHROMA = ReadableFamily(
    key="chroma",
    name="Chroma",
    parts=(Part("unet", "transformer"),),
    denoiser=Rows(
        (
            *BLOCKS,
            *table("", "", ENDS),
            *table(
                "distilled_guidance_layer.",
                "distilled_guidance_layer.",
                {
                    "in_proj": "",
                    "out_proj": "",
                    "layers.#.in_layer": "layers.#.linear_1",
                    "layers.#.out_layer": "layers.#.linear_2",
                    "norms.#": "",
                },
            ),
        )
    ),
    text=(replace(TEXT_T5, diffusers="text_encoder"),),
    widths=frozenset([3072]),
    depths={"double_blocks": (19,), "single_blocks": (38,)},
    words=("chroma",),
    transformer_class="ChromaTransformer2DModel",
)
