"""Small LoRA files of every family, kind, rank, size and type, written without our writer, and faults to plant."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lora_kinds import CONV_KINDS, random_module
from safetensors.torch import save, save_file
from torch import Tensor

Shape = tuple[int, ...]
LINEAR = {"tucker": "lora", "loha core": "loha", "lokr core": "lokr"}  # what a linear module has beside them
SCALED = {"lora": "lora_up.weight", "tucker": "lora_up.weight", "loha": "hada_w1_a", "full": "diff"}
BLOCKS = {
    "sd": (
        "down_blocks_0_attentions_0_transformer_blocks_0",
        "down_blocks_2_attentions_1_transformer_blocks_0",
        "mid_block_attentions_0_transformer_blocks_0",
        "up_blocks_1_attentions_2_transformer_blocks_0",
        "up_blocks_3_attentions_0_transformer_blocks_0",
    ),
    "sdxl": (
        "input_blocks_4_1_transformer_blocks_0",
        "input_blocks_8_1_transformer_blocks_9",
        "middle_block_1_transformer_blocks_3",
        "output_blocks_0_1_transformer_blocks_5",
        "output_blocks_5_1_transformer_blocks_1",
    ),
}
TEXT = {"SD1": 768, "SD2": 1024, "SDXL": 2048}


def unet_shapes(family: str) -> dict[str, Shape]:
    """A few modules in each of five blocks, narrow but for the text that they read."""
    blocks = BLOCKS["sdxl" if family == "SDXL" else "sd"]
    inner = {"attn1_to_q": (16, 16), "attn2_to_k": (16, TEXT[family]), "ff_net_0_proj": (32, 16)}
    shapes = {f"lora_unet_{block}_{name}": shape for block in blocks for name, shape in inner.items()}
    conv = "input_blocks_4_0_in_layers_2" if family == "SDXL" else "down_blocks_2_resnets_0_conv1"
    return {**shapes, f"lora_unet_{conv}": (16, 8, 3, 3)}


def text_shapes(family: str) -> dict[str, Shape]:
    layers = {"SD1": (0, 11), "SD2": (0, 22), "SDXL": (0, 11)}[family]
    prefixes = ("lora_te1", "lora_te2") if family == "SDXL" else ("lora_te",)
    width = 1024 if family == "SD2" else 768
    return {
        f"{prefix}_text_model_encoder_layers_{layer}_{name}": (16, width)
        for prefix in prefixes
        for layer in layers
        for name in ("self_attn_q_proj", "mlp_fc1")
    }


@dataclass
class Planted:
    """A file's tensors by kohya's name, without the type that they are written in."""

    tensors: dict[str, Tensor]
    modules: list[str]
    alphas: dict[str, float]
    metadata: dict[str, str] = field(default_factory=dict)


def healthy(draw: random.Random, kind: str, family: str, rank: int, size: float, parts: str = "both") -> Planted:
    """Every delta with a root mean square of about `size`, whatever alpha is."""
    shapes = ({} if parts == "text" else unet_shapes(family)) | ({} if parts == "unet" else text_shapes(family))
    planted = Planted({}, list(shapes), {}, {"ss_network_dim": str(rank), "ss_output_name": f"{kind} of {family}"})
    alpha = draw.choice([1.0, rank / 2, float(rank), 2.0 * rank])
    for name, shape in shapes.items():
        of_kind = kind if len(shape) == 4 else LINEAR.get(kind, kind)
        module = random_module(of_kind, shape, rank, alpha, draw.randrange(2**30))
        tensors = module.tensors()
        scaled = next(suffix for suffix in (*SCALED.values(), "lokr_w1", "lokr_w1_a") if suffix in tensors)
        factor = size * draw.uniform(0.3, 1.5) / module.delta().square().mean().sqrt()
        for suffix, tensor in tensors.items():
            planted.tensors[f"{name}.{suffix}"] = tensor * (factor if suffix == scaled else 1)
        if kind != "full":
            planted.alphas[name] = alpha
    return planted


def lora_of(draw: random.Random, size: float = 1e-3, rank: int = 4, parts: str = "both") -> Planted:
    return healthy(draw, "lora", draw.choice(["SD1", "SD2", "SDXL"]), rank, size, parts)


def write(planted: Planted, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    tensors = {key: tensor.to(dtype).contiguous() for key, tensor in planted.tensors.items()}
    alphas = {f"{name}.alpha": torch.tensor(alpha) for name, alpha in planted.alphas.items()}
    save_file(tensors | alphas, path, planted.metadata)
    return path


def scaled(planted: Planted, names: list[str], factor: float) -> Planted:
    """The LoRA with the deltas of `names` times `factor`."""
    for name in names:
        planted.tensors[f"{name}.lora_up.weight"] = planted.tensors[f"{name}.lora_up.weight"] * factor
    return planted


Fault = Callable[[random.Random, Path], object]


def not_finite(value: float) -> Fault:
    def plant(draw: random.Random, path: Path) -> Path:
        planted = lora_of(draw)
        key = draw.choice(list(planted.tensors))
        planted.tensors[key].view(-1)[draw.randrange(planted.tensors[key].numel())] = value
        return write(planted, path, draw.choice([torch.float16, torch.bfloat16, torch.float32]))

    return plant


def any_size(draw: random.Random) -> float:
    """A healthy file's, in equal parts over the decades."""
    return 10 ** draw.uniform(-4, -2)


