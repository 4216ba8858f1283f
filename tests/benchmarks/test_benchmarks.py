"""A benchmark that only borrowed machines can run goes all the way here, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from typed_commands import type_command

ROOT = Path(__file__).resolve().parents[2]


def _last_line(*asked: str) -> dict[str, object]:
    """The JSON that `benchmarks/train_gpu.py` ends with."""
    done = type_command(str(ROOT / "benchmarks" / "train_gpu.py"), *asked)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_rehearsal_measures_all_that_a_gpu_would_be_measured_for() -> None:
    figures = _last_line("--rehearse", "--windows", "1")
    assert figures["rehearsal"] is True
    of_rank = figures["rank_4"]
    assert isinstance(of_rank, dict)
    assert {"guarded", "example", "cached", "ratio", "ratio_cached", "share_of_peak"} <= of_rank.keys()
    assert of_rank["flops_a_step"] > 1e6


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would measure")
def test_without_a_gpu_it_says_that_nothing_was_measured() -> None:
    assert "no CUDA device" in str(_last_line()["not_measured"])
