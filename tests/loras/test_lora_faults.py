"""What is unknown, doubled, broken or unsafe in a LoRA file is said by name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from foundation.errors import LoraFileError
from foundation.safetensors_header import HEADER_LIMIT
from loras.lora_file import (
    read_lora,
)

Tensors = dict[str, Tensor]

DOTTED = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
NAME = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT_KEY = NAME.replace("attn1_to_q", "attn2_to_k")
ROW, COLUMN = torch.ones(2, 3), torch.ones(4, 2)


def whole(**others: Tensor) -> Tensors:
    """A sound file's tensors, and others by suffix."""
    tensors = {f"{NAME}.lora_down.weight": ROW, f"{NAME}.lora_up.weight": COLUMN}
    return tensors | {f"{NAME}.{suffix}": tensor for suffix, tensor in others.items()}


def parts(**tensors: Tensor) -> Tensors:
    return {f"{NAME}.{suffix}": tensor for suffix, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (whole() | {"lora_unet_x.sideways": ROW}, "unknown key `lora_unet_x.sideways`"),
        (whole() | {"unet.conv_in.weight": ROW}, "unknown key `unet.conv_in.weight`"),
        (whole() | {"transformer.x.lora_A.weight": ROW}, "unknown key `transformer.x.lora_A.weight`"),
        (whole() | {f"{DOTTED}.lora_A.weight": ROW}, "are the same tensor"),
        (whole(alpha=torch.ones(2)), "an alpha is one number"),
        (whole(alpha=torch.tensor(float("nan"))), "NaN or infinity"),
        (whole(alpha=torch.tensor(0.0)), "alpha` is 0"),
        (whole(alpha=torch.tensor(0.0), dora_scale=torch.ones(4, 1)), "alpha` is 0"),
        (whole(alpha=torch.tensor(0.0), diff_b=torch.ones(4)), "alpha` is 0"),
        (whole(dora_scale=torch.full((4, 1), float("inf"))), "NaN or infinity"),
        (whole(lokr_w1=torch.ones(2, 2)), "several kinds at once"),
        (whole(rescale=torch.ones(4, 1)), "several kinds at once"),
        (whole() | {"lora_te_x.alpha": torch.tensor(1.0)}, "`lora_te_x` has alpha but no factors"),
        (parts(dora_scale=torch.ones(4, 1), diff_b=torch.ones(4)), "goes with no factors"),
        (parts(**{"lora_down.weight": ROW}), "lora_up.weight` is missing"),
        (parts(**{"lora_up.weight": COLUMN}), "lora_down.weight` is missing"),
        (parts(**{"lora_mid.weight": torch.ones(2, 2, 3, 3)}), "lora_down.weight` is missing"),
        (parts(hada_w1_a=COLUMN, hada_w1_b=ROW, hada_w2_a=COLUMN), "hada_w2_b` is missing"),
        (parts(lokr_w1=torch.ones(2, 2)), "lokr_w2` is missing"),
        (parts(lokr_w1=torch.ones(2, 2), lokr_w2_a=COLUMN), "lokr_w2_b` is missing"),
        (parts(rescale=torch.ones(4, 1)), "oft_blocks` is missing"),
        (parts(b_norm=torch.ones(4)), "w_norm` is missing"),
        (parts(**{"lora_down.weight": ROW, "lora_up.weight": torch.ones(4, 3)}), r"\(2, 3\) and \(4, 3\) do not fit"),
        (parts(**{"lora_down.weight": ROW, "lora_up.weight": torch.ones(4, 2, 1, 1)}), "do not fit"),
        (parts(**{"lora_down.weight": torch.ones(2, 3, 3, 3), "lora_up.weight": torch.ones(4, 3)}), "do not fit"),
        (parts(**{"lora_down.weight": torch.ones(0, 3), "lora_up.weight": torch.ones(4, 0)}), "is empty"),
        (parts(**{"lora_down.weight": torch.ones(2), "lora_up.weight": torch.ones(2)}), "do not fit"),
        ({f"{TEXT_KEY}.{end}.weight": torch.ones(2) for end in ("lora_down", "lora_up")}, "do not fit"),
        (parts(hada_w1_a=COLUMN, hada_w1_b=ROW, hada_w2_a=COLUMN, hada_w2_b=torch.ones(2, 5)), "do not fit"),
        (parts(hada_w1_a=COLUMN, hada_w1_b=ROW, hada_w2_a=torch.ones(2), hada_w2_b=ROW), "do not fit"),
        (parts(lokr_w1=torch.ones(2, 2), lokr_w2_a=COLUMN, lokr_w2_b=torch.ones(3, 3)), "do not fit"),
        (parts(lokr_w1=torch.ones(2), lokr_w2=torch.ones(2, 2)), "do not fit"),
        (parts(lokr_w1=torch.ones(2, 2), lokr_w2_a=torch.ones(2), lokr_w2_b=ROW), "do not fit"),
        (parts(oft_blocks=torch.ones(2, 2, 3)), "do not fit"),
        (parts(oft_blocks=torch.ones(2, 2, 2), rescale=torch.ones(3, 1)), "do not fit"),
        (parts(**{"lora_down.weight": ROW.int(), "lora_up.weight": COLUMN.int()}), "is of type I32"),
        ({}, "holds no tensors"),
    ],
)
def test_faults_are_named(tensors: Tensors, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({key: tensor.clone() for key, tensor in tensors.items()}, path)
    with pytest.raises(LoraFileError, match=message) as caught:
        read_lora(path)
    assert str(path) in str(caught.value)


def raw_file(path: Path, header: str, body: bytes = b"") -> Path:
    text = header.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def test_a_key_that_stands_twice_in_the_header(tmp_path: Path) -> None:
    entry = json.dumps({"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]})
    key = f"{NAME}.lora_down.weight"
    path = raw_file(tmp_path / "a.safetensors", f'{{"{key}":{entry},"{key}":{entry}}}', bytes(4))
    with pytest.raises(LoraFileError, match=f"`{key}` stands twice"):
        read_lora(path)


def test_a_header_over_its_limit(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.safetensors", "{}" + " " * HEADER_LIMIT)
    with pytest.raises(LoraFileError, match="header claims"):
        read_lora(path)


@pytest.mark.parametrize("content", [b"", b"\x01\x00", bytes(8), (4).to_bytes(8, "little") + b"[1]]"])
def test_what_is_no_header(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoraFileError, match="not a readable"):
        read_lora(path)


def test_truncated_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(whole(), path)
    content = path.read_bytes()
    for length in (3, 8, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(LoraFileError, match="not a readable"):
            read_lora(path)


def test_a_renamed_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(LoraFileError, match=r"a pickle \(whatever its name says\)"):
        read_lora(path)
    torch.save({"x": torch.ones(2)}, path)
    with pytest.raises(LoraFileError, match=r"a pickle \(whatever its name says\)"):
        read_lora(path)


def test_configuration_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({f"{DOTTED}.lora_A.weight": ROW, f"{DOTTED}.lora_B.weight": COLUMN}, path, {"lora_adapter_metadata": "{"})
    with pytest.raises(LoraFileError, match="no JSON"):
        read_lora(path)


def test_a_path_of_no_stable_diffusion(tmp_path: Path) -> None:
    stem = "diffusion_model.foreign_blocks.0.img_attn.proj"
    path = tmp_path / "a.safetensors"
    save_file({f"{stem}.lora_down.weight": ROW, f"{stem}.lora_up.weight": COLUMN}, path)
    with pytest.raises(LoraFileError, match="foreign_blocks"):
        read_lora(path)
