"""The face pack's recogniser: a 112x112 aligned crop to an embedding; cosines say how much of an identity agrees."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from insightface.utils.face_align import norm_crop
from torch import Tensor, nn
from torch.nn import functional

from miniature.recipe.dataset import Drawn
from miniature.recipe.face_pictures import blurred, noisy, recoloured
from miniature.recipe.training import Course, Outcome, as_input, run_course
from miniature.recipe.untyped import untyped
from miniature.recipe.world import BEARDS, BROWS, HAIR_COLOURS, HAIR_STYLES, SKIN_COLOURS

COURSE = Course("face_recogniser", steps=1200, rate=3e-3, warm_up=0.1, weight_decay=1e-2, decay=0.995)
BATCH = 64
CROP = 112
WIDTH = 128
JITTER = 0.6  # deviation of a landmark, in pixels of a 64 px picture: what the detector misses by
SHARPNESS = 12.0  # the embedding is a unit vector; the attribute heads read it at this length
GRADING = 8.0  # weight of the cosines' own loss against the five heads'
ATTRIBUTES: dict[str, list[str | None]] = {
    "hair_style": list(HAIR_STYLES),
    "hair_colour": list(HAIR_COLOURS),
    "skin": list(SKIN_COLOURS),
    "brows": list(BROWS),
    "beard": [None, *BEARDS],
}


def _layer(before: int, after: int, size: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.PReLU(after))


class Recogniser(nn.Module):
    """(N, 3, 112, 112) RGB in -1..1 to embeddings (N, 128), not normalised (insightface's users do that)."""

    def __init__(self) -> None:
        super().__init__()
        # A crop is some 40 px of a 64 px picture, enlarged: a stem of stride 4 loses nothing of it.
        self.layers = nn.Sequential(
            _layer(3, 40, 7, 4),
            _layer(40, 64, 3, 2),
            _layer(64, 80, 3, 1),
            _layer(80, 96, 3, 2),
            _layer(96, 96, 3, 2),
        )
        self.embed = nn.Linear(96 * 4 * 4, WIDTH)

    def forward(self, crops: Tensor) -> Tensor:
        return self.embed(self.layers(crops).flatten(1))


def labels_of(people: list[dict[str, object] | None]) -> Tensor:
    """(N, 5) places in ATTRIBUTES' lists; -1 where nobody is."""
    tables = {name: {word: place for place, word in enumerate(words)} for name, words in ATTRIBUTES.items()}
    nobody = [-1] * len(tables)
    return torch.tensor(
        [[table[cast("str", who[name])] for name, table in tables.items()] if who else nobody for who in people]
    )


def shared(labels: Tensor) -> Tensor:
    """(N, 5) labels to (N, N): the share of the attributes that two people have in common."""
    return (labels[:, None] == labels[None]).float().mean(-1)


def make_crops(pictures: Tensor, landmarks: np.ndarray, generator: torch.Generator) -> Tensor:
    """Crops (N, 3, 112, 112) of pictures (N, 3, 64, 64), spoilt and a little misaligned, by insightface's own crop."""
    spoilt = noisy(recoloured(blurred(pictures, generator), 0.08, generator), 0.1, generator)
    pixels = ((spoilt + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    points = landmarks + torch.randn(landmarks.shape, generator=generator).numpy() * JITTER
    crops = np.stack([norm_crop(one, where, CROP) for one, where in zip(pixels, points, strict=True)])
    return as_input(torch.as_tensor(crops))


def recogniser_loss(embeddings: Tensor, heads: nn.ModuleList, labels: Tensor, expected: Tensor) -> Tensor:
    """Five classifications on the unit embedding, and cosines that equal what two people share beyond chance.

    `expected` () is the share that two strangers have in common: it is taken off, so that strangers' cosines average 0.
    """
    unit = functional.normalize(embeddings)
    told = [functional.cross_entropy(head(unit * SHARPNESS), labels[:, at]) for at, head in enumerate(heads)]
    wanted = (shared(labels) - expected) / (1 - expected)
    return torch.stack(told).sum() + GRADING * (unit @ unit.T - wanted).square().mean()


def train_recogniser(drawn: Drawn, work: Path) -> tuple[Recogniser, Outcome]:
    untyped(torch).manual_seed(COURSE.seed)
    recogniser = Recogniser()
    heads = nn.ModuleList(nn.Linear(WIDTH, len(known)) for known in ATTRIBUTES.values())
    labels = labels_of(drawn.people)
    people = torch.as_tensor(np.flatnonzero([person is not None for person in drawn.people]))
    strangers = shared(labels[people[:: max(1, len(people) // 1000)]])
    expected = strangers[~torch.eye(len(strangers), dtype=torch.bool)].mean()

    def loss_of(generator: torch.Generator) -> Tensor:
        which = people[torch.randint(len(people), (BATCH,), generator=generator)]
        pictures = as_input(torch.as_tensor(drawn.pixels[which.numpy()]))
        crops = make_crops(pictures, drawn.landmarks[which.numpy()], generator)
        return recogniser_loss(recogniser(crops), heads, labels[which], expected)

    outcome = run_course(COURSE, nn.ModuleDict({"net": recogniser, "heads": heads}), loss_of, work)
    return recogniser, outcome


def export_recogniser(recogniser: Recogniser, path: Path) -> None:
    """Write an ONNX file of any number of crops at a time."""
    untyped(torch.onnx).export(
        recogniser.eval(),
        (torch.zeros(1, 3, CROP, CROP),),
        str(path),
        input_names=["input.1"],
        output_names=["embedding"],
        dynamic_axes={"input.1": {0: "faces"}, "embedding": {0: "faces"}},
        opset_version=17,
        dynamo=False,
    )
