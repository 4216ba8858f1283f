"""What is foretold is what the trainer does: steps, shapes of batches and how often each picture is learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from tiny import SIDE, tiny_base, tiny_picture, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.guarding import update
from trainer.learning.batch_loss import Batch, TrainingSetup
from trainer.planning.run_plan import plan_run
from trainer.running.run import run_training

SIZES = ((32, 32), (48, 24), (24, 48), (40, 40))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def data_of(folder: Path, folders: list[tuple[str, int, int]]) -> None:
    """`(parent, repeats, pictures)` each; sizes in turn."""
    for at, (parent, repeats, pictures) in enumerate(folders):
        place = folder / parent / f"{repeats}_ohwx person {at}"
        place.mkdir(parents=True)
        for number in range(pictures):
            seed = 1000 * at + number
            tiny_picture(place / f"{number}.png", seed, SIZES[(at + number) % len(SIZES)])


def config_of(folder: Path, base: Path, **training: object) -> TrainConfig:
    tables = tiny_settings(base)
    tables["data"] = {"train": "Train", "resolution": SIDE, "enable_bucket": True, "held_out_share": 0.0}
    tables["data"] |= {"reg": "Reg"} if (folder / "Reg").is_dir() else {}
    tables["training"] |= {"te_lr": 0.0, **training}
    return parse_config(dict(tables), folder / "run.toml")


class Learned:
    """What the trainer's own batches hold, seen where gradients are made of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uses: Counter[str] = Counter()
        self.shapes: Counter[tuple[tuple[int, int], int]] = Counter()
        self.steps: Counter[int] = Counter()
        true = update.add_gradients

        def watched(
            setup: TrainingSetup, batch: Batch, parameters: Sequence[nn.Parameter], factor: float
        ) -> torch.Tensor:
            self.uses.update(setup.inputs.names[at] for at in batch.samples)
            height, width = setup.inputs.latents[batch.samples[0]].shape[-2:]
            self.shapes[((width * 4, height * 4), len(batch.samples))] += 1
            self.steps[batch.step.epoch] += batch.number == 0
            return true(setup, batch, parameters, factor)

        monkeypatch.setattr(update, "add_gradients", watched)


def test_a_real_run_learns_what_was_foretold(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_of(tmp_path, [("Train", 3, 2), ("Train", 1, 3), ("Reg", 2, 4), ("Reg", 1, 12)])
    config = config_of(tmp_path, base, epochs=2, batch_size=2, gradient_accumulation=2)
    run, learned = plan_run(config), Learned(monkeypatch)
    record = run_training(config)
    assert record.steps == run.steps == sum(run.steps_by_epoch)
    assert tuple(learned.steps[epoch] for epoch in (1, 2)) == run.steps_by_epoch
    foretold = {f"{sample.folder}/{sample.path.name}": uses for sample, uses in run.learned}
    assert {name: learned.uses[name] for name in foretold} == foretold
    assert learned.shapes == Counter({(one.size, one.count): number for one, number in run.shapes.items()})
    shown = Counter[tuple[int, int]]()
    for (size, count), number in learned.shapes.items():
        shown[size] += count * number
    assert shown == {one.size: one.shown for one in run.buckets if one.shown}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folders=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=3),
    reg=st.integers(0, 30),
    epochs=st.integers(1, 3),
    batch=st.integers(1, 5),
    accumulation=st.integers(1, 3),
)
def test_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory,
    base: Path,
    folders: list[tuple[int, int]],
    reg: int,
    epochs: int,
    batch: int,
    accumulation: int,
) -> None:
    folder = tmp_path_factory.mktemp("data")
    data_of(folder, [*(("Train", *one) for one in folders), *([("Reg", 1, reg)] if reg else [])])
    config = config_of(folder, base, epochs=epochs, batch_size=batch, gradient_accumulation=accumulation)
    run = plan_run(config)
    an_epoch = sum(repeats * pictures for repeats, pictures in folders)
    assert run.shown_an_epoch == an_epoch
    assert sum(run.uses) == epochs * an_epoch * (2 if reg else 1)
    assert all(uses == epochs * sample.repeats for sample, uses in run.learned[: len(run.dataset.train)])
    assert sum(one.unused for one in run.folders) == len(run.unused) == max(0, reg - epochs * an_epoch)
    assert sum(one.train + one.reg for one in run.buckets) == len(run.dataset.train) + reg
    assert sum(one.count * number for one, number in run.shapes.items()) == sum(run.uses)
    assert max(one.count for one in run.shapes) <= batch
    fewest = -(-an_epoch * (2 if reg else 1) // (batch * accumulation))
    assert min(run.steps_by_epoch) >= fewest
