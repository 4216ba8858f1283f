"""Workers: whoever renders a batch makes the same bits; what a lost one had in hand is not lost, and not made twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.executors.backlog import Backlog, WorkersLostError
from eval.executors.executor import Amount
from eval.executors.local_gpus import LocalDevices
from eval.request.plan import Batch, PlannedPicture
from executor_jobs import Example, example, ids_of
from foundation.errors import BaseModelError
from typed_commands import forked


def work(checkpoints: int, weights: int, batches: int) -> tuple[list[Batch], Amount]:
    made = [
        Batch((PlannedPicture(f"{c}-{u}-{b}", None, "", 0, f"checkpoint {c}", f"weight {c} {u}"),))
        for c in range(checkpoints)
        for u in range(weights)
        for b in range(batches)
    ]
    return made, Amount(len(made), len(made), checkpoints, checkpoints * weights, 0)


sizes = st.tuples(st.integers(1, 20), st.integers(1, 4), st.integers(1, 3))


@given(size=sizes, workers=st.integers(1, 4), losses=st.sets(st.integers(0, 30), max_size=2))
def test_every_batch_is_finished_once_whoever_is_lost(
    size: tuple[int, int, int], workers: int, losses: set[int]
) -> None:
    batches, amount = work(*size)
    backlog, finished, turn = Backlog(batches, amount, workers), list[Batch](), 0
    while group := backlog.take(f"worker {turn}"):
        for at, batch in enumerate(group):
            if turn in losses and at == len(group) // 2:
                backlog.lost(f"worker {turn}", "it was switched off")
                break
            backlog.done(f"worker {turn}", batch)
            finished.append(batch)
        turn += 1
    assert not backlog.busy
    assert sorted(batch.pictures[0].id for batch in finished) == sorted(batch.pictures[0].id for batch in batches)


@given(size=sizes, workers=st.integers(1, 4))
def test_groups_share_weights_and_there_are_enough_for_all(size: tuple[int, int, int], workers: int) -> None:
    batches, amount = work(*size)
    backlog, groups = Backlog(batches, amount, workers), list[tuple[Batch, ...]]()
    while group := backlog.take(f"worker {len(groups)}"):
        groups.append(group)
    assert all(len({batch.checkpoint for batch in group}) == 1 for group in groups)
    assert len(groups) >= min(len(batches), 8 * workers)
    assert len(groups) == amount.checkpoints or amount.checkpoints < 8 * workers


def test_a_batch_that_kills_its_workers_stops_the_run() -> None:
    batches, amount = work(1, 1, 1)
    backlog = Backlog(batches, amount, 1)
    for number in range(2):
        backlog.take(f"worker {number}")
        backlog.lost(f"worker {number}", "out of memory")
        assert backlog.unfinished
        assert not backlog.busy
    backlog.take("the last")
    with pytest.raises(WorkersLostError, match=r"out of memory.*goes on from there"):
        backlog.lost("the last", "out of memory")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("executors ö"))


@pytest.fixture(scope="module")
def two(made: Example) -> Iterator[LocalDevices]:
    executor = LocalDevices(made.job("two"), ("cpu", "cpu"))
    yield executor
    executor.close()


def test_two_processes_make_the_bits_of_one_and_a_killed_one_loses_nothing(made: Example, two: LocalDevices) -> None:
    finished = []
    for one in two.run(made.batches, made.amount):
        if not finished:
            next(iter(two._processes.values())).kill()
        finished.append(one)
    assert sorted(ids_of(finished)) == sorted(made.alone)
    assert made.pictures("two") == made.alone


def test_another_base_on_a_workers_machine_is_refused(made: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    job = made.job("other")
    with forked(monkeypatch), pytest.raises(BaseModelError, match="is another model"):
        LocalDevices(replace(job, sampling=replace(job.sampling, base="another hash")), ("cpu",))
