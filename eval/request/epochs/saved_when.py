"""When in a training a LoRA file was saved: its epoch and its step, from the header, else from the file's name.

Names as trainers write them: kohya's `name-000003` and `name-step00000250`, ai-toolkit's `name_000000250`, OneTrainer's
`..-save-1000-10-0`, diffusers' `checkpoint-500/pytorch_lora_weights`. Without a number, a file is a run's last one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.request.epochs.checkpoint_names import CALLED_ALIKE, speaking_name
from foundation.typed.json_values import is_list, is_table, parse_json

# More than so many epochs hardly anybody trains, and fewer steps than that hardly anybody saves.
MOST_EPOCHS = 250
RECIPE = "lora_studio.recipe"  # what `eval blend` and `eval export` write into a header
_END = r"(?=$|[-_. ])"
_SAVED = re.compile(r"(?:^|[-/])(?:save|backup)-(?P<step>\d+)-(?P<epoch>\d+)-\d+$")  # OneTrainer
_STEP = re.compile(rf"(?:^|[-_. /])(?:steps?|checkpoint)[-_= ]?(?P<step>\d+){_END}", re.IGNORECASE)
_EPOCH = re.compile(rf"(?:^|[-_. /])(?:epochs?|ep|e(?=\d))[-_= ]?(?P<epoch>\d+){_END}", re.IGNORECASE)
_KOHYA = re.compile(r"-(?P<epoch>\d{6})$")
_AI_TOOLKIT = re.compile(r"_(?P<step>\d{9})$")
_BARE = re.compile(r"(?:^|[-_ /])(?P<number>\d{1,8})$")


@dataclass(frozen=True)
class SavedWhen:
    """The epoch and the step after which a file was saved, None where they are not known.

    `number` is one that the name ends with and that does not say which of both it is.
    """

    epoch: int | None = None
    step: int | None = None
    number: int | None = None

    @property
    def known(self) -> bool:
        """Whether it says when, be it as an epoch or as a step."""
        return self.epoch is not None or self.step is not None


def when_by_header(metadata: Mapping[str, str]) -> SavedWhen:
    """What kohya and ai-toolkit write into a file's header; of a blend nothing, whatever its parents said."""
    if is_blend(metadata):
        return SavedWhen()
    return SavedWhen(_whole(metadata.get("ss_epoch")), _whole(metadata.get("ss_steps")) or _ai_toolkit_step(metadata))


def is_blend(metadata: Mapping[str, str]) -> bool:
    """Whether a file was made of several others: it is no epoch of a training, however it is called."""
    try:
        recipe: object = parse_json(metadata.get(RECIPE, "{}"))
    except ValueError:
        return False
    parents = recipe.get("parents") if is_table(recipe) else None
    return is_list(parents) and len(parents) > 1


def when_by_name(path: Path) -> SavedWhen:
    """What the file's name says, or its folder's where files are called alike."""
    name = speaking_name(path)
    if found := _SAVED.search(name) or _KOHYA.search(name) or _AI_TOOLKIT.search(name):
        said = found.groupdict()
        return SavedWhen(_whole(said.get("epoch")), _whole(said.get("step")))
    step, epoch = _STEP.search(name), _EPOCH.search(name)
    if step or epoch:
        return SavedWhen(_whole(epoch and epoch["epoch"]), _whole(step and step["step"]))
    bare = _BARE.search(name)
    return SavedWhen(number=int(bare["number"])) if bare else SavedWhen()


def run_called(name: str) -> str:
    """The name without what says when: equal for the files of one run."""
    for pattern in (_SAVED, _KOHYA, _AI_TOOLKIT):
        name = pattern.sub("", name)
    name = _EPOCH.sub("", _STEP.sub("", name))
    return _BARE.sub("", name).rstrip("/")


def with_units(found: Mapping[Path, SavedWhen]) -> dict[Path, SavedWhen]:
    """Bare numbers as epochs, or as steps where a run's go beyond what epochs do."""
    runs: dict[tuple[Path, str], int] = {}
    for path, when in found.items():
        if when.number is not None:
            runs[_run(path)] = max(when.number, runs.get(_run(path), 0))
    return {
        path: when if when.number is None else _counted(when.number, runs[_run(path)]) for path, when in found.items()
    }


def _counted(number: int, largest: int) -> SavedWhen:
    return SavedWhen(epoch=number) if largest <= MOST_EPOCHS else SavedWhen(step=number)


def _run(path: Path) -> tuple[Path, str]:
    folder = path.parent.parent if path.stem in CALLED_ALIKE else path.parent
    return folder, run_called(speaking_name(path))


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _ai_toolkit_step(metadata: Mapping[str, str]) -> int | None:
    """Its epochs count from 0 and are those that go on, so only the step is taken."""
    try:
        said: object = parse_json(metadata.get("training_info", "{}"))
    except ValueError:
        return None
    step = said.get("step") if is_table(said) else None
    return step if isinstance(step, int) and step >= 0 else None
