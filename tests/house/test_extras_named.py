"""Commands where the extras are not installed: eval does all that it does without them, and what needs one says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hidden_packages
from eval.executors.ray_connection import connect
from eval.request.spec import SearchSection, read_spec
from eval.search.run_search import run_search
from eval.store.picture_files import PicturePlaceError, picture_place
from foundation.extras import EXTRAS, MissingPackageError
from foundation.progress import Silent
from grid_folders import STEPS, GridFolder
from miniature.paths import SUBJECT
from trainer.config.config import parse_config
from trainer.running.run import run_training

ROOT = Path(__file__).resolve().parents[2]
STUDIO = {"altair", "babel", "pandas", "streamlit", "pyarrow"}


def asked(hidden: set[str], module: str, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, hidden_packages.HERE, ",".join(sorted(hidden)), module, json.dumps(commands)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


def test_eval_needs_no_extra(rendered_grid: GridFolder, tmp_path: Path) -> None:
    shutil.copytree(rendered_grid.folder, tmp_path / "grid")
    folder = tmp_path / "grid"
    spec, store = folder / rendered_grid.spec.name, folder / "läufe" / "eval"
    # A weight that was not there: its pictures are rendered here, and read.
    text = spec.read_text("utf-8").replace("[0.5, 1.0]", "[0.5]").replace(f"steps = {STEPS}", "steps = 1")
    spec.write_text(text, "utf-8")
    lora, base = folder / "andere" / "erste ähnliche.safetensors", "miniature"
    done = asked(
        {*EXTRAS, *STUDIO},
        "eval",
        ["grid", str(spec)],
        ["rank", str(store)],
        ["score", "--subject", "image", str(store)],
        ["report", str(store), "-o", str(tmp_path / "report.html")],
        ["export", str(store), "-o", str(tmp_path / "best.safetensors")],
        ["blend", f"{lora}:unet=0.5", "-o", str(tmp_path / "blend.safetensors")],
        ["inspect", str(lora)],
        ["compare", str(lora), str(lora)],
        ["bake", base, str(lora), "-o", str(tmp_path / "baked.safetensors")],
    )
    assert done.returncode == 0, done.stderr


RUN = """
preset = "miniature"
[data]
train = "{subject}/Train"
[training]
epochs = 1
[output]
folder = "out"
name = "x"
"""


def test_training_without_its_extra_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(RUN.format(subject=SUBJECT), encoding="utf-8")
    done = asked({"peft"}, "trainer", ["run", str(config)])
    assert done.returncode == 2
    *before, last = done.stderr.strip().splitlines()
    assert last == 'error: trainer run needs peft: pip install "lora-studio[train]"'
    assert "Traceback" not in "".join(before)


@pytest.mark.parametrize(
    ("package", "setting", "purpose"),
    [
        ("bitsandbytes", {"training": {"optimizer": "AdamW8bit"}}, "AdamW8bit"),
        ("lion_pytorch", {"training": {"optimizer": "Lion"}}, "Lion"),
        ("tensorboard", {"output": {"folder": "out", "name": "x", "tensorboard": True}}, r"\[output\] tensorboard"),
    ],
)
def test_a_run_that_lacks_a_package_ends_before_anything_is_loaded(
    package: str, setting: dict[str, object], purpose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "preset": "miniature",
        "data": {"train": str(SUBJECT / "Train")},
        "output": {"folder": "out", "name": "x"},
    }
    config = parse_config({**values, **setting}, tmp_path / "run.toml")
    monkeypatch.setattr("trainer.running.training.make_session", None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingPackageError, match=rf"^trainer run needs {package} for {purpose}: pip install .*\[train\]"
    ):
        run_training(config)


def test_a_search_that_lacks_a_package_ends_before_anything_is_rendered(
    rendered_grid: GridFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read_spec(rendered_grid.spec)
    asked_for = spec.model_copy(update={"search": SearchSection(refine_trials=1)})
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        MissingPackageError, match=r"^eval search needs optuna for \[search\] refine_trials: .*\[search\]"
    ):
        run_search(asked_for, False, Silent())


def test_ray_and_a_bucket_that_lack_their_packages_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("ray", "s3fs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"^eval grid needs ray for --ray: pip install .*\[ray\]"):
        connect("auto")
    with pytest.raises(MissingPackageError, match=r"^eval needs s3fs for s3://bucket/a: pip install .*\[s3\]"):
        picture_place("s3://bucket/a", tmp_path)
    with pytest.raises(PicturePlaceError, match="that fsspec knows"):
        picture_place("nosuch://bucket/a", tmp_path)


def test_a_run_without_a_package_that_it_does_not_need_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "Train" / "2_ohwx person"
    folder.mkdir(parents=True)
    for path in sorted((SUBJECT / "Train" / "7_ohwx person").iterdir())[:4]:  # two pictures and their captions
        shutil.copy(path, folder)
    config = tmp_path / "run.toml"
    config.write_text(RUN.format(subject=tmp_path), encoding="utf-8")
    done = asked({*EXTRAS, *STUDIO} - {"peft"}, "trainer", ["run", str(config), "--json"])
    assert done.returncode == 0, done.stderr
    versions = json.loads(done.stdout)["versions"]
    assert "peft" in versions
    assert "bitsandbytes" not in versions
