"""Each family's denoiser at its full public size on the meta device, and tiny with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from torch import nn

from base_models.families.known import FAMILIES
from loras.families.known import READABLE

FULL: Mapping[str, Mapping[str, Any]] = {
    **{key: family.unet for key, family in FAMILIES.items()},
    "flux1": {"guidance_embeds": True},
    # Klein of 9 billion.
    "flux2": {"num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288},
    "z_image": {},
    "krea2": {},
    "qwen_image": {},
    "chroma": {},
    # 3.5 medium, the only one with a second attention.
    "sd3": {
        **{"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "qk_norm": "rms_norm"},
        "dual_attention_layers": tuple(range(13)),
    },
    "anima": {"num_attention_heads": 16, "num_layers": 28, "concat_padding_mask": True, "extra_pos_embed_type": None},
    "lumina2": {},
}
TINY: Mapping[str, Mapping[str, Any]] = {
    "flux1": {
        **{
            "in_channels": 4,
            "num_layers": 2,
            "num_single_layers": 2,
            "attention_head_dim": 16,
            "guidance_embeds": True,
        },
        **{
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
            "pooled_projection_dim": 32,
            "axes_dims_rope": [4, 4, 8],
        },
    },
    "flux2": {
        **{"in_channels": 4, "num_layers": 2, "num_single_layers": 2, "attention_head_dim": 16},
        **{"num_attention_heads": 2, "joint_attention_dim": 32, "axes_dims_rope": [4, 4, 4, 4]},
    },
    "z_image": {
        **{"in_channels": 16, "dim": 32, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2},
        **{"cap_feat_dim": 16, "axes_dims": [8, 4, 4], "axes_lens": [64, 32, 32]},
    },
    "krea2": {
        **{"in_channels": 16, "num_layers": 2, "attention_head_dim": 8, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "intermediate_size": 32, "text_hidden_dim": 16, "num_text_layers": 2},
        **{"text_num_attention_heads": 2, "text_num_key_value_heads": 2, "text_intermediate_size": 16},
        "axes_dims_rope": (4, 2, 2),
    },
    "qwen_image": {
        **{"in_channels": 16, "out_channels": 4, "num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2},
        **{"joint_attention_dim": 16, "axes_dims_rope": (8, 4, 4)},
    },
    "chroma": {
        **{"in_channels": 4, "num_layers": 2, "num_single_layers": 2, "attention_head_dim": 16},
        **{"num_attention_heads": 2, "joint_attention_dim": 32, "axes_dims_rope": [4, 4, 8]},
        **{"approximator_num_channels": 8, "approximator_hidden_dim": 32, "approximator_layers": 1},
    },
    "sd3": {
        **{"sample_size": 8, "in_channels": 4, "num_layers": 2, "attention_head_dim": 8, "num_attention_heads": 4},
        **{"joint_attention_dim": 32, "caption_projection_dim": 32, "pooled_projection_dim": 64, "out_channels": 4},
        "dual_attention_layers": (0,),
    },
    "anima": {
        **{"in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2},
        **{"text_embed_dim": 32, "adaln_lora_dim": 4, "max_size": (4, 32, 32), "rope_scale": (2.0, 1.0, 1.0)},
        "extra_pos_embed_type": None,
    },
    "lumina2": {
        **{"sample_size": 4, "in_channels": 4, "hidden_size": 24, "num_layers": 1, "num_refiner_layers": 1},
        **{"num_attention_heads": 3, "num_kv_heads": 1, "multiple_of": 16, "axes_dim_rope": (4, 2, 2)},
        **{"axes_lens": (128, 128, 128), "cap_feat_dim": 8},
    },
}


def full(key: str) -> nn.Module:
    """The public model without its weights."""
    with torch.device("meta"):
        return _made(key, FULL[key])


def tiny(key: str) -> nn.Module:
    """A model of the family with few random weights."""
    torch.manual_seed(0)
    return _made(key, TINY[key])


def _made(key: str, config: Mapping[str, Any]) -> nn.Module:
    build: Callable[..., nn.Module] = getattr(diffusers, READABLE[key].transformer_class)
    return build(**config)


def weights(model: nn.Module) -> dict[str, torch.Size]:
    """By path, the shape of every module's weight."""
    found = ((path, getattr(module, "weight", None)) for path, module in model.named_modules())
    return {path: weight.shape for path, weight in found if isinstance(weight, torch.Tensor)}
