"""The queue of jobs: one at a time a device, outliving who asked, and the truth about what was stopped or cut off.

Where a command must last until it is stopped, a stand-in of the same name does: how real ones end is their own tests'.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from studio.jobs.devices import devices_here
from studio.jobs.job_progress import last_line, tail_of
from studio.jobs.job_queue import again, forget, kill, put_in, queue_of, see_to, standing_still, stop
from studio.jobs.job_state import JobState, state_of
from studio.jobs.kept_job import JOB, LARGEST_FILE, STARTED, Job, JobError, JobFiles, jobs_in, keep, new_job, read_job
from studio.jobs.locks import device_lock, held
from studio.jobs.process_marks import mark_of, was_restarted_since

SECONDS = 60.0
# Notes when it began and ended; ends at once where it is told to, else when a file appears or it is asked to.
STAND_IN = """
import json, pathlib, signal, sys, time
what, place = sys.argv[1], pathlib.Path(sys.argv[2])
def stop(number, frame):
    if what == "deaf":
        return
    print("stopping, as soon as what is in hand is done", file=sys.stderr)
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
began = time.time()
print("rendering: 1/4, 0:30 left", file=sys.stderr, flush=True)
(place / "began").touch()
while what in ("wait", "deaf") and not (place / "go").exists():
    time.sleep(0.01)
(place / "times.jsonl").open("a").write(json.dumps([began, time.time()]) + "\\n")
sys.exit(2 if what == "fail" else 0)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, whose devices nobody else uses."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("trainer", "eval"):
        (tmp_path / "stand-in" / name).mkdir(parents=True)
        (tmp_path / "stand-in" / name / "__main__.py").write_text(STAND_IN, encoding="utf-8")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def made(here: Path) -> Callable[..., Job]:
    """A job of the stand-in: it ends at once ("end", "fail"), or waits for a file ("wait", "deaf")."""

    def make(what: str, device: str = "processor", after: str = "", folder: Path | None = None) -> Job:
        stand_in = {"PYTHONPATH": str(here.parent / "stand-in")}
        return new_job("eval", [what, str(here)], what, folder or here, device, stand_in, after)

    return make


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def state(here: Path, job: Job) -> JobState:
    return state_of(read_job(queue_of(here) / job.id))


def files_of(here: Path, job: Job) -> JobFiles:
    return read_job(queue_of(here) / job.id)


def is_over(here: Path, *jobs: Job) -> Callable[[], bool]:
    return lambda: not any(state(here, job).is_open for job in jobs)


def test_jobs_of_a_device_run_one_after_the_other_in_their_order(here: Path, made: Callable[..., Job]) -> None:
    jobs = [made("end"), made("fail"), made("end")]
    put_in(queue_of(here), *jobs)
    until(is_over(here, *jobs))
    times = [json.loads(line) for line in (here / "times.jsonl").read_text("utf-8").splitlines()]
    assert len(times) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(times))
    assert [state(here, job).name for job in jobs] == ["done", "refused", "done"]
    assert [one.job.id for one in jobs_in(queue_of(here))] == [job.id for job in jobs]
    assert standing_still(queue_of(here)) == []


def test_devices_do_not_wait_for_each_other(here: Path, made: Callable[..., Job]) -> None:
    long, light = made("wait"), made("end", "light")
    put_in(queue_of(here), long, light)
    until(is_over(here, light))
    assert state(here, long).is_open
    (here / "go").touch()
    until(is_over(here, long))


def test_a_device_is_shared_with_studios_of_other_folders(here: Path, made: Callable[..., Job], tmp_path: Path) -> None:
    other, mine = made("wait"), made("end")
    put_in(queue_of(tmp_path / "other"), other)
    until((here / "began").exists)
    put_in(queue_of(here), mine)
    time.sleep(0.5)
    assert state(here, mine).name == "waiting"
    (here / "go").touch()
    until(is_over(here, mine))
    until(is_over(tmp_path / "other", other))


