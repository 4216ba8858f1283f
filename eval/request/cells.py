"""Cells and pictures: what is rendered and compared, and ids that are hashes of everything that shapes the result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from base_models.drawing.samplers import evaluations
from eval.request.epochs.training_order import Trained
from loras.weights import ADAPTER, TEXT_PARTS, Weights

CONTROL = "control"  # the id of the base model's own cell
# Counts up when the renderer's pictures change, so that a store never answers with what an older one drew.
RENDERER_VERSION = 2


_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(*parts: object) -> str:
    """A short hash over JSON-able parts."""
    return _hash_of(_JSON.encode(parts))


def _hash_of(text: str) -> str:
    # A name of a file that is no text has halves of letters.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


@dataclass(frozen=True)
class Checkpoint:
    """A LoRA file that can be put on: `name` is what it is called, mostly its file name without suffix.

    `epoch`, `step`: when it was saved, as far as its header or its name says. `same_as`: the sha256 of the file of the
    grid whose tensors this one repeats, metadata aside; "" for an original.
    """

    path: Path
    name: str
    sha256: str
    epoch: int | None
    same_as: str = ""
    step: int | None = None

    @property
    def trained(self) -> Trained:
        """What its place in the order of training follows from."""
        return Trained(self.epoch, self.step, self.name)

    @property
    def content(self) -> str:
        """What ids know it by: one hash for all files of the same tensors. Alone, a file keeps the hash of its own."""
        return self.same_as or self.sha256


@dataclass(frozen=True)
class Use:
    """One LoRA at certain weights."""

    checkpoint: Checkpoint
    weights: Weights

    def __str__(self) -> str:
        return f"{self.checkpoint.name}:{self.weights}"


@dataclass(frozen=True)
class Called:
    """What a guest is called by in the grid's prompts: its trigger, and the class word that its control is shown.

    "" stands for the grid's own.
    """

    trigger: str = ""
    class_word: str = ""


@dataclass(frozen=True)
class Cell:
    """One (checkpoint, also, weights), exported as `dtype`: the export's type is part of what is scored.

    `same_as`: the id of a cell of the grid that differs in weights alone on parts which the files lack; "" for others.
    `on`: how it is drawn, where a grid has several ways and its rows are held beside one another; else None.
    `called`: by which words, where it is a guest; None for one's own checkpoints.
    """

    use: Use
    also: tuple[Use, ...]
    dtype: str
    same_as: str = ""
    on: Sampling | None = None
    called: Called | None = None

    @property
    def uses(self) -> tuple[Use, ...]:
        return (self.use, *self.also)

    @property
    def acting(self) -> tuple[Use, ...]:
        """The uses that move anything: a LoRA at weight 0 everywhere does nothing."""
        return tuple(use for use in self.uses if use.weights.act)

    @cached_property
    def id(self) -> str:
        """What a row goes by: `lora_id`, with how it is drawn where that varies, and a guest's own words."""
        own = self.lora_id if self.on is None else digest("cell on", self.lora_id, asdict(self.on))
        return own if self.called in (None, Called()) else digest("cell called", own, asdict(self.called))

    @cached_property
    def lora_id(self) -> str:
        """A hash over contents and weights, not names: two files of the same tensors at the same weights are one cell.

        Where nothing acts, whatever the files, it is the base model itself.
        """
        if self.same_as:
            return self.same_as
        acting = [(use.checkpoint.content, *_of_parts(use.weights)) for use in self.acting]
        return digest("cell", acting, self.dtype) if acting else CONTROL

    @property
    def text_key(self) -> str:
        """Cells with the same key move the text encoders alike, and share encoded prompts."""
        acting = [
            (use.checkpoint.content, *_of_parts(use.weights)[1:])
            for use in self.uses
            if any(use.weights.on(part) for part in TEXT_PARTS)
        ]
        return digest("text", acting, self.dtype)

    @property
    def unet_key(self) -> str:
        """Cells with the same key put the same bits on the UNet, and are rendered in one batch.

        The factors of a blend of several LoRAs are scaled by what acts in all of it, the text encoders included, so
        there the key says which text encoders move.
        """
        acting = self.acting
        if len(acting) == 1:
            return digest("unet", [(acting[0].checkpoint.content, *_of_denoiser(acting[0].weights))], self.dtype)
        moved = [(use.checkpoint.content, *_of_denoiser(use.weights), *_moved_texts(use.weights)) for use in acting]
        return digest("unet", moved, self.dtype)


def _of_parts(weights: Weights) -> tuple[object, ...]:
    """What ids hash of weights; parts that few families have come behind, where they do not follow."""
    return (weights.unet, weights.te1, weights.te2, *weights.beyond.items())


def _moved_texts(weights: Weights) -> list[bool]:
    return [weights.te1 != 0, weights.te2 != 0, *([] if weights.te3 is None else [weights.te3 != 0])]


def _of_denoiser(weights: Weights) -> tuple[object, ...]:
    return (weights.unet, *([] if weights.adapter is None else [(ADAPTER, weights.adapter)]))


@dataclass(frozen=True)
class Sampling:
    """Everything but cell, prompt and seed that shapes a picture. `clip_skip` 1 is the last layer, as A1111 counts."""

    base: str
    dtype: str
    sampler: str
    steps: int
    cfg: float
    width: int
    height: int
    clip_skip: int
    negative: str

    @property
    def forwards(self) -> int:
        """UNet forwards of a picture: evaluations of the UNet at one step, each with its guidance pair. The least
        where another program draws it."""
        return evaluations(self.sampler, self.steps)

    @cached_property
    def _stem(self) -> str:
        """What all pictures' ids begin with: a plan makes a million of them."""
        return _JSON.encode(["picture", RENDERER_VERSION, asdict(self)])[:-1]

    def picture_id(self, cell_id: str, prompt: str, seed: int) -> str:
        """As `digest("picture", RENDERER_VERSION, asdict(self), cell_id, prompt, seed)`."""
        return _hash_of(f"{self._stem},{_JSON.encode([cell_id, prompt, seed])[1:]}")
