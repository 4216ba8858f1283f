"""A whole run on a tiny model: its files, its record, its repeatability, and what happens when it breaks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from base_models.base_model import load_base
from foundation.errors import BaseModelError, ConfigurationError, DatasetError, DivergedError
from foundation.files import sha256_of
from foundation.progress import Silent
from loras.lora_file import read_lora
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import Dataset, read_dataset
from trainer.data.plan import Plan, make_plan
from trainer.learning.optimizers import CHOICES, trial
from trainer.records.record import RunRecord
from trainer.running.run import run_training
from trainer.running.session import Session, prepare


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, RunRecord]:
    config = _config(tiny_data(tmp_path_factory.mktemp("data")), base)
    return config, run_training(config)


def _config(data: Path, base: Path, **tables: dict[str, object]) -> TrainConfig:
    settings = tiny_settings(base)
    merged = {name: {**settings.get(name, {}), **tables.get(name, {})} for name in settings}
    return parse_config(dict(merged), data / "run.toml")


class _Told(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as opened:
        return dict(opened.metadata())


# What two runs of one configuration do not share: when they were made. The tensors' hash is not among it.
OF_A_SITTING = {
    "ss_session_id",
    "ss_training_started_at",
    "ss_training_finished_at",
    "modelspec.date",
    "sshs_legacy_hash",
}


def _tensors_hash(path: Path) -> str:
    return _metadata(path)["sshs_model_hash"]


def test_a_file_an_epoch_the_last_one_plain(finished: tuple[TrainConfig, RunRecord]) -> None:
    config, record = finished
    assert list(record.files) == ["hina-000001.safetensors", "hina.safetensors"]
    for name, sha in record.files.items():
        assert sha256_of(config.output.folder / name) == sha
        lora = read_lora(config.output.folder / name)
        assert {(module.rank, module.alpha) for module in lora.modules.values()} == {(2, 1.0)}
        assert all(module.up.abs().sum() > 0 for module in lora.modules.values())
    assert sorted(path.name for path in config.output.folder.iterdir()) == sorted(
        [*record.files, "hina-log.jsonl", "hina-run.json"]
    )


def test_the_header_says_what_tools_ask(finished: tuple[TrainConfig, RunRecord]) -> None:
    config, _ = finished
    first, last = (_metadata(config.output.folder / f"{name}.safetensors") for name in ("hina-000001", "hina"))
    assert (first["ss_epoch"], first["ss_steps"], first["ss_output_name"]) == ("1", "3", "hina-000001")
    assert (last["ss_epoch"], last["ss_steps"], last["ss_output_name"]) == ("2", "6", "hina")
    assert (last["ss_network_module"], last["ss_network_dim"], last["ss_network_alpha"]) == (
        "networks.lora",
        "2",
        "1.0",
    )
    assert (last["ss_v2"], last["ss_base_model_version"]) == ("False", "sd_v1")
    assert (last["ss_num_train_images"], last["ss_num_reg_images"]) == ("6", "6")
    assert (last["ss_unet_lr"], last["ss_text_encoder_lr"]) == ("0.01", "0.005")
    assert json.loads(last["ss_dataset_dirs"]) == {"2_ohwx person": {"n_repeats": 2, "img_count": 3}}
    assert json.loads(last["ss_tag_frequency"])["2_ohwx person"]["smiling"] == 3
    assert last["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert len(last["sshs_model_hash"]) == 64


def test_the_header_says_when(finished: tuple[TrainConfig, RunRecord]) -> None:
    config, record = finished
    first, last = (_metadata(config.output.folder / f"{name}.safetensors") for name in ("hina-000001", "hina"))
    began = datetime.fromisoformat(record.started).timestamp()
    assert float(first["ss_training_started_at"]) == float(last["ss_training_started_at"]) == began
    assert began <= float(first["ss_training_finished_at"]) < float(last["ss_training_finished_at"])
    date = datetime.fromisoformat(last["modelspec.date"]).timestamp()
    assert date == int(float(last["ss_training_finished_at"]))
    assert first["ss_session_id"] == last["ss_session_id"]
    assert 0 <= int(last["ss_session_id"]) < 2**32


def test_the_log_has_a_line_a_step(finished: tuple[TrainConfig, RunRecord]) -> None:
    config, _ = finished
    lines = [json.loads(line) for line in (config.output.folder / "hina-log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["epoch"]) for line in lines] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    assert lines[0]["unet_lr"] == 0.01
    assert lines[0]["te_lr"] == 0.005
    assert lines[-1]["unet_lr"] < lines[0]["unet_lr"]


def test_the_same_configuration_gives_the_same_tensors_and_another_seed_does_not(
    finished: tuple[TrainConfig, RunRecord], base: Path
) -> None:
    config, record = finished
    data = config.data.train.parent
    again = _config(data, base, output={"folder": "again"})
    other = _config(data, base, output={"folder": "other"}, training={"seed": 1})
    repeated = run_training(again)
    assert (repeated.identity, repeated.files.keys()) == (record.identity, record.files.keys())
    run_training(other)
    for name in record.files:
        ours, theirs = (_metadata(one.output.folder / name) for one in (config, again))
        assert {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)} <= OF_A_SITTING
        assert _tensors_hash(config.output.folder / name) != _tensors_hash(other.output.folder / name)


def test_a_finished_run_is_not_made_again(finished: tuple[TrainConfig, RunRecord]) -> None:
    config, record = finished
    last = config.output.folder / "hina.safetensors"
    before, told = last.stat().st_mtime_ns, _Told()
    assert run_training(config, told) == record
    assert last.stat().st_mtime_ns == before
    assert any("already trained" in line for line in told.lines)


def test_another_runs_files_are_never_overwritten(finished: tuple[TrainConfig, RunRecord], base: Path) -> None:
    config, _ = finished
    changed = _config(config.data.train.parent, base, training={"seed": 5})
    with pytest.raises(ConfigurationError, match=r"another run named `hina` \(training.seed: 0 -> 5\)"):
        run_training(changed)


def test_files_without_a_record_are_not_ours_to_overwrite(tmp_path: Path, base: Path) -> None:
    config = _config(tiny_data(tmp_path), base)
    config.output.folder.mkdir()
    (config.output.folder / "hina-000003.safetensors").write_bytes(b"kohya made me")
    with pytest.raises(ConfigurationError, match=r"hina-000003\.safetensors: belongs to another run"):
        run_training(config)


def test_a_killed_run_goes_on_and_a_damaged_file_is_made_again(tmp_path: Path, base: Path) -> None:
    config = _config(tiny_data(tmp_path), base)

    class Killed(Silent):
        def say(self, line: str) -> None:
            if line.startswith("epoch 1"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(config, Killed())
    assert json.loads((config.output.folder / "hina-run.json").read_text())["seconds"] is None
    record = run_training(config)
    assert list(record.files) == ["hina-000001.safetensors", "hina.safetensors"]
    last = config.output.folder / "hina.safetensors"
    whole = _tensors_hash(last)
    last.write_bytes(b"damaged")
    run_training(config)
    assert _tensors_hash(last) == whole


@pytest.mark.parametrize(("rates", "prefix"), [({"te_lr": 0}, "lora_unet_"), ({"unet_lr": 0}, "lora_te_")])
def test_what_is_not_trained_is_not_in_the_file(
    tmp_path: Path, base: Path, rates: dict[str, object], prefix: str
) -> None:
    config = _config(tiny_data(tmp_path), base, training={**rates, "epochs": 1})
    run_training(config)
    assert {name.startswith(prefix) for name in load_file(config.output.folder / "hina.safetensors")} == {True}


def test_bfloat16_and_8_bit_states_train_too(tmp_path: Path, base: Path) -> None:
    training: dict[str, object] = {"epochs": 1, "optimizer": "AdamW8bit"}
    config = _config(tiny_data(tmp_path), base, model={"dtype": "bfloat16"}, training=training)
    told = _Told()
    record = run_training(config, told)
    works = trial(CHOICES["AdamW8bit"].make, torch.device("cpu")) is None
    assert record.optimizer.endswith("AdamW8bit" if works else "AdamW")
    assert any("AdamW8bit does not work here" in line for line in told.lines) != works
    read_lora(config.output.folder / "hina.safetensors")


def test_accumulation_makes_one_update_of_several_batches(tmp_path: Path, base: Path) -> None:
    training: dict[str, object] = {"epochs": 1, "batch_size": 2, "gradient_accumulation": 4}
    record = run_training(_config(tiny_data(tmp_path), base, training=training))
    assert record.steps == 2  # 12 samples: 6 batches: a group of 4 and one of 2


def _session(data: Path, base: Path, **tables: dict[str, object]) -> Session:
    config = _config(data, base, **tables)
    dataset = read_dataset(config.data.train, config.data.reg)
    return prepare(config, dataset, _plan(config, dataset), load_base(str(base)), Silent())


def _plan(config: TrainConfig, dataset: Dataset) -> Plan:
    return make_plan(dataset, config.training, frames_of(dataset, config.data))


def test_reg_pictures_weigh_less(tmp_path: Path, base: Path) -> None:
    weights = _session(tiny_data(tmp_path), base, training={"prior_loss_weight": 0.15}).updater.setup.inputs.weights
    torch.testing.assert_close(weights, torch.tensor([1.0] * 3 + [0.15] * 4))


def test_a_run_that_diverges_writes_no_broken_file(tmp_path: Path, base: Path) -> None:
    config = _config(tiny_data(tmp_path), base, training={"unet_lr": 1e30}, output={"save_dtype": "float32"})
    with pytest.raises(DivergedError, match="exploding: at step 1"):
        run_training(config)
    assert not list(config.output.folder.glob("*.safetensors"))
    record = json.loads((config.output.folder / "hina-run.json").read_text())
    assert record["seconds"] is None
    assert record["verdicts"][-1]["name"] == "exploding"
    assert [event["done"][:4] for event in record["events"]] == ["back"] * 3 + ["stop"]


def test_weights_that_the_files_type_cannot_hold_are_not_written(tmp_path: Path, base: Path) -> None:
    rates: dict[str, object] = {"unet_lr": 1e6, "te_lr": 1e6, "epochs": 1}
    config = _config(tiny_data(tmp_path), base, training=rates, lora={"alpha": 1e-15})
    with pytest.raises(DivergedError, match="epoch 1 does not fit float16 and was not written"):
        run_training(config)
    assert not list(config.output.folder.glob("*.safetensors"))


def test_a_picture_that_the_vae_cannot_encode_is_named(tmp_path: Path, base: Path) -> None:
    config = _config(tiny_data(tmp_path), base)
    dataset, model = read_dataset(config.data.train, None), load_base(str(base))
    next(model.vae.parameters()).data.fill_(float("nan"))
    with pytest.raises(DatasetError, match=r"00\.png: the VAE's answer"):
        prepare(config, replace(dataset, reg=()), _plan(config, dataset), model, Silent())


def test_another_vae_and_prediction_take_the_place_of_the_bases(tmp_path: Path, base: Path) -> None:
    data = tiny_data(tmp_path)
    shutil.copytree(base / "vae", data / "other vae")
    (weights,) = (data / "other vae").glob("*.safetensors")
    save_file({name: 1.5 * tensor for name, tensor in load_file(weights).items()}, weights)
    told: dict[str, object] = {"vae": "other vae", "prediction": "v_prediction"}
    plain = run_training(_config(data, base, output={"folder": "plain"}))
    config = _config(data, base, model=told)
    assert config.model.vae == data / "other vae"
    record = run_training(config)
    assert record.identity.settings == plain.identity.settings
    assert record.identity.base_sha256 != plain.identity.base_sha256
    header = _metadata(config.output.folder / "hina.safetensors")
    assert header["modelspec.prediction_type"] == "v"
    assert record.files["hina.safetensors"] != plain.files["hina.safetensors"]
    with pytest.raises(ConfigurationError, match="another base model"):
        run_training(_config(data, base))
    with pytest.raises(BaseModelError, match="no such VAE"):
        run_training(_config(data, base, model={"vae": "none"}, output={"folder": "none"}))
