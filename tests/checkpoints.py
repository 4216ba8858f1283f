"""Very small random SD1, SD2 and SDXL checkpoints, as diffusers folders and as single files in the original naming."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_open_clip_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.architecture import Architecture, architecture
from trainer.families.known import FAMILIES as KNOWN

TEXT, TEXT_2 = 12, 20  # widths of the two text encoders
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
FAMILIES = ("sd1", "sd2", "sdxl")
State = dict[str, Tensor]


@dataclass(frozen=True)
class TinyModel:
    """A family's UNet and text encoders, built on the CPU, and their modules' names."""

    family: str
    unet: UNet2DConditionModel
    encoders: tuple[nn.Module, ...]

    @property
    def names(self) -> Architecture:
        return architecture(KNOWN[self.family], self.unet, self.encoders)

    @property
    def parts(self) -> dict[str, nn.Module]:
        return dict(zip(("unet", "text_encoder", "text_encoder_2"), (self.unet, *self.encoders), strict=False))


def tiny_model(family: str, seed: int = 0) -> TinyModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoders = (_encoder(CLIPTextModel, TEXT),)
        if family == "sdxl":
            encoders += (_encoder(CLIPTextModelWithProjection, TEXT_2),)
        return TinyModel(family, _unet(family), encoders)


def _encoder(kind: type, width: int) -> nn.Module:
    return kind(
        CLIPTextConfig(
            vocab_size=31,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=7,
            projection_dim=width,
        )
    )


def _unet(family: str) -> UNet2DConditionModel:
    first, second = (PLAIN, CROSS) if family == "sdxl" else (CROSS, PLAIN)
    own = {
        "sd1": {"cross_attention_dim": TEXT, "attention_head_dim": 2},
        "sd2": {"cross_attention_dim": TEXT, "attention_head_dim": (2, 4), "use_linear_projection": True},
        "sdxl": {
            "cross_attention_dim": TEXT + TEXT_2,
            "attention_head_dim": (2, 4),
            "use_linear_projection": True,
            "transformer_layers_per_block": (1, 2),
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 6 * 4 + TEXT_2,
        },
    }[family]
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=2,
        block_out_channels=(8, 16),
        down_block_types=(first[0], second[0]),
        up_block_types=(second[1], first[1]),
        norm_num_groups=4,
        **own,
    )


def write_folder(model: TinyModel, folder: Path, **saving: object) -> Path:
    """As diffusers saves it, with a VAE that stays as it is."""
    for part, module in model.parts.items():
        module.save_pretrained(folder / part, **saving)
    (folder / "vae").mkdir()
    save_file({"decoder.conv_in.weight": torch.ones(3)}, folder / "vae" / "diffusion_pytorch_model.safetensors")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return folder


def write_single(model: TinyModel, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    """As the original repositories' checkpoints are laid out, with tensors that no module has."""
    tensors = {f"model.diffusion_model.{key}": value for key, value in _ldm_unet(model).items()}
    if model.family == "sd1":
        tensors |= _transformers_text(model.encoders[0], "cond_stage_model.transformer.")
    elif model.family == "sd2":
        tensors |= _openclip_text(model.encoders[0], "cond_stage_model.model.")
    else:
        tensors |= _transformers_text(model.encoders[0], "conditioner.embedders.0.transformer.")
        tensors |= _openclip_text(model.encoders[1], "conditioner.embedders.1.model.")
    tensors = {key: value.detach().to(dtype) for key, value in tensors.items()}
    tensors["first_stage_model.decoder.conv_in.weight"] = torch.ones(3)
    tensors["model_steps"] = torch.tensor(7, dtype=torch.int64)
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, {"modelspec.title": "tiny"})
    return path


