"""What forms become: the very commands, their options as they are declared, no path outside."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from eval.store.store_progress import StoreProgress
from foundation.terminal.works import Work, bar_line, finished_line, plain_line
from studio.jobs.asking import asked_job
from studio.jobs.commands import COMMANDS, GRID, INIT, REPORT, TRAIN, AnswerError, Command, arguments_of
from studio.jobs.job_progress import progress_in, tail_of
from studio.jobs.job_words import card_of, log_of
from studio.jobs.kept_job import JobFiles, Started, StopAsked, new_job
from studio.jobs.process_marks import mark_of
from studio.shared.allowed_folders import AllowedFolders, OutsideError, allowed_folders
from studio.shared.time_words import done_at, how_far, lasting

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def folders(tmp_path: Path) -> AllowedFolders:
    (tmp_path / "work").mkdir()
    return allowed_folders([], {}, tmp_path / "work")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda one: one.verb)
def test_a_form_asks_for_what_its_command_takes(command: Command) -> None:
    app = import_module(f"{command.module}.__main__").app
    real = typer.main.get_command(app).commands[command.verb]  # pyright: ignore[reportAttributeAccessIssue]
    options = {option for one in real.params for option in one.opts}
    assert {field.option for field in command.fields if field.option} <= options
    assert {*command.always} <= options
    positional = [one for one in real.params if one.param_type_name == "argument" and one.required]
    assert len(positional) == len([field for field in command.fields if not field.option])


def test_answers_become_the_command_as_one_would_type_it(folders: AllowedFolders) -> None:
    folder = folders.here / "ha na"
    folder.mkdir()
    answers = {
        "folder": "ha na/one", "base": "runwayml/stable-diffusion-v1-5", "train": str(folder), "hold_out": "8",
        "trigger": "-ohwx; rm", "force": True, "price": "0.5",
    }  # fmt: skip
    job = asked_job(INIT, answers, folders)
    assert job.command == (
        "python -m trainer init 'ha na/one' --base runwayml/stable-diffusion-v1-5 --train 'ha na' --hold-out 8 "
        "'--trigger=-ohwx; rm' --price-per-hour 0.5 --force --move"
    )
    assert job.device == "light"
    assert job.title == "Begin with a subject: ha na/one"
    assert arguments_of(TRAIN, {"config": "-x.toml"}, folders) == ["run", "./-x.toml"]


def test_what_is_missing_or_none_is_said(folders: AllowedFolders) -> None:
    def asked(command: Command, **answers: object) -> list[str]:
        return arguments_of(command, answers, folders)

    with pytest.raises(AnswerError, match="specification: is still to be said"):
        asked(GRID)
    base = {"folder": "x", "base": "miniature", "train": "t"}
    for name, answer, why in (
        ("hold_out", "a few", "no such number"),
        ("hold_out", "1.5", "no such number"),
        ("price", "-1", "out of the question"),
        ("price", "inf", "out of the question"),
        ("preset", "best", "one of portrait, miniature"),
        ("trigger", "a\nb", "more than one line"),
        ("trigger", "a" * 3000, "too long"),
    ):
        with pytest.raises(AnswerError, match=why):
            asked(INIT, **base, **{name: answer})


@pytest.mark.parametrize("written", ["../x", "/etc", "~", "link", "link/deep", "a/../../x", "\0", "x" * 5000])
def test_no_path_leads_out_of_what_the_studio_was_started_with(folders: AllowedFolders, written: str) -> None:
    (folders.here / "link").symlink_to(folders.here.parent)
    with pytest.raises(OutsideError):
        arguments_of(REPORT, {"store": written, "output": "x.html"}, folders)
    with pytest.raises(OutsideError):
        arguments_of(INIT, {"folder": "x", "base": f"local-dir:{written}", "train": "t"}, folders)


def test_folders_that_were_named_are_allowed_too(tmp_path: Path) -> None:
    for name in ("work", "named", "by variable", "other"):
        (tmp_path / name).mkdir()
    folders = allowed_folders([str(tmp_path / "named")], {"LORA_STUDIO_STORE": "../by variable"}, tmp_path / "work")
    assert folders.path("../named/deep") == tmp_path / "named" / "deep"
    assert folders.called(folders.path("../by variable")) == str(tmp_path / "by variable")
    assert folders.called(folders.path("below")) == "below"
    with pytest.raises(OutsideError, match=r"python -m streamlit run studio -- \. "):
        folders.path(str(tmp_path / "other"))


def test_progress_is_read_off_the_lines_that_commands_say(tmp_path: Path) -> None:
    log, work = tmp_path / "log.txt", Work("steps: all", 84, 0.0, "step")
    work.come_to(21, 10.0)
    log.write_text(f"starting: in 0:03\n{plain_line(work, 10.0)}\n", encoding="utf-8")
    progress = progress_in(log, log.stat().st_mtime + 5)
    assert progress is not None
    assert (progress.title, progress.share, progress.left, progress.counted) == ("steps: all", 0.25, 25.0, "21 of 84")
    waits = Work("loading", None, 0.0)
    log.write_text(plain_line(waits, 12.0), encoding="utf-8")
    assert progress_in(log) is not None
    log.write_text(finished_line(work, 10.0), encoding="utf-8")
    assert progress_in(log) is None
    log.write_text(str(bar_line(work, 10.0, 80)), encoding="utf-8")
    assert progress_in(log) is None
    assert progress_in(tmp_path / "none") is None


def test_a_log_is_read_from_its_end_and_obeys_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"\xff" * 10_000_000 + b"\n" + b"x" * 9000 + b"\n\x1b[31mred\n")
    assert len(tail_of(log)) < 70_000
    assert tail_of(log).endswith("…\n?[31mred")


def test_cards_say_what_is_done_now_and_when_it_is_over(tmp_path: Path) -> None:
    job, mark = new_job("eval", ["grid", "x.toml"], "Draw", tmp_path, "processor"), mark_of(1)
    assert mark is not None
    (tmp_path / "log.txt").write_text("rendering: 30/40, 1:40 left, 1.2 s/picture\n", encoding="utf-8")
    now = time.time()
    running = JobFiles(folder=tmp_path, job=job, started=Started(process=mark, runner=mark, at=now - 120))
    card = card_of(running, now)
    assert card.share == 0.75
    assert card.words.startswith("rendering 30 of 40; runs for 2 min; about 2 min left, done at ")
    assert card_of(JobFiles(folder=tmp_path, job=job)).words == "waits for this machine"
    asked = running.model_copy(update={"stop": StopAsked(at=now - 30)})
    assert card_of(asked, now).may_be_killed
    assert "1:40 left" in log_of(running)


def test_times_are_told_as_people_do() -> None:
    assert [lasting(one) for one in (40, 720, 11_100, 200_000)] == ["40 s", "12 min", "3 h 05 min", "2 days"]
    assert done_at(180, NOON) == "about 3 min left, done at 12:03"
    assert done_at(86_400, NOON).endswith("done at Sun 12:00")
    drawn = StoreProgress(made=10, total=40, is_finished=False, each=2.0, since=1.0)
    assert how_far(drawn, NOON) == (
        "10 of 40 pictures are rendered, the last one just now; about 60 s left, done at 12:01."
    )
    assert "nobody draws now" in how_far(StoreProgress(10, 40, False, 2.0, 4000.0), NOON)
    assert "being scored" in how_far(StoreProgress(40, 40, False, 2.0, 9.0), NOON)
    assert "the first comes soon" in how_far(StoreProgress(0, None, False, None, None), NOON)
