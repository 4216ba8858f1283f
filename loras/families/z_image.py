"""Z-Image (Tongyi-MAI 2025): base, Turbo. Names: the released single file, as ComfyUI loads it.

musubi trains diffusers' own modules, so their paths name the modules here.
"""

from __future__ import annotations

from loras.families.family import Part, ReadableFamily
from loras.families.rows import Fused, Modules, Other, Rows, table

BLOCK: Modules = {
    "attention.qkv": Fused(("attention.to_q", "attention.to_k", "attention.to_v")),
    "attention.out": Other("attention.to_out.0", own="attention.to_out.0", also=("attention.to_out",)),
    "attention.q_norm": Other("attention.norm_q", own="attention.norm_q"),
    "attention.k_norm": Other("attention.norm_k", own="attention.norm_k"),
    "feed_forward.w1": "",
    "feed_forward.w2": "",
    "feed_forward.w3": "",
    "attention_norm1": "",
    "attention_norm2": "",
    "ffn_norm1": "",
    "ffn_norm2": "",
}
WIDER = {"attention.qkv": 3.0, "feed_forward.w1": 8 / 3}
Z_IMAGE = ReadableFamily(
    key="z_image",
    name="Z-Image",
    parts=(Part("unet", "transformer"),),
    denoiser=Rows(
        (
            *table("layers.#.", "layers.#.", {**BLOCK, "adaLN_modulation.0": ""}, WIDER),
            *table("noise_refiner.#.", "noise_refiner.#.", {**BLOCK, "adaLN_modulation.0": ""}, WIDER),
            *table("context_refiner.#.", "context_refiner.#.", BLOCK, WIDER),
            *table(
                "",
                "",
                {
                    "x_embedder": Other("all_x_embedder.2-1", own="all_x_embedder.2-1"),
                    "final_layer.linear": Other("all_final_layer.2-1.linear", own="all_final_layer.2-1.linear"),
                    "final_layer.adaLN_modulation.1": Other(
                        "all_final_layer.2-1.adaLN_modulation.1", own="all_final_layer.2-1.adaLN_modulation.1"
                    ),
                    "t_embedder.mlp.0": "",
                    "t_embedder.mlp.2": "",
                    "cap_embedder.0": "",
                    "cap_embedder.1": "",
                },
            ),
        )
    ),
    widths=frozenset([3840]),
    depths={"layers": (30,), "noise_refiner": (2,), "context_refiner": (2,)},
    words=("zimage", "z-image", "z_image"),
    transformer_class="ZImageTransformer2DModel",
)