def _ldm_unet(model: TinyModel) -> State:
    """diffusers -> original names, by going through the blocks as diffusers' own conversion script does."""
    config, renamed = model.unet.config, {}
    blocks, layers = len(config["down_block_types"]), config["layers_per_block"]
    starts: dict[str, str] = {"mid_block.attentions.0.": "middle_block.1."}
    starts |= {f"mid_block.resnets.{at}.": f"middle_block.{2 * at}." for at in range(2)}
    for block in range(blocks):
        for layer in range(layers):
            number = 1 + block * (layers + 1) + layer
            starts[f"down_blocks.{block}.resnets.{layer}."] = f"input_blocks.{number}.0."
            starts[f"down_blocks.{block}.attentions.{layer}."] = f"input_blocks.{number}.1."
        starts[f"down_blocks.{block}.downsamplers.0.conv."] = f"input_blocks.{(block + 1) * (layers + 1)}.0.op."
        for layer in range(layers + 1):
            number = block * (layers + 1) + layer
            starts[f"up_blocks.{block}.resnets.{layer}."] = f"output_blocks.{number}.0."
            starts[f"up_blocks.{block}.attentions.{layer}."] = f"output_blocks.{number}.1."
        place = 2 if "CrossAttn" in config["up_block_types"][block] else 1
        last = block * (layers + 1) + layers
        starts[f"up_blocks.{block}.upsamplers.0."] = f"output_blocks.{last}.{place}."
    starts |= {
        "time_embedding.linear_1.": "time_embed.0.",
        "time_embedding.linear_2.": "time_embed.2.",
        "add_embedding.linear_1.": "label_emb.0.0.",
        "add_embedding.linear_2.": "label_emb.0.2.",
        "conv_in.": "input_blocks.0.0.",
        "conv_norm_out.": "out.0.",
        "conv_out.": "out.2.",
    }
    resnet = {
        "norm1.": "in_layers.0.",
        "conv1.": "in_layers.2.",
        "norm2.": "out_layers.0.",
        "conv2.": "out_layers.3.",
        "time_emb_proj.": "emb_layers.1.",
        "conv_shortcut.": "skip_connection.",
    }
    for key, value in model.unet.state_dict().items():
        start = next(start for start in starts if key.startswith(start))
        rest = key.removeprefix(start)
        if ".resnets." in start:
            inner = next(inner for inner in resnet if rest.startswith(inner))
            rest = resnet[inner] + rest.removeprefix(inner)
        renamed[starts[start] + rest] = value
    return renamed


def _named(encoder: nn.Module) -> State:
    """The encoder's tensors as published files name them: with `text_model`."""
    state = encoder.state_dict()
    return {key if key.startswith("text_") else f"text_model.{key}": value for key, value in state.items()}


def _transformers_text(encoder: nn.Module, start: str) -> State:
    return {f"{start}{key}": value for key, value in _named(encoder).items()}


