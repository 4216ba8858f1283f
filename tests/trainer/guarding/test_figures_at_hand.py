"""Who watches a training sees the newest step that is done, and never waits for one."""

from __future__ import annotations

import threading

import pytest
import torch

from trainer.guarding.figures_at_hand import MOST, FiguresAtHand, NewestStep


class _Event:
    """Of a GPU that is `behind`: what it was given last is not there yet."""

    def __init__(self, is_there: bool) -> None:
        self.is_there = is_there

    def query(self) -> bool:
        return self.is_there


def test_the_newest_step_that_is_done_is_told_until_it_is_undone() -> None:
    at_hand = FiguresAtHand()
    assert at_hand.newest() is None
    at_hand.add(7, torch.tensor([0.25, 1.0, 1.0]))
    at_hand.add(8, torch.tensor([0.5, 1.0, 1.0]))
    assert at_hand.newest() == NewestStep(8, 0.5)
    at_hand.forget()
    assert at_hand.newest() is None


def test_a_step_that_a_gpu_has_not_come_to_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand = FiguresAtHand()
    for number, is_there in ((1, True), (2, True), (3, False), (4, False)):
        at_hand.add(number, torch.tensor([number / 10, 0.0, 1.0]))
        last = at_hand._steps[-1]
        at_hand._steps[-1] = last._replace(there=_Event(is_there))
    newest = at_hand.newest()
    assert newest is not None
    assert newest.number == 2


def test_asking_while_steps_are_added_is_safe_and_keeps_little() -> None:
    at_hand = FiguresAtHand()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(2000):
                at_hand.newest()
        except BaseException as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(2000):
        at_hand.add(number, torch.tensor([0.0, 0.0, 1.0]))
    asking.join()
    assert failures == []
    assert len(at_hand._steps) == MOST
