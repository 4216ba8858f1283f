"""TensorBoard's files say what the log and the record say, each step once, whatever was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from planted_kills import killed_at_rename
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.records.record import RunRecord
from trainer.running.run import run_training


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def _config(data: Path, base: Path, folder: str) -> TrainConfig:
    tables: dict[str, dict[str, object]] = tiny_settings(base)
    tables["output"] |= {"folder": folder, "save_state_every": 2, "tensorboard": True}
    tables["data"] |= {"held_out_share": 0.5}
    return parse_config(dict(tables), data / "run.toml")


def _events(config: TrainConfig) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(config.output.folder / "hina-tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def _expected(config: TrainConfig, record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    """The same, from the log and the record; sd-scripts' average keeps the last loss of each place in an epoch."""
    lines = [json.loads(line) for line in (config.output.folder / "hina-log.jsonl").read_text().splitlines()]
    places: dict[int, float] = {}
    averages: list[tuple[int, float]] = []
    an_epoch = sum(line["epoch"] == 1 for line in lines)
    for line in lines:
        places[(line["step"] - 1) % an_epoch] = line["loss"]
        averages.append((line["step"], sum(places.values()) / len(places)))
    of_epochs = {
        "loss/epoch_average": "mean_loss",
        "loss/fixed_train": "train_loss",
        "loss/held_out": "held_out_loss",
        "loss/held_out_without_textencoder": "held_out_without_te",
        "delta/unet": "unet_movement",
        "delta/textencoder": "te_movement",
    }
    told = {
        tag: [(one.step, getattr(one, name)) for one in record.readings if getattr(one, name) is not None]
        for tag, name in of_epochs.items()
    }
    of_steps = {"loss/current": "loss", "norm/gradient": "gradient", "lr/unet": "unet_lr", "lr/textencoder": "te_lr"}
    told |= {tag: [(line["step"], line[name]) for line in lines] for tag, name in of_steps.items()}
    return told | {"loss/average": averages}


def _assert_same(config: TrainConfig, record: RunRecord) -> None:
    events, expected = _events(config), _expected(config, record)
    assert events.keys() == expected.keys()
    for tag, points in expected.items():
        assert [step for step, _ in events[tag]] == [step for step, _ in points], tag
        assert [value for _, value in events[tag]] == pytest.approx([value for _, value in points], rel=1e-6), tag


def test_every_figure_under_the_tags_of_sd_scripts(base: Path, tmp_path: Path) -> None:
    config = _config(tiny_data(tmp_path), base, "out")
    _assert_same(config, run_training(config))


def test_the_rate_that_prodigy_finds_is_in_the_log_and_under_sd_scripts_tags(base: Path, tmp_path: Path) -> None:
    tables: dict[str, dict[str, object]] = tiny_settings(base)
    tables["training"] |= {"optimizer": "Prodigy", "unet_lr": 1.0, "te_lr": 1.0, "lr_scheduler": "constant"}
    tables["output"] |= {"tensorboard": True}
    config = parse_config(dict(tables), tiny_data(tmp_path) / "run.toml")
    record = run_training(config)
    lines = [json.loads(line) for line in (config.output.folder / "hina-log.jsonl").read_text().splitlines()]
    found = [line["d*unet_lr"] for line in lines]
    assert found == sorted(found)
    assert [line["unet_lr"] for line in lines] == [1.0] * len(lines)
    assert [value for _, value in _events(config)["lr/d*lr/unet"]] == pytest.approx(found)
    assert [value for _, value in _events(config)["lr/d*lr/textencoder"]] == pytest.approx(found)
    ends = {line["epoch"]: line["d*unet_lr"] for line in lines}
    assert [one.d for one in record.readings] == pytest.approx([1e-6, *ends.values()])


@pytest.mark.parametrize("at", [2, 4, 6, 8])
def test_a_resumed_run_repeats_no_step(base: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tiny_data(tmp_path), base, "out")
    with killed_at_rename(monkeypatch, at):
        run_training(config)
    _assert_same(config, run_training(config))
