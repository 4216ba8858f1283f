"""Nothing is silent: bars that tell what is left at any width, and lines where nobody watches."""

from __future__ import annotations

import io
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from foundation import progress
from foundation.progress import Seen, Silent, Terminal, at_hand, counted, heard_by
from foundation.terminal.displays import Bars, Lines
from foundation.terminal.works import Work, bar_line, clock, finished_line, plain_line


def half_done() -> Work:
    """A training that did 10 of 20 steps in 20 s."""
    work = Work("training", 20, 100.0, "step")
    for step in range(1, 11):
        work.come_to(step, 100.0 + 2 * step)
    work.facts = ("loss 0.0713", "lr 1.0e-04")
    return work


def test_a_line_tells_steps_what_is_left_loss_speed_and_rate() -> None:
    assert plain_line(half_done(), 120.0) == "training: 10/20, 0:20 left, loss 0.0713, 2 s/step, lr 1.0e-04"
    assert plain_line(half_done(), 121.0).startswith("training: 10/20, 0:19 left")
    assert finished_line(half_done(), 120.0) == "training: 10 in 0:20, 2 s/step"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "training  10/20  0:20 left  loss 0.0713"),
        (60, f"training  {'━' * 4}{'─' * 5}  10/20  0:20 left  loss 0.0713  2 s/step"),
        (70, "training  10/20  0:20 left  loss 0.0713  2 s/step  lr 1.0e-04"),
        (80, f"training  {'━' * 8}{'─' * 9}  10/20  0:20 left  loss 0.0713  2 s/step  lr 1.0e-04"),
        (200, f"training  {'━' * 20}{'─' * 20}  10/20  0:20 left  loss 0.0713  2 s/step  lr 1.0e-04"),
    ],
)
def test_a_bar_fits_its_terminal_and_drops_what_matters_least(width: int, shown: str) -> None:
    assert bar_line(half_done(), 120.0, width).plain == shown


@given(title=st.text(max_size=80), total=st.integers(1, 10**6), done=st.integers(0, 10**6), width=st.integers(20, 200))
def test_no_bar_is_longer_than_its_terminal(title: str, total: int, done: int, width: int) -> None:
    work = Work(title, total, 0.0, "step", facts=("loss nan", "lr 1.0e-04"))
    work.come_to(done, 5.0)
    assert cell_len(bar_line(work, 7.0, width).plain) <= width


def test_before_the_first_step_the_time_so_far_moves() -> None:
    work = Work("rendering", 9, 0.0)
    assert plain_line(work, 75.0) == "rendering: 0/9, 1:15 so far"
    assert plain_line(Work("loading", None, 0.0), 3.0) == "loading: 0:03 so far"
    assert clock(3723) == "1:02:03"


def test_steps_of_an_earlier_sitting_are_not_counted_as_speed_and_a_rollback_begins_anew() -> None:
    resumed = Work("training", 100, 0.0, "step", first=90)
    assert plain_line(resumed, 1.0) == "training: 90/100, 0:01 so far"
    resumed.come_to(92, 6.0)
    assert plain_line(resumed, 6.0) == "training: 92/100, 0:24 left, 3 s/step"
    resumed.come_to(91, 7.0)
    assert resumed.each() is None
    resumed.come_to(92, 9.0)
    assert resumed.each() == 2.0


def lines_on(out: io.StringIO) -> Lines:
    console = Console(file=out, width=10_000, height=25, markup=False)
    return Lines(console, lambda text: console.print(text, soft_wrap=True))


def test_in_a_pipe_a_slow_work_is_told_at_once_and_then_every_ten_seconds() -> None:
    out = io.StringIO()
    display, work = lines_on(out), Work("encoding [b]", 100, 0.0)
    display.begin(work)
    told: list[float] = []
    for tenth in range(0, 400, 5):
        before = out.tell()
        work.come_to(tenth // 5, tenth / 10)
        display.tick(tenth / 10)
        told += [tenth / 10] * (out.tell() > before)
    assert told == [1.5, 11.5, 21.5, 31.5]
    assert out.getvalue().splitlines()[1] == "encoding [b]: 23/100, 0:38 left"


def test_a_work_within_a_work_is_told_first() -> None:
    out = io.StringIO()
    display = lines_on(out)
    display.begin(Work("training", 9, 0.0))
    display.tick(2.0)
    display.begin(Work("drawing", None, 3.0))
    display.tick(4.0)
    assert out.getvalue().splitlines() == ["training: 0/9, 0:02 so far"]
    display.tick(5.0)
    assert out.getvalue().splitlines()[1:] == ["drawing: 0:02 so far"]


def test_a_quick_work_leaves_no_line_and_a_slow_one_leaves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    reporter = Terminal(lines_on(out))
    advance = reporter.task("quick", 2)
    advance(2)
    with reporter.waiting("slow"):
        now[0] += 3

    def breaks() -> None:
        with reporter.watched("broken", 9, "step", lambda: Seen(4)):
            now[0] += 3
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        breaks()
    reporter.say("a line with [/bold]")
    assert out.getvalue().splitlines() == ["slow: in 0:03", "broken: 4/9, 0:03 so far", "a line with [/bold]"]


def test_bars_are_drawn_and_what_ends_leaves_the_foot_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, height=25, force_terminal=True, markup=False)
    with Bars(console, console.print).opened() as display:
        work = Work("encoding", 4, time.monotonic() - 5)
        display.begin(work)
        work.come_to(2, time.monotonic())
        display.standing(work, time.monotonic())
        display.print(Text("a line"))
        work.come_to(4, time.monotonic())
        display.end(work)
    assert "a line" in out.getvalue()
    assert out.getvalue().rstrip().splitlines()[-1].find("encoding  ━") == -1
    assert "encoding: 4 in 0:05" in out.getvalue()


def test_whoever_lies_deep_finds_the_commands_reporter_and_else_nobody_hears() -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.done: list[tuple[str, int, int]] = []

        def task(self, title: str, total: int) -> progress.Advance:
            return lambda done: self.done.append((title, total, done))

    told = Told()
    assert list(counted("ab", "letters", 2)) == ["a", "b"]
    with heard_by(told):
        found: list[progress.Reporter] = []
        thread = threading.Thread(target=lambda: found.append(at_hand()))
        thread.start()
        thread.join()
        assert list(counted("ab", "letters", 2)) == ["a", "b"]
    assert found == [told]
    assert told.done == [("letters", 2, 1)] * 2
    assert isinstance(at_hand(), Silent)
