"""No command reads a pickle, wherever one lies that a stranger may have put there, and whatever its name says."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer.main
from typer.testing import CliRunner

from base_models.base_model import load_base
from foundation.errors import UserError
from miniature.paths import FOLDERS, SUBJECT
from random_loras import random_kohya_file

GRID = """
[model]
base = "{base}"
device = "cpu"
[lora]
checkpoints = ["{lora}"]
[prompts]
texts = ["photo of a ohwx person"]
seeds = 1
trigger = "ohwx person"
class = "person"
[references]
held_out = "{pictures}"
[score]
faces = "{faces}"
clip = "{clip}"
[store]
path = "made"
{search}
"""
SEARCH = "[search]\npictures = 40\n"
RUN = """
[model]
base = "{base}"
device = "cpu"
[data]
train = "{pictures}"
reg = "{pictures}"
[output]
folder = "made"
name = "run"
"""
# Each command with a pickle in every place that it reads a stranger's file from, one at a time: a name with `bomb` is
# a pickle, or a folder whose weights are one.
TYPED = (
    "trainer init made --base bomb.safetensors --train Train --references pictures",
    "trainer init made --base bomb.ckpt --train Train --references pictures",
    "trainer init made --base miniature --train Train --references bomb-pictures",
    "trainer check bomb-pictures",
    "trainer caption bomb-pictures --replace a --with b",
    "trainer caption pictures --from bomb.csv",
    "trainer caption pictures --model clip --vocabulary bomb.toml",
    "trainer caption Train --model blip --blip bomb-blip --overwrite",
    "trainer caption Train --model clip --clip local-dir:bomb-clip --overwrite",
    "trainer regularize bomb-run.toml --count 1 --output made",
    "trainer prepare bomb-pictures --to made",
    "trainer plan bomb-run.toml",
    "trainer run bomb-run.toml",
    "trainer run bomb-file-run.toml",
    "trainer run bomb-pictures-run.toml",
    "trainer runs bomb-records",
    "trainer import-kohya bomb.json",
    "trainer import-kohya bomb.toml",
    "eval grid bomb-base.toml",
    "eval grid bomb-lora.toml",
    "eval grid bomb-pictures.toml",
    "eval grid bomb-faces.toml --force",
    "eval grid bomb-clip.toml --force",
    "eval grid bomb.toml",
    "eval import bomb-pictures -o made --spec sound.toml --force",
    "eval import bomb.zip -o made --spec sound.toml --force",
    "eval import pictures -o made --spec sound.toml --manifest bomb.csv --force",
    "eval rank bomb-store",
    "eval score bomb-store",
    "eval report bomb-store -o made.html",
    "eval export bomb-store --cell best -o made.safetensors",
    "eval search bomb-search.toml",
    "eval blend bomb.safetensors:unet=0.5 bomb.pt:unet=0.5 -o made.safetensors",
    "eval convert bomb.safetensors -o made.safetensors --for comfyui",
    "eval bake bomb-base bomb.safetensors -o made",
    "eval bake bomb.ckpt bomb.safetensors -o made.safetensors",
    "eval extract bomb.safetensors bomb-base -o made.safetensors --rank 4",
    "eval inspect bomb.safetensors bomb.ckpt bomb.pt",
    "eval compare bomb.safetensors bomb.pt",
    "eval verify bomb.safetensors",
    "eval store check bomb-store",
    "eval store repair bomb-store",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `TYPED` names; what a pickle runs leaves the file `ran`."""
    here = tmp_path_factory.mktemp("pickles")

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return exec, (f"open({str(here / 'ran')!r}, 'w').close()", "")

    bomb = pickle.dumps(Bomb())
    for end in ("safetensors", "ckpt", "pt", "json", "toml", "zip", "csv"):
        (here / f"bomb.{end}").write_bytes(bomb)
    for folder, shown in ((here / "pictures", "references"), (here / "Train" / "1_ohwx person", "Train")):
        folder.mkdir(parents=True)
        for path in sorted((SUBJECT / shown).rglob("*.png"))[:3]:
            shutil.copy(path, folder)
    random_kohya_file(here / "sound.safetensors", load_base("miniature").modules, 1, rank=1)
    (here / "bomb-pictures").mkdir()
    for name in ("a.png", "a.txt", "b.jpg", "c.webp"):
        (here / "bomb-pictures" / name).write_bytes(bomb)
    for name, kind in (("bomb-base", "base"), ("bomb-clip", "clip"), ("bomb-faces", "faces")):
        _pickled(shutil.copytree(FOLDERS[kind], here / name), bomb)
    (here / "bomb-blip").mkdir()
    (here / "bomb-blip" / "config.json").write_text('{"model_type": "blip"}', encoding="utf-8")
    (here / "bomb-blip" / "pytorch_model.bin").write_bytes(bomb)
    for name in ("bomb-store/grid.sqlite", "bomb-records/run-run.json", "bomb-records/run-log.jsonl"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_bytes(bomb)
    _write_texts(here)
    return here


def _pickled(model: Path, bomb: bytes) -> None:
    """Its weights as pickles: under their own names, and under those that libraries look for."""
    for path in [*model.rglob("*.safetensors"), *model.rglob("*.onnx")]:
        path.write_bytes(bomb)
        for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin", "open_clip_pytorch_model.bin"):
            path.with_name(name).write_bytes(bomb)


def _write_texts(here: Path) -> None:
    sound = {"base": "miniature", "lora": "sound.safetensors", "pictures": "pictures", "faces": "miniature"}
    sound |= {"clip": "miniature", "search": ""}
    changes = {
        "sound": {}, "bomb-base": {"base": "bomb-base"}, "bomb-lora": {"lora": "bomb.safetensors"},
        "bomb-pictures": {"pictures": "bomb-pictures"}, "bomb-faces": {"faces": "bomb-faces"},
        "bomb-clip": {"clip": "local-dir:bomb-clip"}, "bomb-search": {"base": "bomb-base", "search": SEARCH},
    }  # fmt: skip
    for name, changed in changes.items():
        (here / f"{name}.toml").write_text(GRID.format(**{**sound, **changed}), encoding="utf-8")
    runs = {"bomb-run": "bomb-base", "bomb-file-run": "bomb.ckpt", "bomb-pictures-run": "miniature"}
    for name, base in runs.items():
        pictures = "bomb-pictures" if name == "bomb-pictures-run" else "pictures"
        (here / f"{name}.toml").write_text(RUN.format(base=base, pictures=pictures), encoding="utf-8")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was given to whatever unpickles."""
    found: list[object] = []

    def trap(name: str) -> Callable[..., object]:
        def trapped(*given: object, **_: object) -> object:
            found.append((name, *map(repr, given)))
            raise pickle.UnpicklingError("a trap")

        return trapped

    class Trapped(pickle.Unpickler):
        load = trap("Unpickler.load")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (np, "load")):
        monkeypatch.setattr(module, name, trap(f"{module.__name__}.{name}"))
    monkeypatch.setattr(pickle, "Unpickler", Trapped)
    return found


@pytest.mark.parametrize("typed", TYPED)
def test_no_command_reads_a_pickle(
    typed: str, folder: Path, read: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    room, *words = typed.split(" ")
    monkeypatch.chdir(folder)
    shutil.rmtree("made", ignore_errors=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = CliRunner().invoke(import_module(f"{room}.__main__").app, words)
    assert read == []
    assert not (folder / "ran").exists()
    assert done.exception is None or isinstance(done.exception, UserError | SystemExit), done.exception
    assert "bomb" in f"{done.output} {done.exception}", "it did not come to where the pickle lies"
    assert "Usage: " not in done.output


def _commands(app: Any, before: str = "") -> Iterator[str]:
    for name, command in app.commands.items():
        yield from _commands(command, f"{name} ") if hasattr(command, "commands") else iter([f"{before}{name}"])


@pytest.mark.parametrize("room", ["trainer", "eval"])
def test_every_command_is_tried(room: str) -> None:
    commands = set(_commands(typer.main.get_command(import_module(f"{room}.__main__").app)))
    assert {one for one in commands if not any(typed.startswith(f"{room} {one} ") for typed in TYPED)} == set()
