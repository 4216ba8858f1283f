"""The UNet prepared for guidance predicts what the plain one does, whatever weights it carries, and computes less."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from base_models.base_model import BaseModel, load_base
from base_models.drawing.guided_unet import GuidedUnet
from base_models.families.sdxl import SDXL

TIMESTEP = torch.tensor(700)


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return load_base("miniature")


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def plain(unet: torch.nn.Module, latents: Tensor, text: Tensor) -> Tensor:
    return unet(torch.cat([latents, latents]), TIMESTEP, encoder_hidden_states=text).sample


@torch.no_grad()
def guided(unet: GuidedUnet, latents: Tensor, text: Tensor) -> Tensor:
    return unet(latents, TIMESTEP, text)


@pytest.mark.parametrize("pictures", [1, 3])
def test_it_predicts_what_the_plain_unet_does(base: BaseModel, pictures: int) -> None:
    """Also for another text, and for the first one again after a weight has been written to in place."""
    other = copy.deepcopy(base.unet)
    unet = GuidedUnet(base.unet)
    latents, texts = drawn(1, pictures, 4, 16, 16), [drawn(seed, 2 * pictures, 77, 128) for seed in (2, 3)]
    for text in texts:
        torch.testing.assert_close(guided(unet, latents, text), plain(other, latents, text), atol=2e-5, rtol=1e-4)
    before = guided(unet, latents, texts[0])
    for part in ("to_q", "to_k", "to_v"):
        for module in (base.unet, other):
            with torch.no_grad():
                layer = module.get_submodule(f"mid_block.attentions.0.transformer_blocks.0.attn1.{part}")
                layer.get_parameter("weight").mul_(1.5)
    after = guided(unet, latents, texts[0].clone())
    torch.testing.assert_close(after, plain(other, latents, texts[0]), atol=2e-5, rtol=1e-4)
    assert not torch.allclose(before, after, atol=1e-3), "the changed weights must be seen"


def test_called_as_itself_the_unet_still_takes_any_batch(base: BaseModel) -> None:
    """Halves are taken under guidance only: an odd batch of different latents stays what it is."""
    wanted = copy.deepcopy(base.unet)
    GuidedUnet(base.unet)
    latents, text = drawn(4, 3, 4, 16, 16), drawn(5, 3, 77, 128)
    with torch.no_grad():
        found, expected = (unet(latents, TIMESTEP, encoder_hidden_states=text).sample for unet in (base.unet, wanted))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_the_common_part_sees_half_the_batch_and_the_text_is_projected_once(base: BaseModel) -> None:
    rows: list[int] = []
    projected: list[int] = []
    unet = GuidedUnet(base.unet)
    resnet = base.unet.get_submodule("down_blocks.0.resnets.0.conv1")
    keys = base.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k")
    hooks = [
        resnet.register_forward_hook(lambda _, given, __: rows.append(len(given[0]))),
        keys.register_forward_hook(lambda *_: projected.append(1)),
    ]
    latents, text = drawn(6, 2, 4, 16, 16), drawn(7, 4, 77, 128)
    for _ in range(3):
        guided(unet, latents, text)
    for hook in hooks:
        hook.remove()
    assert rows == [2, 2, 2]
    assert projected == [1]


def test_a_unet_whose_time_embedding_has_text_in_it_shares_less_and_is_right() -> None:
    """SDXL adds the pooled text to the time embedding, so its first resnet differs between the halves."""
    from diffusers import UNet2DConditionModel

    config = {
        **SDXL.unet,
        "block_out_channels": (32, 64, 64),
        "attention_head_dim": (2, 2, 2),
        "transformer_layers_per_block": (1, 1, 1),
        "cross_attention_dim": 16,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 16 + 6 * 8,
        "norm_num_groups": 8,
    }
    torch.manual_seed(0)
    made = UNet2DConditionModel(**config).eval().requires_grad_(False)
    other = copy.deepcopy(made)
    unet = GuidedUnet(made)
    latents, text = drawn(8, 2, 4, 16, 16), drawn(9, 4, 77, 16)
    added = {"text_embeds": drawn(10, 4, 16), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 4)}
    with torch.no_grad():
        found = unet(latents, TIMESTEP, text, added_cond_kwargs=added)
        wanted = other(torch.cat([latents, latents]), TIMESTEP, text, added_cond_kwargs=added).sample
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
