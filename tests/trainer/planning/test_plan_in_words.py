"""What a run says before it begins: its steps, pictures, buckets, files, and the memory that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from base_models.base_source import find_base
from foundation.progress import Silent
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import read_dataset
from trainer.planning.plan_in_words import in_bytes, run_in_words
from trainer.planning.run_plan import plan_run
from trainer.running.run import run_training


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("plan")
    data, base = tiny_data(folder), tiny_base(folder)
    return parse_config(dict(tiny_settings(base)), data / "run.toml")


def lines_of(config: TrainConfig) -> dict[str, str]:
    said = run_in_words(plan_run(config), find_base(config.model.base), None)
    return dict(line.split(": ", 1) for line in said)


def test_the_plan_counts_steps_pictures_and_buckets_and_names_every_file(config: TrainConfig) -> None:
    said = lines_of(config)
    dataset = read_dataset(config.data.train, config.data.reg)
    epochs = config.training.epochs
    assert said["plan"].startswith(
        f"{epochs * int(said['plan'].split(' of ')[1].split(',')[0])} steps, {epochs} epochs"
    )
    assert said["pictures"].startswith(f"{len(dataset.train)} of the subject")
    assert sum(int(one.split(": ")[1]) for one in said["buckets"].split(", ")) == len(dataset.train + dataset.reg)
    assert "-run.json" in said["files"]
    assert said["memory"].endswith("see `trainer plan`")


def test_the_memory_of_weights_is_counted_from_their_headers(config: TrainConfig) -> None:
    source = find_base(config.model.base)
    assert source.parameters > 1000
    variant = next((source.path / "unet").glob("*.safetensors"))
    copy = variant.with_name("diffusion_pytorch_model.fp16.safetensors")
    copy.write_bytes(variant.read_bytes())
    assert replace(source).parameters == source.parameters
    copy.unlink()
    assert [in_bytes(count) for count in (10, 3.4e8, 1.72e9)] == ["1 MB", "340 MB", "1.7 GB"]


def test_the_plan_is_the_first_that_a_run_says(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    told = Told()

    def loads(*given: object) -> None:
        told.lines.append("loading")
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.running.training.train", loads)
    with pytest.raises(KeyboardInterrupt):
        run_training(config, told)
    assert [line.split(":")[0] for line in told.lines] == ["plan", "pictures", "buckets", "files", "memory", "loading"]
