"""Files as tools save them, planted: families x spellings x kinds x oddities, with what `inspect` has to say of each.

Widths are the public models', for they tell families apart; ranks are 1 or 2, and few modules stand for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from loras.families.family import ReadableFamily
from loras.families.known import READABLE

Tensors = dict[str, Tensor]
Factors = tuple[Tensor, Tensor]

# By family, modules in its own naming: outputs, inputs.
MODULES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "flux1": {
        "double_blocks.0.img_attn.proj": (3072, 3072),
        "double_blocks.18.txt_mlp.0": (12288, 3072),
        "double_blocks.3.img_mod.lin": (18432, 3072),
        "single_blocks.37.linear2": (3072, 15360),
    },
    "flux2": {
        "double_blocks.0.img_attn.proj": (4096, 4096),
        "double_blocks.7.txt_mlp.0": (24576, 4096),
        "single_blocks.23.linear1": (36864, 4096),
    },
    "z_image": {
        "layers.0.attention.to_q": (3840, 3840),
        "layers.29.feed_forward.w1": (10240, 3840),
        "noise_refiner.1.attention.to_out.0": (3840, 3840),
        "context_refiner.0.feed_forward.w2": (3840, 10240),
    },
    "krea2": {
        "blocks.0.attn.wq": (6144, 6144),
        "blocks.27.mlp.down": (6144, 16384),
        "txtfusion.refiner_blocks.1.attn.gate": (2560, 2560),
    },
    "qwen_image": {
        "transformer_blocks.0.attn.to_q": (3072, 3072),
        "transformer_blocks.59.attn.add_k_proj": (3072, 3072),
        "transformer_blocks.7.img_mlp.net.0.proj": (12288, 3072),
    },
    "chroma": {
        "double_blocks.0.img_attn.proj": (3072, 3072),
        "single_blocks.37.linear2": (3072, 15360),
        "distilled_guidance_layer.layers.0.in_layer": (5120, 5120),
    },
    "sd3": {
        "joint_blocks.0.x_block.attn.proj": (2432, 2432),
        "joint_blocks.37.x_block.mlp.fc1": (9728, 2432),
        "joint_blocks.5.context_block.attn.proj": (2432, 2432),
    },
    "anima": {
        "blocks.0.self_attn.q_proj": (2048, 2048),
        "blocks.27.mlp.layer1": (8192, 2048),
        "llm_adapter.blocks.5.cross_attn.o_proj": (1024, 1024),
    },
    "lumina2": {
        "layers.0.attention.out": (2304, 2304),
        "layers.25.feed_forward.w1": (9216, 2304),
        "noise_refiner.1.adaLN_modulation.1": (9216, 1024),
    },
}
# A norm and a text encoder's module of each family that has one.
NORMS = {
    "flux1": ("double_blocks.0.img_attn.norm.query_norm", 128),
    "flux2": ("single_blocks.0.norm.key_norm", 128),
    "z_image": ("layers.0.attention_norm1", 3840),
    "krea2": ("blocks.0.prenorm", 6144),
    "qwen_image": ("transformer_blocks.0.attn.norm_q", 128),
    "chroma": ("single_blocks.0.norm.query_norm", 128),
    "sd3": ("joint_blocks.0.x_block.attn.ln_q", 64),
    "anima": ("blocks.0.self_attn.q_norm", 128),
    "lumina2": ("layers.0.ffn_norm1", 2304),
}
TEXTS = {
    "flux1": "lora_te3_encoder_block_0_layer_0_SelfAttention_q",
    "sd3": "lora_te2_text_model_encoder_layers_31_mlp_fc1",
    "anima": "lora_te_layers_0_self_attn_q_proj",
    "lumina2": "lora_te_layers_25_mlp_up_proj",
}
KOHYA = ("lora_down.weight", "lora_up.weight")
PEFT = ("lora_A.weight", "lora_B.weight")


def _flat(path: str) -> str:
    return path.replace(".", "_")


def _diffusers(family: ReadableFamily, path: str) -> str:
    return family.to_diffusers(f"lora_unet_{_flat(path)}")[0].path


def _bare(family: ReadableFamily, path: str) -> str:
    return _diffusers(family, path).removeprefix("transformer.")


def _original(family: ReadableFamily, path: str) -> str:
    """The original module's path; a part of a fused one keeps its own, as ai-toolkit has it."""
    if family.whole(f"lora_unet_{_flat(path)}") is not None:
        return path
    return family.to_original(f"lora_unet_{_flat(path)}").path.removeprefix("diffusion_model.")


@dataclass(frozen=True)
class Spelt:
    """How a tool writes a module's stem and the two factors' endings; `alpha`: whether it writes alphas."""

    stem: Callable[[ReadableFamily, str], str]
    ends: tuple[str, str]
    alpha: bool


