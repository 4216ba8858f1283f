"""A second CLIP, which sees mouths and glasses: for captions, on whole pictures and on faces cut out of them.

The first one (`clip.py`) grades what is drawn, and every recorded score hangs on it; its one vector answers with hair
and colours. This one is asked slot by slot, as a captioner asks, and so each slot's phrases are each other's near
misses in every step.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from miniature.recipe import world
from miniature.recipe.clips.clip import (
    augmented,
    contrast,
    cosines,
    encode_words,
    save_half,
    scale_of,
    told_of,
    write_config,
)
from miniature.recipe.dataset import Drawn
from miniature.recipe.draw import draw_person
from miniature.recipe.training import Course, Loss, Outcome, as_input, run_course
from miniature.recipe.untyped import untyped

COURSE = Course("caption_clip", steps=3000, rate=3e-3, warm_up=0.1, weight_decay=1e-2, decay=0.998)
WHOLE, NEAR = 20, 44  # pictures of a batch: as they are, and faces cut out of others
EMBEDDING = 128
SIZE = 64
# A ModifiedResNet like the first one's, narrower: 0.7 MB.
VISION: dict[str, Any] = {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
TEXT: dict[str, Any] = {"context_length": 77, "width": 48, "heads": 3, "layers": 2, "hf_tokenizer_name": "."}
NOBODY = "picture of"  # so the captions of robots, landscapes and icons begin
NO_PHRASE, UNKNOWN = -1, -2
UNSEEN, SEED = 300, 20_261_128
LETTERS = 512  # of CLIP's words, each byte in the middle of a word and at its end
START, END = "<|startoftext|>", "<|endoftext|>"
# A captioner cuts faces out with 0.15 of room, by a detector's box: here both are a little off, each time otherwise.
ROOM, OFF = (1.0, 1.35), 0.06
WHOLE_CAPTIONS = 0.3  # what the contrast of fuller captions weighs beside the slots
WEIGHTS = {"mouth": 3.0}  # of slots in the loss: a mouth is the smallest thing that a caption names; others have 1
WHO = [
    f"photo of a {world.CLASS_WORD}",
    "photo of a woman",
    "photo of a man",
    "photo of somebody",
    f"drawing of a {world.CLASS_WORD}",
]
MOSTLY = 0.6  # share of the steps that say the first of them
Tokenizer = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Slot:
    """Phrases of which one holds of a person, or with "" as the first of them perhaps none."""

    options: tuple[str, ...]
    on_faces: bool = True

    def told(self, parts: Sequence[str]) -> int:
        """Which of them a whole caption says: where none, nothing holds, or no phrase fits more than another."""
        said = [at for at, option in enumerate(self.options) if option in parts]
        return said[0] if said else NO_PHRASE if self.options[0] else 0


def _coloured(colours: Iterable[str], things: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{colour} {thing}" for thing in things for colour in colours)


SLOTS = {
    "mouth": Slot(tuple(world.MOUTHS.values())),
    "eyes": Slot(tuple(world.EYES.values())),
    "worn": Slot(("", *(f"wearing {glasses}" for glasses in world.GLASSES.values()))),
    "beard": Slot(("", *world.BEARDS.values())),
    "skin": Slot(_coloured(world.SKIN_COLOURS, ["skin"])),
    "hair": Slot(_coloured(world.HAIR_COLOURS, world.HAIR_STYLES.values()), on_faces=False),
    "clothes": Slot(_coloured(world.CLOTHES_COLOURS, world.CLOTHES.values()), on_faces=False),
    "background": Slot(_coloured(world.BACKGROUNDS, ["background"]), on_faces=False),
}


def prompts(who: str) -> list[str]:
    """What every option of every slot is asked as; nothing is asked as the bare person, as a captioner asks it."""
    return [f"{who}, {option}" if option else who for slot in SLOTS.values() for option in slot.options]


def truths(captions: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, slots): of each picture which option holds; UNKNOWN of people with a name, whose looks no caption says."""
    table = np.full((len(captions), len(SLOTS)), UNKNOWN)
    for row, (whole, *_) in zip(table, captions, strict=True):
        who, *parts = whole.split(", ")
        if who == f"photo of a {world.CLASS_WORD}" or who.startswith(NOBODY):
            row[:] = [slot.told(parts) for slot in SLOTS.values()]
    return table


