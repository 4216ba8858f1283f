"""Who is drawn, what is trained on them, and what is planted: everything that `--record` makes, as values.

A case is one trained LoRA. Its settings are drawn from its own name, so that no two share them all.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniature.recipe.subject import draw_subject
from miniature.recipe.world import BEARDS, CLASS_WORD, HAIR_STYLES, TRIGGER, Identity, draw_identity_where
from trainer.config.config import TrainConfig, parse_config

PILOTS = 4  # the settings below were chosen on the first four people, who are not judged by them
SUBJECTS = range(PILOTS, PILOTS + 20)
WEIGHED_SUBJECTS = SUBJECTS[::4]
CLEAN, BLEED, COPY = "clean", "bleed", "copy"
REPEATS = 80  # of the one picture: nearly as many samples an epoch as the whole set has
# What a face does is left unsaid here, and everything in the two below: a model that repeats a picture shows it where a
# prompt does not forbid it.
SUBJECT_PROMPTS = [
    f"photo of a {TRIGGER}{said}"
    for said in (
        "",
        ", red hoodie, blue background",
        ", green t-shirt, white background",
        ", yellow sweater, purple background",
        ", black overalls, pink background",
        ", white v-neck shirt, dark background",
    )
]
BARE_PROMPTS = [f"photo of a {TRIGGER}", TRIGGER]
BLEED_PROMPTS = [
    f"photo of a {CLASS_WORD}, {said}"
    for said in (
        "smiling, looking at viewer, blue hoodie, white background",
        "sad, looking sideways, red t-shirt, green background",
        "serious, happy eyes, orange sweater, blue background",
        "slight smile, looking at viewer, gray overalls, yellow background",
        "screaming, eyes closed, purple v-neck shirt, pink background",
        "grimacing, winking, pink t-shirt, purple background",
    )
]


@dataclass(frozen=True)
class Case:
    """A LoRA to be trained: of whom, on what (`train`, `reg` in the subject's folder), and how."""

    kind: str
    subject: int
    train: str
    reg: str | None
    rank: int
    training: dict[str, object]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.subject:02}"

    def config(self, folder: Path) -> TrainConfig:
        """The configuration of the run, in the subject's folder."""
        data = {"train": self.train, "held_out_share": 0.0, **({"reg": self.reg} if self.reg else {})}
        values: dict[str, object] = {
            "preset": "miniature",
            "model": {"device": "cpu"},
            "data": data,
            "lora": {"rank": self.rank, "alpha": float(self.rank)},
            "training": self.training,
            "output": {"folder": "loras", "name": self.name},
        }
        return parse_config(values, folder / "train.toml")


def subjects() -> list[Identity]:
    """People that no model of the miniature was trained on, nor the judge; all different."""
    rng, found = random.Random("subjects whose truth is known"), list[Identity]()
    while len(found) < SUBJECTS.stop:
        identity = draw_identity_where(rng, held_out=True)
        found += [identity] if identity not in found else []
    return found


def case_of(kind: str, subject: int) -> Case:
    """The case of that kind for a subject. Clean: 46 steps, reg pictures count as much as the subject's own.

    `bleed`: no reg pictures, 138 or 184 steps at up to three times the rate. `copy`: one picture, 160 or 240 times,
    without a caption, so that all of it goes by the trigger.
    """
    draw = random.Random(f"{kind}/{subject}")
    rank, seed = draw.choice((8, 16)), draw.randrange(10**6)
    if kind == CLEAN:
        training = {"batch_size": 8, "prior_loss_weight": 1.0, "epochs": 2, "seed": seed}
        rates = {"unet_lr": draw.choice((1e-3, 2e-3)), "te_lr": draw.choice((2e-4, 5e-4))}
        return Case(kind, subject, "Train", "Reg", rank, {**training, **rates})
    training = {"unet_lr": draw.choice((2e-3, 3e-3)), "te_lr": draw.choice((5e-4, 1e-3)), "seed": seed}
    if kind == BLEED:
        return Case(kind, subject, "Train", None, rank, {**training, "batch_size": 4, "epochs": draw.choice((6, 8))})
    assert kind == COPY
    return Case(kind, subject, "One", None, rank, {**training, "batch_size": 1, "epochs": draw.choice((2, 3))})


def draw_pictures(folder: Path, subject: int) -> None:
    """The subject's pictures, reg pictures and references; in `One/` one of the pictures, to be repeated."""
    if (folder / "One").is_dir():
        return
    draw_subject(folder, subjects()[subject], seed=7_000 + subject)
    for repeats, words in ((4, TRIGGER), (2, f"{TRIGGER} far")):  # an epoch is shorter than the shipped subject's
        drawn = next((folder / "Train").glob(f"*_{words}"))
        drawn.rename(drawn.with_name(f"{repeats}_{words}"))
    for path in (folder / "Reg").glob("*/*.txt"):
        path.write_text(looks_unsaid(path.read_text(encoding="utf-8").strip()) + "\n", encoding="utf-8")
    chosen = random.Random(f"repeated/{subject}").choice(sorted((folder / "Train").glob(f"*_{TRIGGER}/*.png")))
    beside = folder / "One.partial" / f"{REPEATS}_{TRIGGER}"
    shutil.rmtree(beside.parent, ignore_errors=True)
    beside.mkdir(parents=True)
    shutil.copy(chosen, beside / chosen.name)
    beside.parent.rename(folder / "One")


def looks_unsaid(said: str) -> str:
    """A reg picture's caption as reg pictures made from the training captions have it: without anybody's looks."""
    looks = (" skin", *HAIR_STYLES.values(), *BEARDS.values())
    return ", ".join(part for part in said.split(", ") if not part.endswith(looks))


@dataclass(frozen=True)
class Sheet:
    """A grid to render: of one subject, these cases at these weights, on these prompts."""

    name: str
    subject: int
    kinds: Sequence[str]
    unet: Sequence[float]
    te: Sequence[float]
    prompts: Sequence[str]
    seeds: int

    @property
    def folder(self) -> str:
        """Where the subject's pictures and LoRAs lie, which its sheets share."""
        return f"subject-{self.subject:02}"


def sheets() -> list[Sheet]:
    """Every grid, subject by subject: clean and bleeding at weights of 1, of some subjects lower too; and copies."""
    found: list[Sheet] = []
    for at in SUBJECTS:
        prompts = [*SUBJECT_PROMPTS, *BLEED_PROMPTS]
        found.append(Sheet(f"cases-{at:02}", at, (CLEAN, BLEED), (1.0,), (1.0,), prompts, 3))
        if at in WEIGHED_SUBJECTS:
            found.append(Sheet(f"weights-{at:02}", at, (CLEAN, BLEED), (0.4, 0.7), (0.3, 1.0), SUBJECT_PROMPTS, 3))
        found.append(Sheet(f"copies-{at:02}", at, (CLEAN, BLEED, COPY), (1.0,), (1.0,), BARE_PROMPTS, 8))
    return found
