"""What several tests share: the miniature as a base, two LoRA files, and a small grid that was really rendered."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A busy machine is slow and not wrong: no test asks how long anything took, and neither do drawn examples.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SPEC = """
[model]
base = "miniature"
device = "cpu"
[lora]
checkpoints = ["{checkpoints}"]
unet = [0.5, 1.0]
te = [0.7]
also = [{{}}, {{ file = "andere/erste ähnliche.safetensors", unet = 0.4, te = 0.3, checkpoints = "last" }}]
[sampler]
steps = {steps}
[prompts]
texts = ["photo of a ohwx person, smiling, red hoodie, blue background", "photo of a person, sad, green t-shirt"]
seeds = 2
trigger = "ohwx person"
class = "person"
[references]
held_out = "references"
training = "Train"
[store]
path = "läufe/eval"
"""


@dataclass(frozen=True)
class GridFolder:
    """A folder with a space and an umlaut in its name; `spec` is the grid's TOML, `store` where its results go."""

    folder: Path
    spec: Path
    store: Path


def write_grid(folder: Path, steps: int) -> GridFolder:
    """Two kohya-named checkpoints of random numbers, another LoRA to blend in, and the shipped subject's pictures."""
    import shutil

    from loras import random_kohya_file

    from miniature.paths import SUBJECT
    from trainer.base_model import load_base

    modules = load_base("miniature").modules
    runs = folder / "runs of hina ö"
    random_kohya_file(runs / "hina-000001.safetensors", modules, 1, ss_epoch="1", ss_output_name="hina-000001")
    random_kohya_file(runs / "hina.safetensors", modules, 2, ss_epoch="2", ss_output_name="hina")
    random_kohya_file(folder / "andere" / "erste ähnliche.safetensors", modules, 3, rank=2)
    for part in ("references", "Train"):
        shutil.copytree(SUBJECT / part, folder / part, dirs_exist_ok=True)
    spec = folder / "grid spec.toml"
    spec.write_text(SPEC.format(checkpoints="runs of hina ö/*.safetensors", steps=steps), encoding="utf-8")
    return GridFolder(folder, spec, folder / "läufe" / "eval")


@pytest.fixture(scope="session")
def rendered_grid(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid with the protocol's own 30 steps, rendered and scored once for all tests that read it."""
    from eval.grid import run_grid
    from eval.spec import read_spec
    from trainer.progress import Silent

    made = write_grid(tmp_path_factory.mktemp("grid with spaces ü"), steps=30)
    run_grid(read_spec(made.spec), Silent())
    return made