def slot_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Cross entropy of (N, options) by the options that hold (N,).

    Where no phrase fits, all are to be as likely: of a robot a captioner is then not sure how it smiles, and says
    nothing.
    """
    logs = functional.log_softmax(logits, 1)
    of_right = logs.gather(1, right.clamp(min=0)[:, None])[:, 0]
    chosen = torch.where(right == NO_PHRASE, logs.mean(1), of_right)
    known = right != UNKNOWN
    return -(chosen * known).sum() / known.sum().clamp(min=1)


def cut_out(picture: np.ndarray, box: np.ndarray, rng: random.Random) -> np.ndarray:
    """The face (SIZE, SIZE, 3) uint8 within a box (4,), enlarged as open_clip's preparation enlarges."""
    longest = float(max(box[2] - box[0], box[3] - box[1]))
    side = min(SIZE, round(longest * rng.uniform(*ROOM)))
    left, top = (
        int(np.clip(round(float(low + high - side) / 2 + rng.uniform(-OFF, OFF) * longest), 0, SIZE - side))
        for low, high in ((box[0], box[2]), (box[1], box[3]))
    )
    face = Image.fromarray(picture).crop((left, top, left + side, top + side))
    return np.asarray(face.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def write_tokenizer(folder: Path, texts: Iterable[str]) -> int:
    """CLIP's byte pairs, of which only those are kept that `texts` need; returns how many words there are.

    Any text can still be read, if need be letter by letter. All 49,408 words would be 6.3 MB of embeddings.
    """
    whole: Any = untyped(SimpleTokenizer())
    made_of: dict[str, tuple[str, str]] = {"".join(pair): pair for pair in whole.bpe_ranks}
    pairs: set[tuple[str, str]] = set()

    def need(word: str) -> None:
        if (pair := made_of.get(word)) and pair not in pairs:
            pairs.add(pair)
            for half in pair:
                need(half)

    for text in texts:
        for number in whole.encode(text):
            need(whole.decoder[number])
    merges = sorted(pairs, key=lambda pair: whole.bpe_ranks[pair])
    letters = list(whole.encoder)[:LETTERS]
    # The end comes last: open_clip reads a text at its largest number.
    words = [*letters, *("".join(pair) for pair in merges), START, END]
    with TemporaryDirectory() as scratch:
        vocabulary, merged = Path(scratch, "vocab.json"), Path(scratch, "merges.txt")
        vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
        merged.write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]))
        tokenizer = CLIPTokenizer(str(vocabulary), str(merged), model_max_length=TEXT["context_length"], pad_token=END)
    untyped(tokenizer).save_pretrained(folder)
    return len(words)


class _Taught(nn.Module):
    """The CLIP, and beside it a vector of its own for each phrase, which training alone knows.

    A text tower that has not learned to read says nearly the same of each mouth, and a picture tower that is asked by
    it learns none. The vectors ask from the first step as a classifier's head does; what they bring out is then read.
    """

    def __init__(self, clip: CLIP) -> None:
        super().__init__()
        self.clip = clip
        self.phrases = nn.Parameter(torch.randn(len(prompts(WHO[0])), EMBEDDING))


