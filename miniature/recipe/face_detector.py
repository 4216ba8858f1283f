"""The face pack's detector: a tiny convolutional net with SCRFD's outputs (strides 8, 16, 32; two anchors each)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from miniature.recipe.dataset import Drawn
from miniature.recipe.face_pictures import blank, blurred, faceless, noisy, recoloured, scrambled, static, uniform
from miniature.recipe.training import Course, Outcome, as_input, run_course
from miniature.recipe.untyped import untyped

COURSE = Course("face_detector", steps=1200, rate=3e-3, warm_up=0.1, weight_decay=1e-3, decay=0.995)
BATCH = 48
STRIDES = (8, 16, 32)
ANCHORS = 2
# The faces (longer side, pixels) that each stride answers for; where two overlap, both do.
REACH = {8: (0.0, 34.0), 16: (26.0, 72.0), 32: (56.0, 1e9)}
# Canvases of a batch. Most are 64, as most pictures will be: the batch norms' averages are right for that size, and
# enlarged pictures are found with coarser boxes. Canvases of one larger size were tried: worse landmarks at 64.
SIZES = (64, 64, 64, 64, 96, 128)
PER_ANCHOR = (1, 4, 10)
FOCAL_GAMMA = 2.0  # Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4
MEAN, DEVIATION = 127.5, 128.0  # what the manifest declares; SCRFD's own


@dataclass(frozen=True)
class Batch:
    """`pictures` (N, 3, S, S); `boxes` (N, 4), `landmarks` (N, 5, 2) in pixels; `there` (N,): is anybody?"""

    pictures: Tensor
    boxes: Tensor
    landmarks: Tensor
    there: Tensor


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class Detector(nn.Module):
    """(N, 3, H, W) to nine tensors, each (N, places * anchors, 1, 4 or 10): scores, then boxes, then landmarks.

    Boxes are distances left, top, right, bottom from a place's corner, landmarks x, y offsets, in units of the stride.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_layer(3, 16, 2), _layer(16, 24, 2), _layer(24, 24))
        widths = (24, 40, 56, 64)
        pairs = pairwise(widths)
        self.stages = nn.ModuleList(nn.Sequential(_layer(a, b, 2), _layer(b, b)) for a, b in pairs)
        self.sides = nn.ModuleList(nn.Conv2d(width, 40, 1) for width in widths[1:])
        self.merges = nn.ModuleList(_layer(40, 40) for _ in STRIDES)
        self.heads = nn.ModuleList(nn.Conv2d(40, ANCHORS * sum(PER_ANCHOR), 3, padding=1) for _ in STRIDES)
        for head in self.heads:
            # Begin by seeing faces nowhere, or the many places without one drown the first steps.
            nn.init.constant_(cast("Tensor", head.bias)[:ANCHORS], -3.0)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        states = self.stem(pictures)
        levels: list[Tensor] = []
        for stage, side in zip(self.stages, self.sides, strict=True):
            states = stage(states)
            levels.append(side(states))
        for at in (1, 0):
            levels[at] = levels[at] + functional.interpolate(levels[at + 1], scale_factor=2.0, mode="nearest")
        answers = [head(merge(level)) for head, merge, level in zip(self.heads, self.merges, levels, strict=True)]
        split = [answer.split([ANCHORS * each for each in PER_ANCHOR], 1) for answer in answers]
        return tuple(
            parts[kind].permute(0, 2, 3, 1).reshape(pictures.shape[0], -1, each)
            for kind, each in enumerate(PER_ANCHOR)
            for parts in split
        )


