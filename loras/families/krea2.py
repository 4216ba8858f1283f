"""Krea 2 (Krea 2026): Raw, Turbo. Names: krea-ai/krea-2, as musubi's `krea2_mmdit.py` has them."""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily
from loras.families.rows import Modules, Rows, table

BLOCK: Modules = {
    "attn.wq": "attn.to_q",
    "attn.wk": "attn.to_k",
    "attn.wv": "attn.to_v",
    "attn.wo": "attn.to_out.0",
    "attn.gate": "attn.to_gate",
    "attn.qknorm.qnorm": "attn.norm_q",
    "attn.qknorm.knorm": "attn.norm_k",
    "mlp.gate": "ff.gate",
    "mlp.up": "ff.up",
    "mlp.down": "ff.down",
    "prenorm": "norm1",
    "postnorm": "norm2",
}
KREA2 = ReadableFamily(
    key="krea2",
    name="Krea 2",
    parts=(Part("unet", "transformer"),),
    denoiser=Rows(
        (
            *table("blocks.#.", "transformer_blocks.#.", BLOCK),
            *table("txtfusion.layerwise_blocks.#.", "text_fusion.layerwise_blocks.#.", BLOCK),
            *table("txtfusion.refiner_blocks.#.", "text_fusion.refiner_blocks.#.", BLOCK),
            *table(
                "",
                "",
                {
                    "first": "img_in",
                    "last.linear": "final_layer.linear",
                    "last.norm": "final_layer.norm",
                    "tmlp.0": "time_embed.linear_1",
                    "tmlp.2": "time_embed.linear_2",
                    "tproj.1": "time_mod_proj",
                    "txtmlp.0": "txt_in.norm",
                    "txtmlp.1": "txt_in.linear_1",
                    "txtmlp.3": "txt_in.linear_2",
                    "txtfusion.projector": "text_fusion.projector",
                },
            ),
        )
    ),
    widths=frozenset([6144]),
    depths={"blocks": (28,), "txtfusion": (2,)},
    words=("krea2", "krea-2", "krea_2", "krea 2"),
    transformer_class="Krea2Transformer2DModel",
)
