"""Samples that trainers draw while they train, by their names. A sample shows the LoRA at weight 1; before the first
step it shows the base model, for a LoRA begins as nothing.

sd-scripts and musubi-tuner: `name_e000003_00_20260101120000_42.png` (`sample_image_inference`, `sample_images`);
ai-toolkit: `1700000000000__000000250_0.jpg` below `NAME/samples`; OneTrainer: `..-training-sample-250-3-10.jpg` below
`0 - prompt`. None of them writes the prompt, the last two no seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.importing.containers.picture_sources import SourcePicture
from eval.importing.metadata.told import Told, ToldLora, UnclearPictureError, seed_of
from eval.importing.naming.file_pattern import numbered_prompt

SD_SCRIPTS = re.compile(
    r"(?:(?P<run>.+)_)?(?:e(?P<epoch>\d{6})|(?P<step>\d{6}))_(?P<at>\d{2,3})_\d{14}(?:_(?P<seed>\d+))?(?:_\d+)?"
)
AI_TOOLKIT = re.compile(r"\d{13}__(?P<step>\d{9})_(?P<at>\d+)")
ONE_TRAINER = re.compile(r".*-training-sample-(?P<when>(?P<step>\d+)-\d+-\d+)(?:-.*)?")
_NUMBERED = re.compile(r"(?P<at>\d+) - ")


@dataclass(frozen=True)
class SampleNames:
    """`prompts`: the trainer's sample prompts, in their order; `seed`: that of samples whose names tell none."""

    prompts: Sequence[str]
    seed: int | None

    def told(self, picture: SourcePicture) -> Told | None:
        """What a sample's name tells; None where it is no trainer's. Raises UnclearPictureError."""
        stem = picture.name.rpartition(".")[0]
        if found := SD_SCRIPTS.fullmatch(stem):
            said = found.groupdict()
            return self._told("sd-scripts", said, said["at"], _kohya_name(said))
        if found := AI_TOOLKIT.fullmatch(stem):
            said = found.groupdict()
            run = picture.folder[-2] if picture.folder[-1:] == ("samples",) and len(picture.folder) > 1 else ""
            return self._told("ai-toolkit", said, said["at"], f"{run}_{said['step']}" if run else "")
        if found := ONE_TRAINER.fullmatch(stem):
            numbered = _NUMBERED.match(picture.folder[-1] if picture.folder else "")
            return self._told("OneTrainer", found.groupdict(), numbered and numbered["at"], f"save-{found['when']}")
        return None

    def _told(self, tool: str, said: Mapping[str, str | None], at: str | None, lora: str) -> Told:
        if not self.prompts:
            raise UnclearPictureError(f"it is a sample of {tool}, which does not tell its prompt; give --prompts FILE")
        if at is None:
            raise UnclearPictureError(f"it is a sample of {tool} that does not tell which prompt it is of")
        seed = said.get("seed") or self.seed
        if seed is None:
            raise UnclearPictureError(f"it is a sample of {tool}, which does not tell its seed; give --seed")
        is_base = not any(int(said.get(key) or 0) for key in ("epoch", "step"))
        if not lora and not is_base:
            raise UnclearPictureError(f"it is a sample of {tool} that does not tell its run")
        loras = () if is_base else (ToldLora(lora, 1.0, 1.0),)
        return Told(numbered_prompt(self.prompts, int(at)), seed_of(seed), loras, tool)


def _kohya_name(said: Mapping[str, str | None]) -> str:
    """As sd-scripts calls its files; without an output name it is not told."""
    if not (run := said["run"]):
        return ""
    return f"{run}-{said['epoch']}" if said["epoch"] else f"{run}-step{int(said['step'] or 0):08d}"
