"""`trainer plan`: a few real steps, kept; one JSON document; nothing is written beside the configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tiny import tiny_base, tiny_data
from trainer.__main__ import main
from trainer.calibrating import forecasting


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, base = tiny_data(tmp_path), tiny_base(tmp_path / "base")
    text = (
        f'preset = "miniature"\n[model]\nbase = "{base}"\ndevice = "cpu"\n[data]\ntrain = "Train"\nreg = "Reg"\n'
        'resolution = 32\n[lora]\nrank = 2\n[training]\nepochs = 2\nbatch_size = 3\n[samples]\nprompts = ["a person"]\n'
        'steps = 2\n[output]\nfolder = "out"\nname = "hina"\nprice_per_hour = 3.6\n'
    )
    (folder / "run.toml").write_text(text, encoding="utf-8")
    return str(folder / "run.toml")


def test_steps_are_made_once_and_kept(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "plan", config, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["steps"], first["steps_by_epoch"]) == (8, [4, 4])
    assert "real steps on this CPU" in first["time"]["source"]
    assert all(first["time"]["parts"][part] > 0 for part in ("begin", "pictures", "steps", "readings", "samples"))
    assert first["cost"] == pytest.approx(first["time"]["seconds"] / 1000)
    assert first["memory"]["bytes"] == pytest.approx(sum(first["memory"]["parts"].values()), rel=0.01)
    assert not (Path(config).parent / "out").exists()

    def calibrated(*given: object) -> None:
        raise AssertionError("steps were made although they are kept")

    monkeypatch.setattr(forecasting, "calibrate", calibrated)
    assert run(monkeypatch, "plan", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["time"] == first["time"]
    assert run(monkeypatch, "plan", config, config, "--price", "7.2") == 0
    shown = capsys.readouterr().out
    assert "nothing that shapes the LoRA" in shown
    assert run(monkeypatch, "plan", config, "--time-from", "arithmetic", "--suggest", "40") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "no step was made" in shown
    assert "the first: training.epochs" in shown


@pytest.mark.parametrize("words", [("nowhere.toml",), ("CONFIG", "--suggest", "0"), ("CONFIG", "--suggest", "900000")])
def test_a_wrong_request_is_a_line_or_two(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(monkeypatch, "plan", *(config if word == "CONFIG" else word for word in words)) == 2
    printed = capsys.readouterr()
    assert not printed.out
    complaint = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(complaint) == 1
