"""A small real job for executors: a tiny random base, two random LoRAs, and the pictures that one process makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from loras import random_kohya_file
from tiny import SIDE, tiny_base

from eval.cells import Cell, Checkpoint, Sampling, Use
from eval.evidence import Unit
from eval.executors.executor import Amount, FinishedBatch, Job
from eval.executors.in_process import InProcess
from eval.plan import Batch, Plan, batches_of
from eval.prompts import Prompt
from eval.rendering import amount_of
from eval.spec import ModelSection, ScoreSection
from eval.weights import Weights
from trainer.base_model import load_base
from trainer.files import sha256_of

PROMPT = Prompt("photo of ohwx person", "photo of person")


@dataclass(frozen=True)
class Example:
    """`job` writes to a folder of its own each time it is taken; `alone` is what one process wrote."""

    folder: Path
    model: Job
    batches: list[Batch]
    alone: dict[str, bytes]

    def job(self, name: str) -> Job:
        return replace(self.model, pictures=str(self.folder / name))

    def pictures(self, name: str) -> dict[str, bytes]:
        return {path.stem: path.read_bytes() for path in (self.folder / name).rglob("[!.]*.png")}

    @property
    def amount(self) -> Amount:
        return amount_of(self.batches)


def example(folder: Path, seeds: int = 8) -> Example:
    """Four UNet weights of two files, in batches of two, at one thread."""
    base = load_base(str(tiny_base(folder / "base")))
    checkpoints = []
    for number in (1, 2):
        path = random_kohya_file(folder / f"lora {number}.safetensors", base.modules, number)
        checkpoints.append(Checkpoint(path, path.stem, sha256_of(path), None))
    cells = [Cell(Use(one, Weights.of(unet, 0.5)), (), "float16") for one in checkpoints for unet in (0.5, 1.0)]
    sampling = Sampling(base.sha256, "float32", "euler_a", 2, 5.0, SIDE, SIDE, 1, "")
    plan = Plan(sampling, {PROMPT.text: PROMPT}, [Unit(PROMPT.text, seed, "subject") for seed in range(seeds)], cells)
    job = Job(ModelSection(base=base.name, device="cpu"), sampling, ScoreSection(), "", threads=1)
    made = Example(folder, job, list(batches_of(plan, 2)), {})
    executor = InProcess(made.job("alone"))
    list(executor.run(made.batches, made.amount))
    return replace(made, alone=made.pictures("alone"))


def ids_of(finished: list[FinishedBatch]) -> list[str]:
    return [picture.id for one in finished for picture in one.batch.pictures]
