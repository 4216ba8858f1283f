"""What a start loads: neither a `--help` nor the studio's first page waits for a library that it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from code_plan.rooms import read_rooms
from synthetic_store import Size, write_store

ROOT = Path(__file__).resolve().parents[2]
MODELS = {"torch", "diffusers", "transformers", "peft", "insightface", "open_clip", "onnxruntime", "bitsandbytes"}
ARRAYS = {"numpy", "scipy", "pandas", "sqlalchemy", "pyarrow", "optuna", "altair", "streamlit", "accelerate", "ray"}
COMMANDS = [room for room in read_rooms(ROOT / "docs" / "rooms.toml").order if (ROOT / room / "__main__.py").exists()]

# Runs `python -m ROOM --help`, then that of each of its commands; what each has loaded, by command.
HELP = """
import json, runpy, sys
from importlib import import_module
import typer.main

room, told = sys.argv[1], {}

def ask(*words):
    sys.argv = [room, *words, "--help"]
    try:
        runpy.run_module(room, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        assert not ending.code, (words, ending.code)
    told[" ".join(words)] = sorted({name.partition(".")[0] for name in sys.modules})

def commands_of(command, words=()):
    for name, below in getattr(command, "commands", {}).items():
        yield (*words, name)
        yield from commands_of(below, (*words, name))

ask()
for words in commands_of(typer.main.get_command(import_module(f"{room}.__main__").app)):
    ask(*words)
print(json.dumps(told), file=sys.stderr)
"""

# Runs the studio's entry as a browser's first visit does.
VISIT = """
import json, sys
from streamlit.testing.v1 import AppTest

entry = sys.argv.pop()
app = AppTest.from_file(entry, default_timeout=60).run()
assert not app.exception, app.exception
told = {"title": [one.value for one in app.title], "loaded": sorted({name.partition(".")[0] for name in sys.modules})}
print(json.dumps(told), file=sys.stderr)
"""


def told_by(script: str, folder: Path, *asked: str) -> dict[str, list[str]]:
    """What a script, run in `folder` in a process of its own, says in its last line on stderr."""
    command = [sys.executable, "-c", script, *asked]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("room", COMMANDS)
def test_no_help_of_a_command_loads_a_model_library_or_arrays(room: str) -> None:
    told = told_by(HELP, ROOT, room)
    assert "" in told
    assert len(told) > 1
    assert {words: heavy for words, loaded in told.items() if (heavy := (MODELS | ARRAYS) & {*loaded})} == {}


def test_commands_are_found() -> None:
    assert {"trainer", "eval"} <= {*COMMANDS}


def visited(folder: Path) -> dict[str, list[str]]:
    return told_by(VISIT, folder, str(ROOT / "studio" / "streamlit_app.py"))


def test_the_studio_without_a_store_loads_no_model_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LORA_STUDIO_STORE", raising=False)
    loaded = {*visited(tmp_path)["loaded"]}
    assert "studio" in loaded
    assert not MODELS & loaded


def test_the_studios_first_page_loads_no_model_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it shows a ranking."""
    store = write_store(tmp_path, Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2))
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    told = visited(tmp_path)
    assert told["title"]
    assert not {*MODELS, "altair"} & {*told["loaded"]}


# What the server reads while the browser starts; of SciPy, which parts.
AHEAD = """
import json, sys
from studio.serving.read_ahead import read_ahead

read_ahead().join()
loaded = sorted({name.partition(".")[0] for name in sys.modules})
parts = sorted({"scipy.special", "scipy.ndimage", "scipy.stats"} & {*sys.modules})
print(json.dumps({"loaded": loaded, "parts": parts}), file=sys.stderr)
"""


def test_what_the_studio_reads_ahead_is_what_pages_want_and_no_model_library(tmp_path: Path) -> None:
    told = told_by(AHEAD, tmp_path)
    assert {"numpy", "pyarrow", "sqlalchemy"} <= {*told["loaded"]}
    assert not {*MODELS, "altair", "pandas"} & {*told["loaded"]}
    assert told["parts"] == ["scipy.special"]


# Runs a dry run; its exit code, what it said, and what it has loaded.
DRY_RUN = """
import json, runpy, sys

sys.argv = ["eval", "grid", sys.argv.pop(), "--dry-run"]
try:
    runpy.run_module("eval", run_name="__main__", alter_sys=True)
except SystemExit as ending:
    told = {"code": [str(ending.code)], "loaded": sorted({name.partition(".")[0] for name in sys.modules})}
print(json.dumps(told), file=sys.stderr)
"""


def test_a_dry_run_says_what_is_missing_before_it_loads_a_model_library(tmp_path: Path) -> None:
    spec = tmp_path / "grid.toml"
    spec.write_text(
        f'[lora]\ncheckpoints = ["gone.safetensors"]\n[prompts]\nfile = "{ROOT}/miniature/subject/prompts.toml"\n'
        f'trigger = "ohwx person"\nclass = "person"\n[references]\nheld_out = "{ROOT}/miniature/subject/references"\n'
    )
    told = told_by(DRY_RUN, tmp_path, str(spec))
    assert told["code"] == ["2"]
    assert not MODELS & {*told["loaded"]}
