"""What every command does with an error of the disk: a line that says which file, what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from foundation.command_line import commands_app, in_words, run_app
from foundation.errors import ConfigurationError, UserError
from foundation.files import whole_file, write_text

ROOT = Path(__file__).resolve().parents[2]
HELP = [sys.executable, "-m", "eval", "--help"]


def ended(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of an app whose one command does `work`."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(work)
    monkeypatch.setattr(sys, "argv", ["app"])
    monkeypatch.setattr("foundation.command_line._silence_stdout", lambda: None)  # it is the test's own
    with pytest.raises(SystemExit) as ending:
        run_app(app)
    return ending.value.code


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device; free some there, or name a place on another disk"),
        (errno.EACCES, "Permission denied; allow it to this user, or name another place"),
        (errno.EROFS, "Read-only file system; name a place that can be written"),
        (errno.EIO, "Input/output error; see to the file and its disk"),
    ],
)
def test_an_error_of_the_disk_is_one_line(
    number: int, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise OSError(number, os.strerror(number), "runs/hina.safetensors")

    assert ended(work, monkeypatch) == 2
    assert capsys.readouterr().err == f"error: runs/hina.safetensors: {advice}, and run the same command again\n"


def test_a_closed_stdout_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        print("nobody hears")

    monkeypatch.setattr(sys, "stdout", None)
    assert ended(work, monkeypatch) == 0


def test_an_empty_argument_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    app = commands_app()
    heard: list[Path] = []

    def look(folder: Path, words: Annotated[str, typer.Option("--with")] = "x") -> None:
        heard.append(folder)

    app.command("look")(look)
    app.command("other")(look)
    with pytest.raises(ConfigurationError, match="an argument is empty"):
        typer.main.get_command(app).main(["look", ""], standalone_mode=False)
    typer.main.get_command(app).main(["look", "here", "--with", ""], standalone_mode=False)
    assert heard == [Path("here")]


def test_a_full_disk_names_the_file_that_was_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writing tells of a full disk without a name."""
    path = tmp_path / "lora.safetensors"

    def work() -> None:
        with whole_file(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert ended(work, monkeypatch) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: No space left on device; free some")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken") as told:
        write_text(tmp_path / "taken" / "deeper" / "x.json", "{}")
    assert str(tmp_path / "taken") in in_words(told.value)
    assert "a file is where a folder should be: name another place" in in_words(told.value)


def test_a_librarys_own_words_are_kept_in_one_line() -> None:
    assert in_words(OSError("Can't load the tokenizer.\n  Is it there?")) == "Can't load the tokenizer. Is it there?"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_onto_a_full_disk_is_told_of() -> None:
    with open("/dev/full", "w") as full:
        # Of its own, for pytest has readline tell children that they are 80 characters wide.
        env = dict(os.environ)
        done = subprocess.run(HELP, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output or a file: No space left on device")
    assert done.stderr.count("\n") == 1


def test_who_has_read_enough_hears_nothing() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(HELP, cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_says_a_sentence(number: signal.Signals) -> None:
    """Typer itself would leave without a word after Ctrl-C, and a polite kill would end Python at once."""
    code = (
        "import sys, time\n"
        "from foundation.command_line import commands_app, run_app\n"
        "from foundation.progress import terminal\n"
        "app = commands_app()\n"
        "@app.callback()\n"
        "def _commands(): ...\n"
        "@app.command('wait')\n"
        "def wait():\n"
        "    with terminal():\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "sys.argv = ['x', 'wait']\n"
        "run_app(app)\n"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, cwd=ROOT, stdout=-1, stderr=-1, text=True, env=dict(os.environ)) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        _, told = running.communicate()
    assert running.returncode == 128 + number
    assert told.splitlines() == [
        "stopping, as soon as what is in hand is done",
        "stopped; run the same command again to go on",
    ]


@pytest.mark.parametrize("room", ["eval", "trainer"])
def test_help_keeps_its_brackets_and_breaks_between_words(room: str) -> None:
    """Typer's own help reads `[search]` as markup, and names Python's types."""
    app = import_module(f"{room}.__main__").app
    group = typer.main.get_command(app)
    told = {name: _help(app, name) for name in getattr(group, "commands", {})}
    for name, text in told.items():
        said = " ".join(text.split())
        meant = " ".join((getattr(group, "commands", {})[name].help or "").split())
        assert meant in said, name
        assert not re.search(r"<\w|\{[A-Z]", text), text  # Typer's own has `<path>`, `<bool>` and `{SPEC}`
        assert max(map(len, text.splitlines())) <= 80
    if room == "eval":
        assert "The table [search] of SPEC" in " ".join(told["search"].split())
        assert "[references], [score] and [limits]" in " ".join(told["score"].split())


def test_help_of_a_store_is_as_that_of_the_rest() -> None:
    app = import_module("eval.__main__").app
    assert "store check [OPTIONS] STORE" in _help(app, "store", "check")
    assert "..." not in _help(app, "store").partition("Commands:")[2]


def test_the_list_of_commands_says_whole_sentences() -> None:
    said = " ".join(_help(import_module("eval.__main__").app).split())
    assert "Score the pictures of a store anew, against other references or by other models, and rank them." in said
    assert "..." not in said.partition("Commands:")[2]


def _help(app: typer.Typer, *words: str) -> str:
    return CliRunner().invoke(app, [*words, "--help"], terminal_width=80).stdout


def test_a_message_on_stderr_is_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise UserError("runs/[/bold] \x1b[2Jname.png: is gone")

    assert ended(work, monkeypatch) == 2
    assert capsys.readouterr().err == "error: runs/[/bold] ?[2Jname.png: is gone\n"


ENDINGS = {
    "done": ("print('said')", 0),
    "a bad answer": ("print('said'); sys.exit(1)", 1),
    "no code": ("print('said'); sys.exit()", 0),
    "a word": ("print('said'); sys.exit('why')", 1),
    "a fault": ("print('said'); 1 / 0", 1),
}


@pytest.mark.parametrize(("work", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_process_ends_at_once_and_as_ever(work: str, code: int, tmp_path: Path) -> None:
    """Its code, what it said, its handlers, its threads' work; what is loaded is not taken apart."""
    text = f"""
import atexit, sys, threading, time
from pathlib import Path
from foundation.command_line import run_process
class Loaded:
    def __del__(self): Path("apart").touch()
loaded = Loaded()
def main():
    atexit.register(lambda: Path("handler").touch())
    threading.Thread(target=lambda: (time.sleep(0.2), Path("thread").touch())).start()
    {work}
run_process(main)
"""
    (tmp_path / "typed.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "typed"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "said\n")
    assert ("ZeroDivisionError" in done.stderr) == ("1 / 0" in work)
    assert ("why" in done.stderr) == ("why" in work)
    left = {path.name for path in tmp_path.iterdir()}
    assert {"handler", "thread"} <= left
    assert ("apart" in left) == ("1 / 0" in work or "why" in work)


def test_who_runs_a_command_within_a_script_goes_on_after_it(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(
        "from foundation.command_line import run_process\nrun_process(lambda: exit(1))\n"
    )
    script = (
        "import runpy\ntry: runpy.run_module('typed', run_name='__main__', alter_sys=True)\nexcept SystemExit: pass"
    )
    variables = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    assert subprocess.run([sys.executable, "-c", script], env=variables, check=False).returncode == 0
