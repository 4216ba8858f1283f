"""The demo, begun from a page: the shipped subject as anybody's own: begun with, trained, drawn and scored."""

from __future__ import annotations

import shutil
from pathlib import Path

from foundation.errors import UserError
from miniature.paths import NAME, SUBJECT
from studio.jobs.commands import GRID, TRAIN, title_of
from studio.jobs.devices import devices_here
from studio.jobs.kept_job import Job, new_job
from studio.languages.translation import noted, tr

FOLDER = "demo"
PICTURES = ("Train", "references")
# So small that it is over in some ten minutes on two cores.
SMALLER = ("train.training.epochs=4", "grid.lora.unet=[0.7, 1.0]", "grid.lora.te=[1.0]", "grid.prompts.seeds=3")


class DemoThereError(UserError):
    """Something stands where the demo would be made."""


def demo_jobs(here: Path) -> list[Job]:
    """Copies the subject's pictures into the folder `demo`; three jobs, each after the one before: `trainer init`, the
    training, the grid. Raises DemoThereError."""
    if is_there(here):
        raise DemoThereError(tr("{folder}: is there already; move it away to make the demo anew", folder=here / FOLDER))
    for name in PICTURES:
        shutil.copytree(SUBJECT / name, here / FOLDER / name)
    device = devices_here()[0]
    begin = [
        "init", FOLDER, "--base", NAME, "--train", f"{FOLDER}/Train", "--references", f"{FOLDER}/references",
        "--trigger", "ohwx person", "--class", "person", "--preset", "miniature", "--faces", NAME, "--clip", NAME,
        *(word for one in SMALLER for word in ("--set", one)),
    ]  # fmt: skip
    jobs = [new_job("trainer", begin, noted("Begin with the demo"), here, device.name, device.environment)]
    for command, file in ((TRAIN, "train.toml"), (GRID, "grid.toml")):
        words = [command.verb, f"{FOLDER}/{file}"]
        title = title_of(command, words)
        jobs.append(new_job(command.module, words, title, here, device.name, device.environment, after=jobs[-1].id))
    return jobs


def is_there(here: Path) -> bool:
    """Whether something stands where the demo would be made."""
    return (here / FOLDER).exists()
