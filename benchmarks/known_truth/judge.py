"""The judge: reads the identity attributes off a whole picture of the miniature world, where the truth is known.

It shares nothing with the face pack but the style of the drawings: no weights, no code, no crop, no pictures. It is a
classifier and knows no similarity. Most of what it was shown went through the miniature's VAE, with noise in the
latents, so that rendered pictures are no news to it. `python benchmarks/truth.py --judge` trains it and says how
often it is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from foundation.files import whole_file
from known_truth.attributes import ATTRIBUTES, NOBODY, places_of
from miniature.paths import FOLDERS
from miniature.recipe.draw import draw_other, draw_person
from miniature.recipe.world import draw_identity_where, draw_scene

WEIGHTS = Path(__file__).resolve().parents[1] / "recorded" / "judge.safetensors"
PEOPLE, OTHERS, SEED = 12_000, 900, 90_210  # the recipe draws from groups of other seeds
EPOCHS, BATCH, RATE = 14, 64, 3e-3
LATENT_NOISE = 0.35  # of the latents' deviation, at most
CHUNK = 64
Said = Callable[[str], None]


@dataclass(frozen=True)
class Shown:
    """Pictures (N, 64, 64, 3) uint8, and where their attributes stand in the tables (N, 5): 0 where nobody is."""

    pixels: np.ndarray
    places: np.ndarray


class Judge(nn.Module):
    """(N, 3, 64, 64) RGB in -1..1 -> one row of logits an attribute, the first of them "nobody there"."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.seen = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(128 * 4 * 4, 96), nn.SiLU())
        self.heads = nn.ModuleList(nn.Linear(96, 1 + len(known)) for known in ATTRIBUTES.values())

    def forward(self, pictures: Tensor) -> list[Tensor]:
        seen = self.seen(pictures)
        return [head(seen) for head in self.heads]


@torch.no_grad()
def read_attributes(judge: Judge, pixels: np.ndarray) -> np.ndarray:
    """(N, 64, 64, 3) uint8 -> places (N, 5) in ATTRIBUTES, from 1; 0 is nobody."""
    chunks = [judge(as_input(pixels[at : at + CHUNK])) for at in range(0, len(pixels), CHUNK)]
    return np.concatenate([torch.stack([one.argmax(-1) for one in logits], 1).numpy() for logits in chunks])


def as_input(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def as_pixels(pictures: Tensor) -> np.ndarray:
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def drawn(people: int, others: int, seed: int, held_out: bool) -> Shown:
    """Freshly drawn people, of identities that the world's models were trained on or not, and pictures of nobody."""
    rng = random.Random(seed)
    pixels, places = [], []
    for _ in range(people):
        identity = draw_identity_where(rng, held_out)
        pixels.append(draw_person(identity, draw_scene(rng)).pixels)
        places.append(places_of(identity))
    for _ in range(others):
        pixels.append(draw_other(rng)[0].pixels)
        places.append([NOBODY] * len(ATTRIBUTES))
    return Shown(np.stack(pixels), np.array(places))


@torch.no_grad()
def through_vae(pixels: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """The pictures after the miniature's VAE, each with latent noise of its own deviation up to `noise`."""
    from diffusers import AutoencoderKL  # takes seconds to import, and judging needs none of it

    vae = AutoencoderKL.from_pretrained(FOLDERS["base"] / "vae").float().eval()
    generator = torch.Generator().manual_seed(seed)
    done = []
    for at in range(0, len(pixels), CHUNK):
        latents = vae.encode(as_input(pixels[at : at + CHUNK])).latent_dist.mean
        strength = torch.rand(len(latents), 1, 1, 1, generator=generator) * noise / vae.config["scaling_factor"]
        latents = latents + torch.randn(latents.shape, generator=generator) * strength
        done.append(as_pixels(vae.decode(latents).sample))
    return np.concatenate(done)


def train_judge(say: Said) -> Judge:
    """Draw, show, train. The same seeds give the same judge on one machine and thread."""
    torch.manual_seed(SEED)
    sharp = drawn(PEOPLE, OTHERS, SEED, held_out=False)
    say(f"{len(sharp.pixels)} pictures drawn")
    soft = through_vae(sharp.pixels, LATENT_NOISE, SEED)
    say("seen through the VAE")
    judge, generator = Judge().train(), torch.Generator().manual_seed(SEED)
    steps = EPOCHS * (len(sharp.pixels) // BATCH)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    both, places = np.stack([sharp.pixels, soft]), torch.from_numpy(sharp.places)
    for step in range(steps):
        at = torch.randint(len(sharp.pixels), (BATCH,), generator=generator)
        which = (torch.rand(BATCH, generator=generator) < 0.75).long()  # most of them as rendered ones look
        pictures, told = spoilt(as_input(both[which.numpy(), at.numpy()]), places[at], generator)
        told_apart = [functional.cross_entropy(one, told[:, head]) for head, one in enumerate(judge(pictures))]
        loss = torch.stack(told_apart).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % (steps // EPOCHS) == 0:
            say(f"epoch {step * EPOCHS // steps}, loss {loss.item():.3f}")
    return judge.eval()


def spoilt(pictures: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Softer, noisier, of other colours; one in twenty torn into a heap of tiles, in which nobody is."""
    count = len(pictures)

    def each(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low

    soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pictures = pictures + (soft - pictures) * each(-1, 1).clamp(min=0)
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * each(0.9, 1.25)  # a high CFG scale saturates
    pictures = pictures * each(0.92, 1.15) + each(-0.06, 0.06)
    pictures = pictures + torch.randn(pictures.shape, generator=generator) * each(0, 0.12)
    torn = torch.rand(count, generator=generator) < 0.05
    tiles = functional.unfold(pictures, 8, stride=8)
    order = torch.rand(count, 1, tiles.shape[2], generator=generator).argsort(-1).expand_as(tiles)
    heap = functional.fold(tiles.gather(2, order), pictures.shape[-2:], 8, stride=8)
    pictures = torch.where(torn[:, None, None, None], heap, pictures)
    return pictures.clamp(-1, 1), torch.where(torn[:, None], NOBODY, places)


def accuracy(judge: Judge, count: int = 600) -> dict[str, dict[str, float]]:
    """How often each attribute is read right, on people that nobody was trained on: as drawn, and through the VAE."""
    shown = drawn(count, 0, SEED + 1, held_out=True)
    ways = {
        "drawn": shown.pixels,
        "through the VAE": through_vae(shown.pixels, 0, 1),
        "through the VAE, noisy latents": through_vae(shown.pixels, LATENT_NOISE, 1),
    }
    found = {name: read_attributes(judge, pixels) == shown.places for name, pixels in ways.items()}
    return {
        name: {**dict(zip(ATTRIBUTES, right.mean(0).tolist(), strict=True)), "share": float(right.mean())}
        for name, right in found.items()
    }


def write_judge(judge: Judge, path: Path = WEIGHTS) -> None:
    """Half precision, 0.8 MB."""
    with whole_file(path) as beside:
        save_file({name: tensor.half().contiguous() for name, tensor in judge.state_dict().items()}, beside)


def load_judge(path: Path = WEIGHTS) -> Judge:
    judge = Judge()
    judge.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return judge.eval()
