"""What `make` would run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from eval.ranking.bare_prompts import words_said
from eval.request.prompts import read_prompts
from eval.request.spec import read_spec
from miniature.paths import SUBJECT
from trainer.config.config import read_config
from trainer.records.record import checkpoint_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_bench_runs_every_figure_and_records_nothing() -> None:
    command = ["make", "--dry-run", "--assume-old", ".venv", "bench"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = {path.name for path in (ROOT / "benchmarks").glob("*.py") if f"benchmarks/{path.name}" in told}
    assert named == {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"record.py"}


def test_the_demos_grid_asks_for_files_that_its_run_writes_and_for_prompts_that_show_copying_and_bleeding() -> None:
    run, grid = read_config(SUBJECT / "train.toml"), read_spec(SUBJECT / "grid.toml")
    written = {checkpoint_path(run, epoch) for epoch in range(1, run.training.epochs + 1)}
    asked = [Path(pattern) for pattern in grid.lora.checkpoints]
    assert set(asked) <= written
    assert checkpoint_path(run, run.training.epochs) in asked
    told = {prompt.text: prompt.role for prompt in read_prompts(grid.prompts).prompts}
    said = {text: words_said(text, grid.prompts.trigger, grid.prompts.class_word) for text in told}
    assert [told[text] for text, words in said.items() if not words] == ["subject"]
    assert list(told.values()).count("bleed") >= 2
    assert len(grid.prompts.seed_list) >= 3