def _openclip_text(encoder: nn.Module, start: str) -> State:
    state, found = _named(encoder), {}
    if "text_projection.weight" in state:
        found["text_projection"] = state.pop("text_projection.weight").T
    attention = "self_attn.q_proj"
    for key in [key for key in state if attention in key]:
        joined = [state.pop(key.replace(attention, f"self_attn.{part}_proj")) for part in "qkv"]
        fused = key.replace(f"{attention}.", "attn.in_proj_")
        state[fused] = torch.cat(joined)
    words = {
        "text_model.encoder.layers.": "transformer.resblocks.",
        "text_model.final_layer_norm": "ln_final",
        "text_model.embeddings.token_embedding": "token_embedding",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "layer_norm": "ln_",
        "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    for key, value in state.items():
        for ours, theirs in words.items():
            key = key.replace(ours, theirs)  # noqa: PLW2901
        found[key] = value
    return {f"{start}{key}": value for key, value in found.items()}


def state_of_folder(folder: Path) -> State:
    """All tensors of UNet and text encoders, by part and diffusers' path, `text_model` in it."""
    found: State = {}
    for part in ("unet", "text_encoder", "text_encoder_2"):
        for file in sorted((folder / part).glob("*.safetensors")):
            for key, value in load_file(file).items():
                named = key if part == "unet" or key.startswith("text_") else f"text_model.{key}"
                found[f"{part}.{named}"] = value
    return found


def state_of_single(path: Path, model: TinyModel) -> State:
    """The same of a single file, by diffusers' own readers of the original naming."""
    tensors = load_file(path)
    unet = convert_ldm_unet_checkpoint(dict(tensors), config=dict(model.unet.config))
    found = {f"unet.{key}": value for key, value in unet.items()}
    if model.family == "sd2":
        text = convert_open_clip_checkpoint(model.encoders[0], tensors, prefix="cond_stage_model.model.")
        return found | _text_of(text, "text_encoder")
    start = "cond_stage_model.transformer." if model.family == "sd1" else "conditioner.embedders.0.transformer."
    plain = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
    found |= {f"text_encoder.{key}": value for key, value in plain.items()}
    if model.family == "sdxl":
        text = convert_open_clip_checkpoint(model.encoders[1], tensors, prefix="conditioner.embedders.1.model.")
        found |= _text_of(text, "text_encoder_2")
    return found


def _text_of(text: State, part: str) -> State:
    return {f"{part}.{key if key.startswith('text_') else f'text_model.{key}'}": value for key, value in text.items()}


KINDS = ("lora", "loha", "lokr", "full", "dora", "oft")
ADDITIVE = KINDS[:4]


def write_lora_of_kinds(model: TinyModel, path: Path, seed: int, kinds: tuple[str, ...] = KINDS) -> Path:
    """A LoRA over every module of the model, its kind by turns; norms and biases too where `kinds` are all."""
    draw = torch.Generator().manual_seed(seed)
    tensors: State = {}
    state = {name: module.shape for name, module in model.names.by_kohya.items()}
    biased = {f"{part}.{path}" for part, module in model.parts.items() for path in _biased(part, module)}
    for at, (name, shape) in enumerate(sorted(state.items())):
        made = _norm(shape, draw) if len(shape) == 1 else _kind(kinds[at % len(kinds)], shape, draw)
        if len(shape) == 1 and "full" not in kinds:
            continue
        if "dora" in kinds and len(shape) > 1 and model.names.by_kohya[name].diffusers in biased:
            made["diff_b"] = torch.randn(shape[0], generator=draw) * 0.1
        tensors |= {f"{name}.{suffix}": tensor for suffix, tensor in made.items()}
    save_file(tensors, path)
    return path


def _biased(part: str, module: nn.Module) -> list[str]:
    paths = [path for path, inner in module.named_modules() if isinstance(getattr(inner, "bias", None), nn.Parameter)]
    return [path if part == "unet" or path.startswith("text_") else f"text_model.{path}" for path in paths]


def _norm(shape: tuple[int, ...], draw: torch.Generator) -> State:
    return {"w_norm": torch.randn(shape, generator=draw) * 0.1, "b_norm": torch.randn(shape, generator=draw) * 0.1}


def _kind(kind: str, shape: tuple[int, ...], draw: torch.Generator) -> State:
    def some(*sides: int) -> Tensor:
        return torch.randn(sides, generator=draw) * 0.3

    ones, columns = [1] * (len(shape) - 2), torch.Size(shape[1:]).numel()
    plain = {"lora_down.weight": some(2, *shape[1:]), "lora_up.weight": some(shape[0], 2, *ones)}
    if kind == "dora":
        return {**plain, "alpha": torch.tensor(1.0), "dora_scale": some(shape[0], 1, *ones).abs() + 0.5}
    if kind == "loha":
        halves = {f"hada_w{n}_a": some(shape[0], 2) for n in (1, 2)} | {
            f"hada_w{n}_b": some(2, columns) for n in (1, 2)
        }
        return {**halves, "alpha": torch.tensor(1.5)}
    if kind == "lokr" and shape[0] % 2 == 0:
        return {"lokr_w1": some(2, 1), "lokr_w2": some(shape[0] // 2, *shape[1:])}
    if kind == "oft" and shape[0] % 4 == 0:
        return {"oft_blocks": some(shape[0] // 4, 4, 4), "alpha": torch.tensor(0.01)}
    if kind == "full":
        return {"diff": some(*shape)}
    return {**plain, "alpha": torch.tensor(1.0)}
