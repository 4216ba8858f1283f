"""`trainer run`: exit codes, one JSON document, and errors in a line or two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import tiny_base, tiny_data
from trainer.__main__ import main


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0 if isinstance(stopped.value.code, int | None) else 1


def _write(folder: Path, base: Path, training: str) -> str:
    text = f"""
        preset = "miniature"
        [model]
        base = "{base}"
        [data]
        train = "Train"
        resolution = 32
        [lora]
        rank = 2
        [output]
        folder = "out"
        name = "hina"
        [training]
        {training}
    """
    (folder / "run.toml").write_text(text, encoding="utf-8")
    return str(folder / "run.toml")


def test_json_is_the_only_thing_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _write(tiny_data(tmp_path), tiny_base(tmp_path / "base"), "epochs = 1")
    assert _run(monkeypatch, "run", config, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["steps"] == 1
    assert list(record["files"]) == ["hina.safetensors"]
    assert _run(monkeypatch, "run", config) == 0
    printed = capsys.readouterr()
    assert "already trained" in printed.err


def test_a_run_that_diverges_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _write(tiny_data(tmp_path), tiny_base(tmp_path / "base"), "epochs = 2\nunet_lr = 1e30")
    assert _run(monkeypatch, "run", config) == 1
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("training", ["epoch = 1", "epochs = 1"])
def test_a_wrong_request_exits_with_2_in_two_lines_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], training: str
) -> None:
    config = _write(tmp_path, tmp_path / "base", training)
    assert _run(monkeypatch, "run", config) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "error: " in printed.err
    assert "Traceback" not in printed.err
    assert len(printed.err.strip().splitlines()) <= 2


def test_help_and_a_finished_run_need_no_heavy_library() -> None:
    code = (
        "import sys, trainer.__main__, trainer.running.run; sys.exit(bool({'torch', 'diffusers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
