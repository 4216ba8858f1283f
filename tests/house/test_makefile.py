"""What `make` would run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_bench_runs_every_figure_and_records_nothing() -> None:
    command = ["make", "--dry-run", "--assume-old", ".venv", "bench"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = {path.name for path in (ROOT / "benchmarks").glob("*.py") if f"benchmarks/{path.name}" in told}
    assert named == {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"record.py"}
