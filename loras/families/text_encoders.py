"""The modules of the text encoders that LoRA files move, in transformers' naming, which every tool keeps."""

from __future__ import annotations

from dataclasses import replace

from loras.families.rows import Row, Rows, table


def _flattened(rows: list[Row]) -> list[Row]:
    """transformers 5 leaves `text_model` out; files by diffusers have it."""
    return [replace(row, also=(row.original.removeprefix("text_model."),)) for row in rows]


# OpenAI's and LAION's CLIP (transformers' CLIPTextModel): Stable Diffusion's and FLUX.1's.
CLIP = Rows(
    (
        *_flattened(
            table(
                "text_model.encoder.layers.#.",
                "text_model.encoder.layers.#.",
                dict.fromkeys(
                    (
                        *(f"self_attn.{side}_proj" for side in ("q", "k", "v", "out")),
                        *("mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2"),
                    ),
                    "",
                ),
            )
        ),
        *table("", "", {"text_projection": "", "text_model.final_layer_norm": ""}),
        *table("text_model.embeddings.", "text_model.embeddings.", {"token_embedding": "", "position_embedding": ""}),
    )
)
# Google's T5 v1.1 (transformers' T5EncoderModel).
T5 = Rows(
    (
        *table(
            "encoder.block.#.layer.0.",
            "encoder.block.#.layer.0.",
            dict.fromkeys([*(f"SelfAttention.{side}" for side in "qkvo"), "layer_norm"], ""),
        ),
        *table(
            "encoder.block.#.layer.1.",
            "encoder.block.#.layer.1.",
            dict.fromkeys([*(f"DenseReluDense.{name}" for name in ("wi_0", "wi_1", "wo")), "layer_norm"], ""),
        ),
        *table("", "", {"shared": "", "encoder.final_layer_norm": ""}),
    )
)
# Language models that answer as text encoders (transformers' Qwen3Model, Gemma2Model); Gemma 2 has two more norms.
LANGUAGE_MODEL = Rows(
    (
        *table(
            "layers.#.",
            "layers.#.",
            dict.fromkeys(
                (
                    *(f"self_attn.{side}_proj" for side in ("q", "k", "v", "o")),
                    *(f"mlp.{side}_proj" for side in ("gate", "up", "down")),
                    *("self_attn.q_norm", "self_attn.k_norm", "input_layernorm", "post_attention_layernorm"),
                    *("pre_feedforward_layernorm", "post_feedforward_layernorm"),
                ),
                "",
            ),
        ),
        *table("", "", {"embed_tokens": "", "norm": ""}),
    )
)
