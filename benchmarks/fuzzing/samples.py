"""Sound inputs that fuzzing begins with: what tools write, and the torture's samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from math import prod
from pathlib import Path

from torture.readers import KINDS

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 8  # bytes of a safetensors file that say how long its header is
SAMPLES = {kind.name: kind for kind in KINDS}
Seeds = Callable[[Path], Iterator[bytes]]
A1111 = (
    "photo of hina, (smiling:1.2) <lora:hina:0.8:0.6>\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Schedule"
    ' type: Karras, CFG scale: 7, Seed: 12, Size: 64x64, Model hash: 0123456789, Model: a, Lora hashes: "hina: 0123",'
    " Clip skip: 2, Version: v1.10"
)
WORKFLOW = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {
            "model": ["1", 0], "clip": ["1", 1], "lora_name": "b.safetensors",
            "strength_model": 0.8, "strength_clip": 0.6,
        },
    },
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "photo of hina"}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "blurry"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["2", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0],
            "seed": 12, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        },
    },
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "a"}},
}  # fmt: skip


def samples(kind: str, pattern: str) -> Seeds:
    """Sound files of the torture, made in the folder."""

    def seeds(folder: Path) -> Iterator[bytes]:
        made = folder / kind
        if not made.is_dir():
            made.mkdir(parents=True)
            SAMPLES[kind].make(made)
        yield from (path.read_bytes() for path in sorted(made.glob(pattern)) if path.is_file())

    return seeds


def headers(folder: Path) -> Iterator[bytes]:
    for data in samples("LoRA files", "*.safetensors")(folder):
        header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
        few = dict(list(header.items())[:12])
        end = 0
        for name, entry in few.items():
            if name != "__metadata__":
                start, stop = entry["data_offsets"]
                few[name] = {**entry, "data_offsets": [end, end + stop - start]}
                end += stop - start
        yield json.dumps(few).encode()


def checkpoint_headers(_: Path) -> Iterator[bytes]:
    """The least that is taken for a checkpoint of SD1.5, one of SDXL, a VAE alone."""
    unet, vae = "model.diffusion_model.", "first_stage_model.encoder.conv_in.weight"
    sd1 = {f"{unet}input_blocks.0.0.weight": [1, 4, 1, 1], f"{unet}a.attn2.to_k.weight": [1, 768], vae: [4]}
    sdxl = {**sd1, f"{unet}a.attn2.to_k.weight": [1, 2048], "conditioner.embedders.1.model.a": [4]}
    sd1["cond_stage_model.transformer.text_model.a"] = sdxl["conditioner.embedders.0.transformer.text_model.a"] = [4]
    for shapes in (sd1, sdxl, {"decoder.conv_in.weight": [4], vae: [4]}):
        header, end = dict[str, object]({"__metadata__": {"modelspec.prediction_type": "v"}}), 0
        for name, shape in shapes.items():
            size = prod(shape)
            header[name] = {"dtype": "F8_E4M3", "shape": shape, "data_offsets": [end, end + size]}
            end += size
        yield json.dumps(header).encode()


def texts(_: Path) -> Iterator[bytes]:
    graph = json.dumps(WORKFLOW)
    swarm = {"sui_image_params": {"prompt": "hina", "loras": ["a"], "loraweights": ["0.5"], "seed": 3, "steps": 20}}
    invoke = {"positive_prompt": "hina", "seed": 3, "loras": [{"model": {"name": "a"}, "weight": 0.5}], "steps": 20}
    for number, text in ((0, A1111), (1, graph), (0, json.dumps(swarm)), (3, json.dumps(invoke)), (2, graph)):
        yield bytes([number]) + text.encode()


def small_pictures(_: Path) -> Iterator[bytes]:
    from PIL import Image

    picture = Image.linear_gradient("L").resize((24, 24)).convert("RGB")
    exif = picture.getexif()
    exif[274], exif[270] = 6, "a"
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"):
        file = BytesIO()
        picture.save(file, format=kind, **({"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}))
        yield file.getvalue()


def votes(_: Path) -> Iterator[bytes]:
    row = {"left": "a", "right": "b", "prompt": "photo of hina", "seed": 1, "voter": "ada"}
    answered = {**row, "answer": "left", "at": "2026-01-01T00:00:00+00:00"}
    yield f"{json.dumps(answered)}\n{json.dumps({'answer': 'taken back', 'voter': 'ada'})}\n".encode()


def shipped(*place: str) -> Seeds:
    """A table that is shipped, as a user would change a copy of it."""
    return lambda _: iter([ROOT.joinpath(*place).read_bytes()])
