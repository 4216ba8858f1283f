"""Keys and values of a constant text are made once, and the pictures are the same to the bit."""

from __future__ import annotations

import copy

import pytest
import torch

from eval.attention import ConstantText, keep_text
from eval.cells import Sampling
from eval.render import encode_prompts, render
from trainer.base_model import BaseModel, load_base

SAMPLING = Sampling("miniature", "float32", "euler_a", 3, 9.0, 64, 64, 1, "")


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return load_base("miniature")


def test_pictures_are_the_same_to_the_bit(base: BaseModel) -> None:
    """Also after the weights and the prompts have changed."""
    prompts = [encode_prompts(base, [text], 1) for text in ("photo of a person, red hoodie", "a cat", "")]
    name = next(name for name in base.modules if name.endswith("attn2_to_k"))
    weight = base.modules[name].get_parameter("weight")
    pristine, plain = weight.detach().clone(), copy.deepcopy(base.unet.attn_processors)

    def drawn() -> list[torch.Tensor]:
        pictures = []
        for factor in (1.0, 3.0):
            with torch.no_grad():
                weight.copy_(pristine * factor)
            for prompt in prompts[:2]:
                pictures.append(torch.from_numpy(render(base, SAMPLING, prompt, prompts[2], [5])))
        with torch.no_grad():
            weight.copy_(pristine)
        return pictures

    wanted = drawn()
    keep_text(base.unet)
    found = drawn()
    assert all(isinstance(one, ConstantText) for one in base.unet.attn_processors.values())
    base.unet.set_attn_processor(plain)
    assert all(torch.equal(one, other) for one, other in zip(wanted, found, strict=True))
    assert not torch.equal(wanted[0], wanted[2]), "the changed weight must be seen"


def test_the_text_is_projected_once_a_batch(base: BaseModel) -> None:
    name = next(name for name in base.modules if name.endswith("attn2_to_v"))
    calls: list[int] = []
    hook = base.modules[name].register_forward_hook(lambda *_: calls.append(1))
    plain = copy.deepcopy(base.unet.attn_processors)
    keep_text(base.unet)
    for _ in range(2):
        render(base, SAMPLING, encode_prompts(base, ["a"], 1), encode_prompts(base, [""], 1), [1])
    hook.remove()
    base.unet.set_attn_processor(plain)
    assert len(calls) == 2