def zero_up(draw: random.Random, path: Path) -> Path:
    planted = lora_of(draw)
    return write(scaled(planted, planted.modules, 0.0), path, torch.float16)


def dead_block(draw: random.Random, path: Path) -> Path:
    planted = lora_of(draw)
    layout = "sdxl" if any("input_blocks" in name for name in planted.modules) else "sd"
    # The second block of either layout has a convolution beside it, which would keep it alive.
    starts = ["lora_te", *(f"lora_unet_{block}" for block in BLOCKS[layout][2:])]
    start = draw.choice(starts)
    return write(scaled(planted, [name for name in planted.modules if name.startswith(start)], 0.0), path)


def exploded(draw: random.Random, path: Path) -> Path:
    planted = lora_of(draw, any_size(draw))
    return write(scaled(planted, planted.modules, 1000.0), path, draw.choice([torch.bfloat16, torch.float32]))


def exploded_module(draw: random.Random, path: Path) -> Path:
    planted = lora_of(draw)
    return write(scaled(planted, [draw.choice(planted.modules)], 1000.0), path)


def alpha_of(share: float) -> Fault:
    """Factors as of a healthy file whose alpha is its rank, and an alpha of `share` times that."""

    def plant(draw: random.Random, path: Path) -> Path:
        planted = lora_of(draw, any_size(draw) / 1.5, rank=8)
        planted = scaled(planted, planted.modules, next(iter(planted.alphas.values())) / 8)
        planted.alphas = dict.fromkeys(planted.alphas, 8 * share)
        return write(planted, path)

    return plant


def truncated(draw: random.Random, path: Path) -> None:
    whole = write(lora_of(draw), path, torch.float16).read_bytes()
    path.write_bytes(whole[: int(draw.uniform(0.001, 0.999) * len(whole))])


def doubled_in_header(draw: random.Random, path: Path) -> None:
    """The header names one tensor twice, which safetensors itself does not mind."""
    whole = write(lora_of(draw), path).read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    key = draw.choice([key for key in header if key != "__metadata__"])
    text = whole[8:end].decode().rstrip()[:-1] + f", {json.dumps(key)}: {json.dumps(header[key])}}}"
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + whole[end:])


def doubled_in_two_spellings(draw: random.Random, path: Path) -> Path:
    planted = healthy(draw, "lora", "SD1", 4, 1e-3)
    name = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    other = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight"
    planted.tensors[other] = planted.tensors[f"lora_unet_{name}.lora_down.weight"].clone()
    return write(planted, path)


def save_random(*keys: str) -> Fault:
    def plant(draw: random.Random, path: Path) -> None:
        path.write_bytes(save({key: torch.randn(4, 4) for key in keys}))

    return plant


def save_bytes(content: bytes) -> Fault:
    return lambda draw, path: path.write_bytes(content)


def text_encoder_only(draw: random.Random, path: Path) -> Path:
    return write(lora_of(draw, any_size(draw), parts="text"), path)


