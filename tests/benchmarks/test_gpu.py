"""What is to be measured on a GPU goes all the way on a CPU, part by part; and says so where there is no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from typed_commands import type_command

GPU = str(Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py")


def _part(name: str) -> dict[str, object]:
    """All figures of a part's rehearsal; none failed."""
    done = type_command(GPU, "--part", name, "--rehearse")
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, object] = {}
    for line in done.stdout.splitlines():
        figures |= json.loads(line)
    assert "failed" not in json.dumps(figures), figures
    return figures


def test_rightness_is_rehearsed() -> None:
    figures = _part("right")
    grid, step, halving = figures["grid"], figures["step"], figures["halving"]
    assert isinstance(grid, dict)
    assert isinstance(step, dict)
    assert isinstance(halving, dict)
    assert grid["float32"]["level_max"] <= 1  # another batch size on the same processor
    assert grid["float32"]["ranking"]["spearman"] == 1
    assert grid["bfloat16"]["level_mean"] > 0
    assert step["exact"]["gradients_off"] < 1e-6
    assert figures["bits"] == 20
    assert halving["said"]
    assert halving["off"] <= 1


@pytest.mark.parametrize("family", ["grid_sd15", "grid_sdxl"])
def test_grids_are_rehearsed(family: str) -> None:
    figures = _part(family)
    assert {"peak_tflops", "ours", "theirs", "ratio_loop", "ratio_fused"} <= figures.keys()
    ours = figures["ours"]
    assert isinstance(ours, dict)
    assert ours["operations_a_picture"] > 1e6


def test_training_is_rehearsed() -> None:
    figures = _part("train")
    of_rank = figures["rank_4"]
    assert isinstance(of_rank, dict)
    assert {"guarded", "example", "cached", "ratio", "ratio_cached", "share_of_peak", "guard_cost"} <= of_rank.keys()
    assert of_rank["flops_a_step"] > 1e6


def test_ablations_are_rehearsed() -> None:
    figures = _part("ablation")
    compiled = figures["compiled"]
    assert isinstance(compiled, dict)
    assert compiled["follows_weights"]
    assert compiled["off"] < 1e-2
    assert compiled["recompiled"] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would measure")
def test_without_a_gpu_it_says_that_nothing_was_measured() -> None:
    done = type_command(GPU, "--only", "right")
    assert "no CUDA device" in json.loads(done.stdout.splitlines()[-1])["right"]["not_measured"]
