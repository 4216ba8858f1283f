"""The three files of a subject, as tables: the run's configuration, the grid's specification, the prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from miniature.paths import NAME
from trainer.starting.caption_words import CaptionWords
from trainer.starting.judge_choice import ChosenJudges, without_a_path, written_path
from trainer.starting.machine import Machine
from trainer.starting.prompt_choice import ChosenPrompts
from trainer.starting.request import PROMPTS
from trainer.starting.subject_facts import SubjectFacts
from trainer.starting.toml_text import Entry, Table

LORAS, STORE = "lora", "eval"
UNET, TE, SEEDS = (0.6, 0.8, 1.0), (0.5, 1.0), 4
SAMPLED = 3  # prompts drawn after each epoch


@dataclass(frozen=True)
class Settled:
    """All that the files say: what was found, and what was chosen of it."""

    folder: Path
    preset: str
    facts: SubjectFacts
    train: Path
    reg: Path | None
    words: CaptionWords
    prompts: ChosenPrompts
    judges: ChosenJudges
    machine: Machine
    resolution: int
    has_captioned_references: bool
    price_per_hour: float | None

    @property
    def name(self) -> str:
        """What the LoRA's files are called: the trigger's first word, as far as a file may be called so."""
        return re.sub(r"[^\w-]+", "-", self.words.trigger.split()[0]).strip("-") or "subject"

    def path(self, path: Path) -> str:
        """As a file of the folder says it."""
        return written_path(path, self.folder)

    @property
    def base(self) -> str:
        """The base model as a file of the folder names it."""
        found = self.facts.base
        return self.path(found.path) if found.name != NAME and Path(found.name).exists() else found.name


def train_tables(settled: Settled) -> list[Table]:
    """`train.toml`."""
    facts, machine = settled.facts, settled.machine
    preset = Entry("preset", settled.preset, "Settings that worked: what is not named below has its value.")
    base = Entry("base", settled.base, f"{facts.base.family.name}, which draws at {facts.base.size} px.")
    model = [base, Entry("device", machine.device, machine.in_words)]
    training = [Entry("epochs", settled.machine.epochs_of(settled.preset), "One LoRA file an epoch.")]
    if not machine.has_gpu and not facts.is_miniature:
        model.append(Entry("dtype", "float32", "CPUs are slow in the preset's bfloat16."))
        training.append(Entry("optimizer", "AdamW", "The 8-bit one needs a GPU."))
    if machine.has_gpu and facts.base.family.pooled is not None:
        model.append(Entry("gradient_checkpointing", True, "Less memory, more time, the same result."))
    return [
        Table("", (preset,), _head("The training", settled, "trainer run --explain KEY")),
        Table("model", tuple(model)),
        Table("data", tuple(_data(settled))),
        Table("training", tuple(training)),
        *([_samples(settled)] if machine.has_gpu or facts.is_miniature else []),
        Table("output", tuple(_output(settled))),
    ]


def _data(settled: Settled) -> list[Entry]:
    entries = [
        Entry("train", settled.path(settled.train), "Folders named `<repeats>_<words>`, captions beside pictures.")
    ]
    if settled.reg is not None:
        entries.append(Entry("reg", settled.path(settled.reg), "Pictures of others of the class."))
    if settled.has_captioned_references:
        said = "Never trained on: their loss shows when the run learns its pictures by heart."
        entries.append(Entry("held_out", settled.path(settled.facts.references), said))
    side = "Pixels: the side of a square of the pictures' area."
    if not settled.has_captioned_references:
        side += (
            "\nThe references have no captions, so pictures of Train are held out for the loss (held_out_share);\n"
            "with captions beside them: held_out = their folder."
        )
    return [*entries, Entry("resolution", settled.resolution, side)]


def _samples(settled: Settled) -> Table:
    shown = [settled.prompts.bare, *settled.prompts.varied][:SAMPLED]
    entries = [Entry("prompts", shown)]
    if settled.judges.faces is not None:
        entries.append(Entry("faces", without_a_path(settled.judges.faces, settled.folder)))
        entries.append(Entry("references", settled.path(settled.facts.references)))
    return Table("samples", tuple(entries), "Pictures after each epoch, to look at while it trains.")


def _output(settled: Settled) -> list[Entry]:
    entries = [Entry("folder", LORAS), Entry("name", settled.name)]
    if settled.price_per_hour is not None:
        entries.append(Entry("price_per_hour", settled.price_per_hour, "Of the machine, in any currency."))
    return entries


def grid_tables(settled: Settled) -> list[Table]:
    """`grid.toml`."""
    machine, words = settled.machine, settled.words
    model = [Entry("base", settled.base, "The one that was trained on."), Entry("device", machine.device)]
    model.append(Entry("dtype", "float16" if machine.has_gpu else "float32"))
    lora = (
        Entry("checkpoints", [f"{LORAS}/{settled.name}*.safetensors"], "Every epoch's file, at all of these weights."),
        Entry("unet", list(UNET)),
        Entry("te", list(TE)),
    )
    prompts = (
        Entry("file", PROMPTS),
        Entry(
            "seeds",
            SEEDS,
            "Pictures of a prompt and cell, half without the trigger; more tell finer differences apart.",
        ),
        Entry("trigger", words.trigger, "A prompt that has it shows the subject; the base model is shown the class."),
        Entry("class", words.class_word),
    )
    references = (
        Entry(
            "held_out", settled.path(settled.facts.references), "Who the subject is: pictures that are not trained on."
        ),
        Entry("training", settled.path(settled.train), "To see whether pictures are copied."),
    )
    tables = [
        Table("", (), _head("The grid", settled, "eval grid --explain KEY")),
        Table("model", tuple(model)),
        Table("lora", lora),
        Table("prompts", prompts),
        Table("references", references),
        Table("score", tuple(_score(settled))),
        Table("store", (Entry("path", STORE),), "Pictures, and what was read of them."),
    ]
    if settled.price_per_hour is not None:
        tables.append(Table("budget", (Entry("price_per_hour", settled.price_per_hour),)))
    return tables


def _score(settled: Settled) -> list[Entry]:
    judges = settled.judges
    clip = Entry("clip", without_a_path(judges.clip, settled.folder), "Whether a picture shows what its prompt says.")
    if judges.faces is None:
        return [Entry("subject", "image", 'Likeness of whole pictures; of a person: "face", and faces = PACK.'), clip]
    said = 'The face model; "opencv:FOLDER" is free of insightface\'s terms.'
    return [Entry("faces", without_a_path(judges.faces, settled.folder), said), clip]


def prompt_tables(settled: Settled) -> list[Table]:
    """`prompts.toml`."""
    words = settled.words
    comment = (
        f"What the grid draws. With the trigger `{words.trigger}` a prompt shows the subject; without it, whether the\n"
        "LoRA bleeds into others. The first is the trigger and no more: it shows whether pictures are copied.\n"
        "The others vary what the captions vary; change them to what you want to use the LoRA for."
    )
    return [Table("", (Entry("prompts", list(settled.prompts.all)),), comment)]


def _head(what: str, settled: Settled, explains: str) -> str:
    return (
        f"{what} of `{settled.words.trigger}`, written by `trainer init`.\n"
        f"What a key means: `{explains}`, or docs/keys.md."
    )