def test_a_job_outlives_who_asked_for_it(here: Path, made: Callable[..., Job]) -> None:
    job = made("wait")
    code = (
        "import sys; from pathlib import Path; from studio.jobs.job_queue import put_in; "
        "from studio.jobs.kept_job import Job; put_in(Path(sys.argv[1]), Job.model_validate_json(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, str(queue_of(here)), job.model_dump_json()], check=True)
    until((here / "began").exists)
    files = files_of(here, job)
    assert files.started is not None
    assert os.getsid(files.started.process.number) == files.started.process.number
    (here / "go").touch()
    until(is_over(here, job))
    assert state(here, job).name == "done"
    assert last_line(files.log) == "rendering: 1/4, 0:30 left"


def test_a_job_is_stopped_as_ctrl_c_does_and_goes_on_by_the_same_command(here: Path, made: Callable[..., Job]) -> None:
    running, waiting = made("wait"), made("end")
    put_in(queue_of(here), running, waiting)
    until((here / "began").exists)
    stop(queue_of(here), waiting.id)
    assert state(here, waiting).words == "was taken out of the queue"
    stop(queue_of(here), running.id)
    until(is_over(here, running))
    assert state(here, running).name == "stopped"
    assert files_of(here, running).ended is not None
    assert "stopping" in last_line(files_of(here, running).log)
    with pytest.raises(JobError, match="over already"):
        stop(queue_of(here), running.id)
    next_one = again(queue_of(here), running.id)
    assert next_one.command == running.command
    with pytest.raises(JobError, match="waits or runs already"):
        again(queue_of(here), running.id)
    (here / "go").touch()
    until(is_over(here, next_one))
    assert state(here, next_one).name == "done"
    forget(queue_of(here), running.id)
    assert running.id not in [one.job.id for one in jobs_in(queue_of(here))]


def test_one_that_does_not_answer_is_killed(here: Path, made: Callable[..., Job]) -> None:
    job = made("deaf")
    put_in(queue_of(here), job)
    until((here / "began").exists)
    stop(queue_of(here), job.id)
    assert state(here, job).name == "stopping"
    with pytest.raises(JobError, match="is not over"):
        forget(queue_of(here), job.id)
    kill(queue_of(here), job.id)
    until(is_over(here, job))
    assert "was killed" in state(here, job).words
    with pytest.raises(JobError, match="over already"):
        kill(queue_of(here), job.id)


def test_what_comes_after_a_job_that_failed_is_not_begun(here: Path, made: Callable[..., Job]) -> None:
    first = made("fail")
    second = made("end", after=first.id)
    third = made("end", after=second.id)
    put_in(queue_of(here), first, second, third)
    until(is_over(here, third))
    assert state(here, second).words == "was not begun, because `fail` before it did not end well"
    assert state(here, third).name == "not begun"
    assert state(here, third).goes_on


def test_where_the_runner_is_killed_the_device_stays_taken_and_the_truth_is_said(
    here: Path, made: Callable[..., Job]
) -> None:
    orphan, waiting = made("wait"), made("end")
    put_in(queue_of(here), orphan, waiting)
    until((here / "began").exists)
    until(lambda: files_of(here, orphan).started)
    started = files_of(here, orphan).started
    assert started is not None
    os.kill(started.runner.number, signal.SIGKILL)
    until(lambda: standing_still(queue_of(here)) == ["processor"])
    assert state(here, orphan).name == "running"
    see_to(queue_of(here), "processor")
    time.sleep(0.5)
    assert state(here, waiting).name == "waiting"
    (here / "go").touch()
    until(is_over(here, waiting))
    assert "nobody saw how it ended" in state(here, orphan).words
    assert state(here, waiting).name == "done"


def test_what_the_machines_restart_cut_off_is_said_so_and_the_queue_goes_on_when_asked(
    here: Path, made: Callable[..., Job]
) -> None:
    queue, cut_off, waiting = queue_of(here), made("end"), made("end")
    mark = mark_of(os.getpid())
    assert mark is not None
    before = mark.model_copy(update={"machine": "another start"})
    assert was_restarted_since(before)
    for job in (cut_off, waiting):
        (queue / job.id).mkdir(parents=True)
        keep(queue / job.id, JOB, job)
    (queue / cut_off.id / STARTED).write_text(
        json.dumps({"process": before.model_dump(), "runner": before.model_dump(), "at": 0.0}), encoding="utf-8"
    )
    assert "was cut off when the machine (or its container) was restarted" in state(here, cut_off).words
    assert standing_still(queue) == ["processor"]
    see_to(queue, "processor")
    until(is_over(here, waiting))
    assert state(here, waiting).name == "done"
    assert "restarted" in state(here, cut_off).words


def test_a_real_command_says_itself_why_it_could_not(here: Path) -> None:
    job = new_job("trainer", ["check", "nowhere"], "check", here, "light")
    gone = new_job("trainer", ["check", "nowhere"], "check", here / "gone", "light")
    put_in(queue_of(here), job, gone)
    until(is_over(here, job, gone))
    assert (state(here, job).name, state(here, job).again) == ("refused", "Begin it anew")
    assert not state(here, job).goes_on
    assert last_line(files_of(here, job).log).startswith("error: nowhere: no such folder")
    assert "could not be begun (No such file or directory" in state(here, gone).words


def test_what_is_no_job_of_ours_is_left_out(here: Path, made: Callable[..., Job]) -> None:
    queue, job = queue_of(here), made("end")
    for name, text in (
        ("broken", "{"),
        ("20260101-000000-000000-abcd", job.model_dump_json()),
        ("large", " " * (LARGEST_FILE + 1)),
        ("other", job.model_dump_json().replace('"eval"', '"os"')),
    ):
        (queue / name).mkdir(parents=True)
        (queue / name / JOB).write_text(text, encoding="utf-8")
    assert jobs_in(queue) == []
    with pytest.raises(JobError, match="not a job's folder"):
        read_job(queue / "nowhere")


def test_gpus_have_a_queue_each(tmp_path: Path) -> None:
    assert [one.name for one in devices_here(tmp_path / "none")] == ["processor"]
    (tmp_path / "0000:01:00.0").mkdir()
    assert [(one.name, dict(one.environment)) for one in devices_here(tmp_path)] == [("gpu0", {})]
    (tmp_path / "0000:02:00.0").mkdir()
    assert [dict(one.environment) for one in devices_here(tmp_path)] == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "1"},
    ]


def test_the_place_of_locks_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with held(device_lock("processor")):
        assert device_lock("processor").parent.stat().st_mode & 0o077 == 0
    place = device_lock("processor").parent
    (place / "processor.lock").unlink()
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(JobError, match="somebody else's"):
        device_lock("processor")


def test_a_pipe_in_place_of_a_jobs_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / JOB)
    with pytest.raises(JobError, match="cannot be read"):
        read_job(tmp_path)
    os.mkfifo(tmp_path / "log")
    assert tail_of(tmp_path / "log") == ""
