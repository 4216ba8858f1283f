"""LoRA files of one small set of modules in every spelling and kind that version 0.1.0 read, without its writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Module:
    """A module under its three names, and its weight's sides: SD1's, narrow but for the text that is read."""

    kohya: str
    diffusers: str
    comfyui: str
    out: int = 16
    into: int = 16


def _unet(block: str, original: str, rest: str, into: int = 16) -> Module:
    inner = f"transformer_blocks.0.{rest}"
    return Module(
        f"lora_unet_{block}.{inner}".replace(".", "_"),
        f"unet.{block}.{inner}",
        f"diffusion_model.{original}.{inner}",
        into=into,
    )


def _text(rest: str) -> Module:
    path = f"text_model.encoder.layers.11.{rest}"
    return Module(
        f"lora_te_{path}".replace(".", "_"),
        f"text_encoder.{path}",
        f"text_encoders.clip_l.transformer.{path}",
        into=768,
    )


MODULES = (
    _unet("down_blocks.0.attentions.1", "input_blocks.2.1", "attn1.to_q"),
    _unet("down_blocks.0.attentions.1", "input_blocks.2.1", "attn2.to_k", 768),
    _unet("up_blocks.3.attentions.2", "output_blocks.11.1", "attn1.to_out.0"),
    _text("self_attn.q_proj"),
    _text("mlp.fc1"),
)
Tensors = dict[str, Tensor]


def spellings() -> Iterator[tuple[str, Tensors]]:
    """Files of random numbers in every spelling and kind, written without our writer: path -> tensors."""
    draw = torch.Generator().manual_seed(7)

    def some(*sides: int) -> Tensor:
        return torch.randn(*sides, generator=draw) * 0.1

    def plain(name: Callable[[Module], str], down: str, up: str, unet_only: bool = False) -> Tensors:
        modules = [one for one in MODULES if not unet_only or one.diffusers.startswith("unet")]
        downs = {f"{name(one)}.{down}": some(2, one.into) for one in modules}
        return downs | {f"{name(one)}.{up}": some(one.out, 2) for one in modules}

    def with_alphas(tensors: Tensors, alpha: float) -> Tensors:
        return tensors | {f"{one.kohya}.alpha": torch.tensor(alpha) for one in MODULES}

    kohya = with_alphas(plain(lambda one: one.kohya, "lora_down.weight", "lora_up.weight"), 1.0)
    yield "kohya.safetensors", kohya
    yield "diffusers.safetensors", plain(lambda one: one.diffusers, "lora_A.weight", "lora_B.weight")
    old = plain(lambda one: one.diffusers, "lora.down.weight", "lora.up.weight", unet_only=True)
    yield "old diffusers.safetensors", old
    bare = plain(lambda one: one.diffusers, "lora_A.weight", "lora_B.weight", unet_only=True)
    yield (
        "peft/adapter_model.safetensors",
        {f"base_model.model.{key.removeprefix('unet.')}": value for key, value in bare.items()},
    )
    yield "comfyui.safetensors", plain(lambda one: one.comfyui, "lora_down.weight", "lora_up.weight")
    loha = {f"{one.kohya}.hada_w{half}_a": some(one.out, 2) for one in MODULES for half in (1, 2)}
    loha |= {f"{one.kohya}.hada_w{half}_b": some(2, one.into) for one in MODULES for half in (1, 2)}
    yield "loha.safetensors", with_alphas(loha, 1.5)
    lokr = {f"{one.kohya}.lokr_w1": some(2, 2) for one in MODULES}
    lokr |= {f"{one.kohya}.lokr_w2_a": some(one.out // 2, 2) for one in MODULES}
    lokr |= {f"{one.kohya}.lokr_w2_b": some(2, one.into // 2) for one in MODULES}
    yield "lokr.safetensors", with_alphas(lokr, 0.5)
    yield "dora.safetensors", kohya | {f"{one.kohya}.dora_scale": some(one.out, 1).abs() + 0.5 for one in MODULES}
    nan = {key: torch.full_like(value, torch.nan) if "mlp" in key else value for key, value in kohya.items()}
    yield "broken.safetensors", nan