SPELLINGS: Mapping[str, Spelt] = {
    "kohya": Spelt(lambda _, path: f"lora_unet_{_flat(path)}", KOHYA, alpha=True),
    "ai-toolkit": Spelt(lambda family, path: f"diffusion_model.{_original(family, path)}", PEFT, alpha=False),
    "ComfyUI's saver": Spelt(lambda family, path: f"diffusion_model.{_original(family, path)}", KOHYA, alpha=False),
    "a checkpoint's": Spelt(lambda family, path: f"model.diffusion_model.{_original(family, path)}", PEFT, alpha=True),
    "diffusers": Spelt(_diffusers, PEFT, alpha=False),
    "diffusers old": Spelt(_diffusers, ("lora.down.weight", "lora.up.weight"), alpha=False),
    "PEFT": Spelt(
        lambda family, path: f"base_model.model.{_bare(family, path)}",
        ("lora_A.default.weight", "lora_B.default.weight"),
        alpha=False,
    ),
    "LyCORIS' wrapper": Spelt(lambda family, path: f"lycoris_{_flat(_bare(family, path))}", KOHYA, alpha=True),
    "OneTrainer": Spelt(lambda family, path: f"lora_transformer_{_flat(_bare(family, path))}", KOHYA, alpha=True),
}


def _draw(*shape: int) -> Tensor:
    """Numbers that hang on the shape alone, of a size that a finished LoRA's have."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.03


def lora(stem: str, sides: tuple[int, int], ends: tuple[str, str] = KOHYA, rank: int = 2) -> Tensors:
    """Plain factors."""
    return {f"{stem}.{ends[0]}": _draw(rank, sides[1]), f"{stem}.{ends[1]}": _draw(sides[0], rank)}


def _alpha(stem: str) -> Tensors:
    return {f"{stem}.alpha": torch.tensor(1.0)}


def loha(stem: str, sides: tuple[int, int]) -> Tensors:
    """LyCORIS' Hadamard product."""
    halves = {f"{stem}.hada_w{n}_{side}": _draw(*shape) * 5 for n in (1, 2) for side, shape in _two(sides)}
    return halves | _alpha(stem)


