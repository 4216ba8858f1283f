"""Pictures by their names: `{checkpoint}_{strength}_{prompt}_{seed}.png`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from eval.importing.metadata.told import (
    Told,
    ToldLora,
    UnclearPictureError,
    lora_name,
    plain_words,
    seed_of,
    weight_of,
)
from foundation.errors import ConfigurationError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
# What a field takes; texts are read as short and as long as can be, and have to come out alike.
FIELDS = {
    "checkpoint": "text", "prompt": "text", "_": "text", "strength": NUMBER, "unet": NUMBER, "te": NUMBER,
    "seed": r"\d+", "epoch": r"\d+", "step": r"\d+",
}  # fmt: skip
_FIELD = re.compile(r"\{(\w+)\}")
NO_LORA = frozenset(["none", "base", "nolora", "control"])


@dataclass(frozen=True)
class FilePattern:
    """A pattern, read. `seed`: that of pictures whose names tell none; `prompts`: what a number for a prompt means."""

    text: str
    short: re.Pattern[str]
    long: re.Pattern[str]
    seed: int | None
    prompts: Sequence[str]

    def told(self, name: str, checkpoints: Collection[str]) -> Told | None:
        """What a file's name tells; None where it does not fit. `checkpoints`: the names of LoRA files that are known.

        Raises UnclearPictureError where the name can be read in two ways, or tells no weight, prompt or seed.
        """
        readings = [found.groupdict() for one in (self.short, self.long) if (found := one.fullmatch(name))]
        if not readings:
            return None
        if readings[0] != readings[-1]:
            readings = [one for one in readings if _file_of(one) in checkpoints] or readings
        if readings[0] != readings[-1]:
            two = " and ".join(f"`{one.get('checkpoint', '')}`" for one in readings)
            raise UnclearPictureError(f"its name can be read in two ways ({two}); name the LoRA files by --loras")
        return self._told_by(readings[0])

    def _told_by(self, said: dict[str, str]) -> Told:
        seed = said.get("seed", self.seed)
        if seed is None:
            raise UnclearPictureError("its name tells no seed; give --seed where all have the same")
        return Told(self._prompt(said.get("prompt")), seed_of(seed), _loras(said), "file names")

    def _prompt(self, said: str | None) -> str:
        if said is None and len(self.prompts) == 1:
            return plain_words(self.prompts[0])
        if said is None:
            raise UnclearPictureError("its name tells no prompt; give --prompts with the one that all have")
        if self.prompts and said.isascii() and said.isdigit():
            return numbered_prompt(self.prompts, int(said))
        return plain_words(said.replace("_", " ") if " " not in said else said)


def read_pattern(text: str, seed: int | None, prompts: Sequence[str]) -> FilePattern:
    """A pattern as a user writes it. Raises ConfigurationError for a field that is not known."""
    fields = _FIELD.findall(text)
    if unknown := next((name for name in fields if name not in FIELDS), None):
        raise ConfigurationError(f"--pattern: {{{unknown}}} is no field; there are {', '.join(FIELDS)}")
    if doubled := next((name for name in fields if name != "_" and fields.count(name) > 1), None):
        raise ConfigurationError(f"--pattern: {{{doubled}}} stands there twice; {{_}} takes what says nothing")
    if not fields:
        raise ConfigurationError("--pattern: has no field; write one as {checkpoint}_{strength}_{prompt}_{seed}.png")
    return FilePattern(text, _compiled(text, ".+?"), _compiled(text, ".+"), seed, prompts)


def numbered_prompt(prompts: Sequence[str], at: int) -> str:
    """The prompt of a number from 0 on. Raises UnclearPictureError beyond the last."""
    if at >= len(prompts):
        raise UnclearPictureError(f"it is of prompt number {at}, and --prompts has {len(prompts)}")
    return plain_words(prompts[at])


def _compiled(text: str, any_text: str) -> re.Pattern[str]:
    """Of the file's name alone; its suffix may be any picture's."""
    parts = _FIELD.split(PurePosixPath(text).stem if PurePosixPath(text).suffix else text)
    written = ""
    for at, part in enumerate(parts):
        if at % 2 == 0:
            written += re.escape(part)
        else:
            inside = any_text if FIELDS[part] == "text" else FIELDS[part]
            written += f"(?:{inside})" if part == "_" else f"(?P<{part}>{inside})"
    return re.compile(written)


def _loras(said: dict[str, str]) -> tuple[ToldLora, ...]:
    name = _file_of(said)
    if not name:
        raise UnclearPictureError("its name tells no checkpoint; put {checkpoint} into --pattern")
    if name.lower() in NO_LORA:
        return ()
    both = said.get("strength")
    unet, te = said.get("unet", both), said.get("te", both)
    if unet is None or te is None:
        raise UnclearPictureError("its name tells no weight; put {strength}, or {unet} and {te}, into --pattern")
    return (ToldLora(lora_name(name), weight_of(unet, f"`{name}`"), weight_of(te, f"`{name}`")),)


def _file_of(said: dict[str, str]) -> str:
    """The LoRA file's name: a run's with its epoch or step, as kohya writes it."""
    name = said.get("checkpoint", "")
    if "epoch" in said:
        return f"{name}-{int(said['epoch']):06d}"
    return f"{name}-step{int(said['step']):08d}" if "step" in said else name