class _Exported(nn.Module):
    """One picture in, two-dimensional tensors and probabilities out: the shapes by which insightface knows SCRFD."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        flat = [answer.flatten(0, 1) for answer in self.detector(pictures)]
        return (*(score.sigmoid() for score in flat[:3]), *flat[3:])


def anchors_of(size: int, stride: int) -> Tensor:
    """(places * anchors, 2) corners x, y in the order SCRFD reads them: row by row, a place's anchors side by side."""
    steps = torch.arange(size // stride, dtype=torch.float32) * stride
    down, across = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([across, down], -1).reshape(-1, 2).repeat_interleave(ANCHORS, 0)


def _level_loss(answers: tuple[Tensor, Tensor, Tensor], batch: Batch, stride: int) -> Tensor:
    scores, boxes, landmarks = answers
    anchors = anchors_of(batch.pictures.shape[-1], stride)
    longest = (batch.boxes[:, 2:] - batch.boxes[:, :2]).amax(1, keepdim=True)
    middle = (batch.boxes[:, :2] + batch.boxes[:, 2:]) / 2
    away = (anchors[None] - middle[:, None]).abs().amax(-1) / longest
    low, high = REACH[stride]
    ours = batch.there[:, None] & (longest >= low) & (longest < high)
    # 0.3: a place within reach exists for every face above. The ring around it is neither right nor wrong.
    right, counted = ours & (away < 0.3), ~(ours & (away >= 0.3) & (away < 0.55))
    logits = scores[..., 0]
    cross = functional.binary_cross_entropy_with_logits(logits, right.float(), reduction="none")
    surprise = (1 - torch.exp(-cross)) ** FOCAL_GAMMA
    found = right.sum().clamp(min=1)
    loss = (surprise * cross * counted).sum() / found
    sides = torch.cat([anchors - batch.boxes[:, None, :2], batch.boxes[:, None, 2:] - anchors], -1) / stride
    points = ((batch.landmarks[:, None] - anchors[None, :, None]) / stride).flatten(2)
    loss = loss + functional.smooth_l1_loss(boxes[right], sides[right], reduction="sum", beta=0.1) / (4 * found)
    return loss + 2 * functional.smooth_l1_loss(landmarks[right], points[right], reduction="sum", beta=0.1) / (
        10 * found
    )


def detector_loss(answers: tuple[Tensor, ...], batch: Batch) -> Tensor:
    parts = [
        _level_loss((answers[at], answers[at + 3], answers[at + 6]), batch, stride) for at, stride in enumerate(STRIDES)
    ]
    return torch.stack(parts).sum()


def _placed(pictures: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures redrawn on canvases of `size`, at a scale and place of their own: new pixels are old * scale + shift."""
    count = len(pictures)
    zoom = uniform(count, 0.6, 1.3, generator).view(count, 1)
    # One in four fills the canvas as it was drawn: so will most pictures be, and so must noise be seen.
    zoom[torch.rand(count, generator=generator) < 0.25] = 1.0
    room = torch.rand(count, 2, generator=generator) - 0.5
    # Shrunk pictures lie anywhere on the canvas; grown ones move little, or the face would leave it.
    drift = room * torch.where(zoom < 1, 1 - zoom, 0.25 * (zoom - 1))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / zoom[:, 0]
    theta[:, :, 2] = -2 * drift / zoom
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    edge = "border" if torch.rand(1, generator=generator) < 0.7 else "zeros"
    placed = functional.grid_sample(pictures, grid, padding_mode=edge, align_corners=False)
    return placed, size / pictures.shape[-1] * zoom, size / 2 * (1 - zoom) + size * drift


def _nobody(count: int, pictures: Tensor, boxes: Tensor, generator: torch.Generator) -> Tensor:
    """`count` pictures without a face: portraits (count, 3, S, S) scrambled or painted over, blank colours, noise."""
    size, part = pictures.shape[-1], count // 4
    kinds = [
        scrambled(pictures[:part], 8, generator),
        scrambled(pictures[part : 2 * part], 16, generator),
        faceless(pictures[2 * part : 3 * part], boxes[2 * part : 3 * part], generator),
    ]
    left = count - 3 * part
    return torch.cat([*kinds, blank(left // 2, size, generator), static(left - left // 2, size, generator)])


def make_batch(drawn: Drawn, people: Tensor, others: Tensor, generator: torch.Generator) -> Batch:
    """Portraits, five in eight; the rest nobody: drawings of no person, scrambled or painted portraits, noise."""
    portraits, others_count, nobody = BATCH * 5 // 8, BATCH // 8, BATCH // 4
    chosen = people[torch.randint(len(people), (portraits + nobody,), generator=generator)]
    strangers = others[torch.randint(len(others), (others_count,), generator=generator)]
    which = chosen[:portraits].numpy()
    shown = as_input(torch.as_tensor(drawn.pixels[chosen.numpy()]))
    spare = torch.as_tensor(drawn.boxes[chosen[portraits:].numpy()]).float()
    pictures = torch.cat(
        [
            shown[:portraits],
            as_input(torch.as_tensor(drawn.pixels[strangers.numpy()])),
            _nobody(nobody, shown[portraits:], spare, generator),
        ]
    )
    size = SIZES[int(torch.randint(len(SIZES), (1,), generator=generator))]
    pictures, scale, shift = _placed(blurred(pictures, generator), size, generator)
    pictures = noisy(recoloured(pictures, 0.35, generator), 0.12, generator)
    scale, shift = scale[:portraits, :, None], shift[:portraits, None]
    corners, points = (torch.as_tensor(known[which]).float() for known in (drawn.boxes, drawn.landmarks))
    boxes, landmarks = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(BATCH, 1), torch.zeros(BATCH, 5, 2)
    boxes[:portraits] = (corners.view(-1, 2, 2) * scale + shift).flatten(1)
    landmarks[:portraits] = points * scale + shift
    return Batch(pictures * MEAN / DEVIATION, boxes, landmarks, torch.arange(BATCH) < portraits)


def train_detector(drawn: Drawn, work: Path) -> tuple[Detector, Outcome]:
    untyped(torch).manual_seed(COURSE.seed)
    detector = Detector()
    somebody = np.array([person is not None for person in drawn.people])
    people, others = torch.as_tensor(np.flatnonzero(somebody)), torch.as_tensor(np.flatnonzero(~somebody))

    def loss_of(generator: torch.Generator) -> Tensor:
        batch = make_batch(drawn, people, others, generator)
        return detector_loss(detector(batch.pictures), batch)

    return detector, run_course(COURSE, detector, loss_of, work)


def export_detector(detector: Detector, path: Path) -> None:
    """Write an ONNX file whose input may have any height and width that are multiples of 32."""
    names = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES]
    untyped(torch.onnx).export(
        _Exported(detector).eval(),
        (torch.zeros(1, 3, 64, 64),),
        str(path),
        input_names=["input.1"],
        output_names=names,
        # A fixed size would silently overrule the det_size that FaceAnalysis.prepare is given.
        dynamic_axes={"input.1": {2: "height", 3: "width"}, **{name: {0: f"places_{name}"} for name in names}},
        opset_version=17,
        dynamo=False,
    )