class _Slots:
    """The loss of asking pictures slot by slot: a softmax over each slot's phrases, as captioners take it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokens = [tokenizer(prompts(who)) for who in WHO]
        sizes = [len(slot.options) for slot in SLOTS.values()]
        self._spans = [(sum(sizes[:at]), sum(sizes[: at + 1])) for at in range(len(sizes))]
        self._weights = torch.tensor([WEIGHTS.get(slot, 1.0) for slot in SLOTS])

    def __call__(self, model: _Taught, seen: Tensor, right: Tensor, rng: random.Random) -> Tensor:
        """`seen` (N, E) unit vectors, `right` (N, slots)."""
        who = 0 if rng.random() < MOSTLY else rng.randrange(len(WHO))
        read = encode_words(model.clip, self._tokens[who])
        return self._asked(model, seen, right, read) + self._asked(model, seen, right, model.phrases)

    def _asked(self, model: _Taught, seen: Tensor, right: Tensor, phrases: Tensor) -> Tensor:
        logits = scale_of(model.clip) * seen @ functional.normalize(phrases).T
        losses = [slot_loss(logits[:, begin:end], right[:, slot]) for slot, (begin, end) in enumerate(self._spans)]
        return (torch.stack(losses) * self._weights).sum() / self._weights.sum()


def train_caption_clip(drawn: Drawn, work: Path, folder: Path) -> Outcome:
    """Train it slot by slot, and a little on fuller captions; write `folder` as open_clip reads it."""
    untyped(torch).manual_seed(COURSE.seed)
    told = [one for three in drawn.captions for one in three]
    words = write_tokenizer(folder, [*told, *(one for who in WHO for one in prompts(who))])
    text = {**TEXT, "vocab_size": words}
    write_config(folder, EMBEDDING, VISION, text)
    model = CLIP(EMBEDDING, CLIPVisionCfg(**VISION), CLIPTextCfg(**text))
    tokenizer: Tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    taught = _Taught(model)
    outcome = run_course(COURSE, taught, loss_of(drawn, taught, tokenizer), work)
    save_half(model, folder)
    return outcome


def loss_of(drawn: Drawn, model: _Taught, tokenizer: Tokenizer) -> Loss:
    """The loss of WHOLE pictures and of NEAR faces cut out of others."""
    slots, right = _Slots(tokenizer), torch.as_tensor(truths(drawn.captions))
    unseen = torch.tensor([at for at, slot in enumerate(SLOTS.values()) if not slot.on_faces])
    people = torch.nonzero(right[:, list(SLOTS).index("mouth")] >= 0)[:, 0]

    def loss(generator: torch.Generator) -> Tensor:
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        whole = torch.randint(len(right), (WHOLE,), generator=generator)
        near = people[torch.randint(len(people), (NEAR,), generator=generator)]
        faces = [cut_out(drawn.pixels[one], drawn.boxes[one], rng) for one in untyped(near).tolist()]
        pictures = torch.as_tensor(np.concatenate([drawn.pixels[whole.numpy()], np.stack(faces)]))
        seen = functional.normalize(model.clip.encode_image(augmented(as_input(pictures), generator)))
        of_faces = right[near]
        of_faces[:, unseen] = UNKNOWN
        asked = slots(model, seen, torch.cat([right[whole], of_faces]), rng)
        told = told_of(drawn, untyped(whole).tolist(), rng)
        read = functional.normalize(encode_words(model.clip, tokenizer(told)))
        return asked + WHOLE_CAPTIONS * contrast(scale_of(model.clip) * seen[:WHOLE] @ read.T)

    return loss


def measure_caption_clip(folder: Path) -> dict[str, float]:
    """Of UNSEEN people that no training saw, how often the nearest phrase is the right one; clothes by colour alone.

    Faces are cut out by where they were drawn: the captioner's own figures, by a detector's boxes and with what stays
    unsaid, are those of `benchmarks/before_training/captions.py`.
    """
    rng = random.Random(SEED)
    scenes = [world.draw_scene(rng) for _ in range(UNSEEN)]
    drawings = [draw_person(world.draw_identity_where(rng, held_out=True), scene) for scene in scenes]
    whole = [Image.fromarray(drawing.pixels) for drawing in drawings]
    boxes = [drawing.box for drawing in drawings]
    faces = [
        Image.fromarray(cut_out(np.asarray(picture), box, rng))
        for picture, box in zip(whole, boxes, strict=True)
        if box is not None
    ]
    shares: dict[str, float] = {}
    for name in ("mouth", "worn", "clothes", "background"):
        slot = SLOTS[name]
        asked = [f"{WHO[0]}, {option}" if option else WHO[0] for option in slot.options]
        nearest: list[int] = untyped(cosines(folder, faces if slot.on_faces else whole, asked).argmax(1)).tolist()
        right = [slot.told(scene.words()) for scene in scenes]
        pairs = [(slot.options[one], slot.options[other]) for one, other in zip(nearest, right, strict=True)]
        shares[name] = sum(_told_apart(name, one) == _told_apart(name, other) for one, other in pairs) / UNSEEN
    return shares


def _told_apart(slot: str, option: str) -> str:
    return option.partition(" ")[0] if slot == "clothes" else option