def _two(sides: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
    return (("a", (sides[0], 1)), ("b", (1, sides[1])))


def lokr(stem: str, sides: tuple[int, int]) -> Tensors:
    """LyCORIS' Kronecker product, its second half factored."""
    second = {f"{stem}.lokr_w2_a": _draw(sides[0] // 4, 1), f"{stem}.lokr_w2_b": _draw(1, sides[1] // 4)}
    return {f"{stem}.lokr_w1": _draw(4, 4) * 10} | second | _alpha(stem)


def whole_lokr(stem: str, sides: tuple[int, int]) -> Tensors:
    """Both halves whole: the alpha that stands there means nothing."""
    shapes = {"lokr_w1": (sides[0] // 32, sides[1] // 32), "lokr_w2": (32, 32)}
    return {f"{stem}.{name}": _draw(*shape) for name, shape in shapes.items()} | _alpha(stem)


def dora(stem: str, sides: tuple[int, int]) -> Tensors:
    """Plain factors with a magnitude for each output."""
    return lora(stem, sides) | {f"{stem}.dora_scale": torch.ones(sides[0], 1)}


def glora(stem: str, sides: tuple[int, int]) -> Tensors:
    """LyCORIS' generalised."""
    a = {f"{stem}.a1.weight": _draw(sides[1], 1) * 0.1, f"{stem}.a2.weight": _draw(1, sides[1])}
    return a | {f"{stem}.b1.weight": _draw(sides[0], 1), f"{stem}.b2.weight": _draw(1, sides[1])} | _alpha(stem)


def ia3(stem: str, sides: tuple[int, int]) -> Tensors:
    """LyCORIS' scaled activations."""
    return {f"{stem}.weight": _draw(sides[0]), f"{stem}.on_input": torch.tensor(0)}


def oft(stem: str, sides: tuple[int, int]) -> Tensors:
    """kohya's orthogonal, blocks of 8."""
    return {f"{stem}.oft_blocks": _draw(sides[0] // 8, 8, 8), f"{stem}.alpha": torch.tensor(1e-3)}


def bias(stem: str, sides: tuple[int, int]) -> Tensors:
    """Plain factors and the bias' own delta."""
    return lora(stem, sides) | {f"{stem}.diff_b": _draw(sides[0])}


KINDS: Mapping[str, Callable[[str, tuple[int, int]], Tensors]] = {
    "lora": lora,
    "loha": loha,
    "lokr": lokr,
    "lokr whole": whole_lokr,
    "dora": dora,
    "glora": glora,
    "ia3": ia3,
    "oft": oft,
    "bias": bias,
}


@dataclass(frozen=True)
class Planted:
    """One file: what is in it, and the family, verdict and words that `inspect` has to find."""

    name: str
    tensors: Callable[[], Tensors]
    family: str
    verdict: str = "healthy"
    says: str = ""
    dialect: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    spoiled: Callable[[bytes], bytes] = lambda data: data

    def save(self, path: Path) -> Path:
        """Write it."""
        save_file({key: one.contiguous() for key, one in self.tensors().items()}, path, dict(self.metadata))
        path.write_bytes(self.spoiled(path.read_bytes()))
        return path


DIALECTS = {
    "kohya": "kohya",
    "LyCORIS' wrapper": "kohya",
    "ai-toolkit": "comfyui",
    "ComfyUI's saver": "comfyui",
    "a checkpoint's": "comfyui",
    "diffusers": "diffusers",
    "diffusers old": "diffusers",
    "PEFT": "peft",
    "OneTrainer": "onetrainer",
}


def spelt(key: str, spelling: str) -> Tensors:
    """A family's modules as a tool writes them."""
    family, how = READABLE[key], SPELLINGS[spelling]
    tensors: Tensors = {}
    for path, sides in MODULES[key].items():
        stem = how.stem(family, path)
        tensors |= lora(stem, sides, how.ends) | (_alpha(stem) if how.alpha else {})
    return tensors


def of_kind(key: str, kind: str) -> Tensors:
    """A family's modules in kohya's spelling, of another kind."""
    return {
        name: tensor
        for path, sides in MODULES[key].items()
        for name, tensor in KINDS[kind](f"lora_unet_{_flat(path)}", sides).items()
    }


def first(key: str) -> tuple[str, tuple[int, int]]:
    """The kohya name of a family's first module, and its sides."""
    path, sides = next(iter(MODULES[key].items()))
    return f"lora_unet_{_flat(path)}", sides


def as_type(dtype: torch.dtype) -> Callable[[Tensors], Tensors]:
    """All factors in another type."""
    return lambda tensors: {key: one if key.endswith(".alpha") else one.to(dtype) for key, one in tensors.items()}


def scaled(dtype: torch.dtype, most: float, scale: str) -> Callable[[Tensors], Tensors]:
    """All factors in 8 bits, each with its scale beside it."""

    def of(tensors: Tensors) -> Tensors:
        found: Tensors = {}
        for key, one in tensors.items():
            factor = one.abs().max() / most if key.endswith(".weight") else torch.tensor(1.0)
            if not key.endswith(".weight"):
                found[key] = one
                continue
            small = one / factor
            found[key] = (small.round() if dtype is torch.int8 else small).to(dtype)
            found[f"{key.removesuffix('weight')}{scale}"] = factor
        return found

    return of


def _alphas(make: Callable[[int], Tensor | None]) -> Callable[[Tensors], Tensors]:
    def of(tensors: Tensors) -> Tensors:
        found = {key: one for key, one in tensors.items() if not key.endswith(".alpha")}
        for at, stem in enumerate(sorted({key.split(".")[0] for key in found})):
            if (alpha := make(at)) is not None:
                found[f"{stem}.alpha"] = alpha
        return found

    return of


# Oddities that harm nothing, on kohya's spelling.
ODDITIES: Mapping[str, Callable[[Tensors], Tensors]] = {
    "bf16": as_type(torch.bfloat16),
    "fp8 e4m3": as_type(torch.float8_e4m3fn),
    "fp8 e5m2": as_type(torch.float8_e5m2),
    "fp8 scaled": scaled(torch.float8_e4m3fn, 448.0, "scale_weight"),
    "int8 scaled": scaled(torch.int8, 127.0, "weight_scale"),
    "alpha of shape (1, 1)": _alphas(lambda _: torch.ones(1, 1)),
    "alpha a whole number": _alphas(lambda _: torch.tensor(2)),
    "alpha in bf16": _alphas(lambda _: torch.tensor(1.0, dtype=torch.bfloat16)),
    "alpha on some modules only": _alphas(lambda at: torch.tensor(1.0) if at else None),
}


def _nan(tensors: Tensors) -> Tensors:
    name = sorted(key for key in tensors if key.endswith("weight"))[0]
    return tensors | {name: torch.full_like(tensors[name], torch.nan)}


def _without_half(tensors: Tensors) -> Tensors:
    name = sorted(key for key in tensors if key.endswith("lora_up.weight"))[0]
    return {key: one for key, one in tensors.items() if key != name}


def _wrong_shape(tensors: Tensors) -> Tensors:
    name = sorted(key for key in tensors if key.endswith("lora_up.weight"))[0]
    return tensors | {name: torch.ones(8, 5)}


# Damage: the tensors' change, and what is said of it.
DAMAGE: Mapping[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "NaN": (_nan, "NaN in 1 of"),
    "a half missing": (_without_half, r"lora_up.weight` is missing"),
    "a wrong shape": (_wrong_shape, "do not fit"),
    "alpha 0": (_alphas(lambda _: torch.tensor(0.0)), "alpha is 0"),
}
