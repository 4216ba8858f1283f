"""Pictures as the face models must stand them: spoilt as a small diffusion model spoils them, and pictures of nobody.

Pictures are float (N, 3, H, W) in -1..1 throughout; every draw comes from the generator that is passed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(count, 1, 1, 1) evenly drawn numbers, one a picture."""
    return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low


def blurred(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture mixed with its soft form, by a share of its own; one in two stays sharp."""
    soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), "replicate"), 3, 1)
    coarse = functional.interpolate(functional.avg_pool2d(pictures, 2), pictures.shape[-2:], mode="bilinear")
    blur = torch.where(uniform(len(pictures), 0, 1, generator) < 0.5, soft, coarse)
    return pictures.lerp(blur, uniform(len(pictures), -1, 1, generator).clamp(min=0))


def recoloured(pictures: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Saturation, contrast, brightness and a tint, each off by `strength` at most."""
    count = len(pictures)
    grey = (pictures * GREY).sum(1, keepdim=True)
    pictures = grey.lerp(pictures, uniform(count, 1 - strength, 1 + 1.5 * strength, generator))
    pictures = pictures * uniform(count, 1 - strength, 1 + strength, generator)
    tint = (torch.rand(count, 3, 1, 1, generator=generator) * 2 - 1) * strength / 4
    return pictures + uniform(count, -strength / 2, strength / 2, generator) + tint


def noisy(pictures: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise of a deviation up to `most`, another for every picture; clamped back into -1..1."""
    noise = torch.randn(pictures.shape, generator=generator)
    return (pictures + noise * uniform(len(pictures), 0, most, generator)).clamp(-1, 1)


def scrambled(pictures: Tensor, block: int, generator: torch.Generator) -> Tensor:
    """Each picture cut into square blocks, which then change places; H and W are multiples of `block`."""
    blocks = functional.unfold(pictures, block, stride=block)
    order = torch.rand(len(blocks), 1, blocks.shape[2], generator=generator).argsort(-1)
    return functional.fold(blocks.gather(2, order.expand_as(blocks)), pictures.shape[-2:], block, stride=block)


def faceless(pictures: Tensor, boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Faces (boxes (N, 4), pixels) painted over: with a random colour, or with the skin's own from beside the nose."""
    size = pictures.shape[-1]
    places = torch.arange(size) + 0.5
    across = (places >= boxes[:, 0, None]) & (places <= boxes[:, 2, None])
    down = (places >= boxes[:, 1, None]) & (places <= boxes[:, 3, None])
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    nose = (boxes[:, :2] * 0.45 + boxes[:, 2:] * 0.55).long().clamp(0, size - 1)
    skin = pictures[torch.arange(len(pictures)), :, nose[:, 1], nose[:, 0]][:, :, None, None]
    paint = torch.rand(len(pictures), 3, 1, 1, generator=generator) * 2 - 1
    paint = torch.where(uniform(len(pictures), 0, 1, generator) < 0.5, paint, skin)
    return torch.where(inside, paint.expand_as(pictures), pictures)


def blank(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Plain colours, some running into a second colour from top to bottom."""
    ends = torch.rand(2, count, 3, 1, 1, generator=generator) * 2 - 1
    ramp = torch.linspace(0, 1, size).view(1, 1, size, 1) * (uniform(count, 0, 1, generator) < 0.5)
    return ends[0].lerp(ends[1], ramp).expand(count, 3, size, size).contiguous()


def static(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Noise without a picture: even, normal, or in blotches of 2 to 16 pixels."""
    even = torch.rand(count, 3, size, size, generator=generator) * 2 - 1
    normal = (torch.randn(even.shape, generator=generator) * 0.5).clamp(-1, 1)
    cells = size // 2 ** int(torch.randint(1, 5, (1,), generator=generator))
    coarse = torch.rand(count, 3, cells, cells, generator=generator) * 2 - 1
    blotches = functional.interpolate(coarse, (size, size), mode="bilinear")
    kind = torch.randint(3, (count, 1, 1, 1), generator=generator)
    return torch.where(kind == 0, even, torch.where(kind == 1, normal, blotches))
