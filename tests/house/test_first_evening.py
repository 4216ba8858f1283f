"""The first evening with one's own subject, command by command as a user types them: nothing is edited by hand.

What is printed is looked at as well: no message is out of place.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from base_models.base_source import find_base
from drawn_people import write_subject
from eval.request.spec import read_spec
from foundation.safetensors_header import read_metadata
from miniature.paths import SUBJECT
from single_files import write_sd1
from trainer.config.config import read_config
from typed_commands import type_command

ROOT = Path(__file__).resolve().parents[2]
# What libraries and Python say on their own, and what no user is to see.
OUT_OF_PLACE = re.compile(r"Traceback|[Ww]arning|deprecat|\bnan\b|\binf\b|\bNone\b|GPU-hours|demo")


@dataclass(frozen=True)
class Evening:
    """A folder in which commands are typed."""

    folder: Path

    def type(self, *words: str) -> str:
        """Run `python -m WORDS` there and give back what it printed on stdout."""
        home = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(self.folder)}
        done = type_command(*words, folder=self.folder, environment=home)
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        assert not OUT_OF_PLACE.search(said), said
        return " ".join(done.stdout.split()) if "rank" in words else done.stdout

    def next_commands(self, said: str) -> list[list[str]]:
        """What init says is to be run next, without the name of Python."""
        return [line.split()[2:] for line in said.partition("Next:\n")[2].splitlines()]


def test_the_miniature_from_init_to_a_choice(tmp_path: Path) -> None:
    few = {"Train": "7_ohwx person/*", "references": "0[0-4].*"}
    for part, pattern in few.items():
        for path in (SUBJECT / part).glob(pattern):
            place = tmp_path / path.relative_to(SUBJECT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    evening = Evening(tmp_path)
    said = evening.type(
        *("trainer", "init", "mira", "--base", "miniature", "--train", "Train", "--references", "references"),
        *("--set", "train.training.epochs=2", "--set", 'train.samples.prompts=["photo of a ohwx person"]'),
        *("--set", "train.samples.steps=6", "--set", "grid.sampler.steps=8", "--set", "grid.prompts.seeds=2"),
        # Without reg pictures others are not held apart: the grid says so, and who need not mind switches it off.
        *("--set", "grid.lora.unet=[0.5, 1.0]", "--set", "grid.lora.te=[1.0]", "--set", "grid.limits.bleed=off"),
    )
    config, spec = read_config(tmp_path / "mira/train.toml"), read_spec(tmp_path / "mira/grid.toml")
    assert config.model.base == spec.model.base == "miniature"
    assert (spec.score.faces, spec.score.clip) == ("miniature", "miniature")
    for command in evening.next_commands(said):
        shown = evening.type(*command)
    assert "none of these" not in shown, shown
    (row, *_) = json.loads(evening.type("eval", "rank", "mira/eval", "--json"))
    assert row["worth_taking"]
    evening.type("eval", "export", "mira/eval", "--cell", "best", "-o", "best.safetensors")
    assert read_metadata(tmp_path / "best.safetensors")


@pytest.mark.transcript
def test_sd15_from_init_to_a_verdict_that_takes_none(tmp_path: Path) -> None:
    """At full width, with weights that have learned nothing: 2 GB on the disk, minutes on two cores."""
    write_subject(tmp_path, trained=2, references=2)
    base = write_sd1(tmp_path / "model.safetensors")
    assert find_base(str(base)).family.key == "sd1"
    evening = Evening(tmp_path)
    said = evening.type(
        *("trainer", "init", "hina", "--base", "model.safetensors", "--train", "Train", "--references", "references"),
        *("--faces", "miniature", "--clip", "miniature"),
        *("--set", "train.data.resolution=256", "--set", "train.training.epochs=2"),
        *("--set", "train.training.batch_size=1", "--set", "train.lora.rank=4"),
        *("--set", "grid.sampler.steps=2", "--set", "grid.sampler.width=64", "--set", "grid.sampler.height=64"),
        *("--set", "grid.prompts.seeds=1", "--set", "grid.lora.unet=[0.5, 1.0]"),
    )
    assert "SD1.x, 512 px" in said
    shown = ""
    for command in evening.next_commands(said):
        shown = evening.type(*command)
    assert "Take none of these" in shown
    evening.type("eval", "export", "hina/eval", "--cell", "best", "-o", "best.safetensors")
    assert read_metadata(tmp_path / "best.safetensors")["ss_base_model_version"] == "sd_v1"
