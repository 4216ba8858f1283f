"""A batch cut over the CPU's threads learns what it learns whole, to the same bits every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from base_models.base_model import load_base
from foundation.progress import Silent
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.plan import make_plan
from trainer.learning import batch_parts
from trainer.learning.batch_loss import Batch, UnetInputs
from trainer.learning.batch_parts import add_gradients
from trainer.running.session import Session, prepare


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    base = tiny_base(tmp_path / "base")
    config = parse_config(dict(tiny_settings(base)), tiny_data(tmp_path) / "run.toml")
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    return prepare(config, dataset, plan, load_base(str(base)), Silent())


def _learned(session: Session) -> tuple[Tensor, list[Tensor]]:
    step = session.plan.steps[0]
    weights = session.updater.weights
    weights.clear_gradients()
    for parameter in weights.live:  # up starts at zero, and then down has no gradient to speak of
        parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    batch = Batch(step, 0, step.batches[0], tuple(range(len(step.batches[0]))))
    loss = add_gradients(session.updater.setup, batch, weights.live, 0.5)
    return loss, [one.grad.clone() for one in weights.live if one.grad is not None]


def test_parts_learn_what_the_whole_learns(session: Session, two_threads: None) -> None:
    cut_loss, cut = _learned(session)
    torch.set_num_threads(1)
    whole_loss, whole = _learned(session)
    assert len(cut) == len(whole) == len(session.updater.weights.live)
    torch.testing.assert_close(cut_loss, whole_loss, rtol=1e-5, atol=1e-7)
    for one, other in zip(cut, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_the_same_bits_every_time_and_the_threads_are_given_back(session: Session, two_threads: None) -> None:
    first, again = _learned(session), _learned(session)
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(one, other) for one, other in zip(first[1], again[1], strict=True))
    assert torch.get_num_threads() == 2


def test_a_batch_with_dropout_is_not_cut(session: Session, two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both threads would draw from one generator, in an order that no seed fixes."""
    monkeypatch.setattr(batch_parts, "_workers", None)
    updater = replace(session.updater, setup=replace(session.updater.setup, draws_inside=True))
    _learned(replace(session, updater=updater))


def test_a_fault_in_one_part_is_the_batchs(
    session: Session, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = batch_parts.losses_of, []

    def faulty(*given_: object, **named: object) -> Tensor:
        calls.append(given_)
        if len(calls) == 2:
            raise MemoryError
        return real(*given_, **named)

    monkeypatch.setattr(batch_parts, "losses_of", faulty)
    with pytest.raises(MemoryError):
        _learned(session)
    assert torch.get_num_threads() == 2


@given(count=st.integers(1, 9), parts=st.integers(1, 12))
def test_a_cut_leaves_nothing_out(count: int, parts: int) -> None:
    whole = UnetInputs(range(count), torch.arange(count), torch.arange(count), torch.arange(count), ["word"] * count)
    cut = whole.cut(parts)
    assert [at for part in cut for at in part.samples] == list(range(count))
    assert torch.equal(torch.cat([part.timesteps for part in cut]), whole.timesteps)
    sizes = [len(part.samples) for part in cut]
    assert len(cut) == min(count, parts)
    assert max(sizes) - min(sizes) <= 1