# Each fault: how many files, their suffix, the verdict, what the reason says, and how it is planted.
FAULTS: dict[str, tuple[int, str, str, str, Fault]] = {
    "nan": (10, ".safetensors", "broken", r"^NaN in 1 of \d+ modules", not_finite(float("nan"))),
    "infinity": (8, ".safetensors", "broken", r"^infinity in 1 of \d+ modules", not_finite(float("-inf"))),
    "alpha 0": (2, ".safetensors", "broken", r"alpha is 0", alpha_of(0.0)),
    "alpha nan": (1, ".safetensors", "broken", r"^NaN", alpha_of(float("nan"))),
    "truncated": (9, ".safetensors", "broken", r"truncated", truncated),
    "empty": (1, ".safetensors", "broken", r"empty file", save_bytes(b"")),
    "doubled": (3, ".safetensors", "broken", r"stands twice", doubled_in_header),
    "spelled twice": (2, ".safetensors", "broken", r"the same tensor", doubled_in_two_spellings),
    "renamed pickle": (4, ".safetensors", "broken", r"a pickle \(whatever its name", save_bytes(pickle.dumps([1]))),
    "pickle": (2, ".pt", "broken", r"a pickle", save_bytes(pickle.dumps([1]))),
    "zip pickle": (1, ".ckpt", "broken", r"a pickle", save_bytes(b"PK\x03\x04" + bytes(50))),
    "unknown": (2, ".safetensors", "broken", r"not a LoRA", save_random("blob", "layer.weight")),
    "model": (2, ".safetensors", "broken", r"whole model", save_random("model.diffusion_model.out.2.weight")),
    "embedding": (1, ".safetensors", "broken", r"embedding", save_random("emb_params")),
    "web page": (1, ".safetensors", "broken", r"web page", save_bytes(b"<!DOCTYPE html><html></html>")),
    "pointer": (1, ".safetensors", "broken", r"Git LFS", save_bytes(b"version https://git-lfs.github.com/spec/v1\n")),
    "zero up": (6, ".safetensors", "vanished", r"exactly 0", zero_up),
    "trap": (8, ".safetensors", "vanished", r"alpha / rank is 0\.0078", alpha_of(1 / 128)),
    "tiny alpha": (4, ".safetensors", "vanished", r"alpha / rank is 1e-05", alpha_of(1e-5)),
    "exploded": (10, ".safetensors", "exploded", r"moves \w+ by .* times", exploded),
    "exploded module": (5, ".safetensors", "exploded", r"times", exploded_module),
    "dead block": (9, ".safetensors", "dead blocks", r"every delta there is exactly 0", dead_block),
    "text only": (6, ".safetensors", "text-encoder-only", r"no module of the UNet", text_encoder_only),
}


def healthy_files(draw: random.Random, folder: Path, count: int) -> None:
    """Files with nothing wrong, over all that real ones differ in."""
    kinds = (*CONV_KINDS, "lora", "lora", "lora")
    for number in range(count):
        kind, family = kinds[number % len(kinds)], draw.choice(["SD1", "SD2", "SDXL"])
        rank = draw.choice([1, 2, 4, 8, 16, 64] if kind in ("lora", "tucker") else [1, 2, 4])
        size, parts = any_size(draw), draw.choice(["both", "both", "unet"])
        planted = healthy(draw, kind, family, rank, size, parts)
        if kind == "lora" and parts == "both" and number % 2:
            # Clip skip 2: the last layer of the text encoder is never reached.
            planted = scaled(planted, [name for name in planted.modules if "_layers_11_" in name], 0.0)
        dtype = draw.choice([torch.float32, torch.float16, torch.bfloat16])
        write(planted, folder / f"healthy {number:03d} {kind} {family}.safetensors", dtype)


def plant_folder(folder: Path, healthy_count: int = 112) -> Path:
    """Write all faults and `healthy_count` healthy files; a file's name begins with its fault."""
    draw = random.Random(7)
    for fault, (count, suffix, _, _, plant) in FAULTS.items():
        for number in range(count):
            plant(draw, folder / f"{fault}, {number:03d}{suffix}")
    healthy_files(draw, folder, healthy_count)
    return folder
