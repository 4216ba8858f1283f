"""Sample pictures: they are what the epoch's file draws, they change nothing of the training, and never stop it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats

from base_models.base_model import load_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.png import read_picture, to_bytes
from base_models.drawing.render import render
from base_models.drawing.settings import DrawingSettings
from eval.rendering.patching import PatchedModel
from eval.request.cells import Sampling
from foundation.errors import ConfigurationError, MissingFileError
from loras.lora_file import read_lora
from miniature.paths import SUBJECT
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.dataset import Dataset, read_dataset
from trainer.learning.batch_loss import TrainingSetup
from trainer.records.record import RunRecord
from trainer.running import sample_pictures
from trainer.running.run import run_training
from trainer.samples.chart import write_chart
from trainer.samples.curve import Curve, EpochSamples, FaceScale
from trainer.samples.drawing_in_training import draw_on
from trainer.samples.sample_identity import identity_of, open_identity_measure

PROMPTS = ["photo of ohwx person", "ohwx, Smiling", "a person"]
SAMPLES: dict[str, object] = {"prompts": PROMPTS, "steps": 3, "cfg": 3.0, "seed": 5}


class Killed(BaseException):
    """What stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"))


def _config(data: Path, base: Path, folder: Path, samples: dict[str, object] | None = None) -> TrainConfig:
    tables: dict[str, object] = dict(tiny_settings(base))
    # What draws numbers of its own while training, and what looks at a model's mode, would show a disturbance.
    tables["lora"] = {"rank": 2, "alpha": 1.0, "dropout": 0.1, "rank_dropout": 0.1, "module_dropout": 0.1}
    tables["model"] = {"base": str(base), "device": "cpu", "dtype": "float32", "gradient_checkpointing": True}
    tables["output"] = {"folder": str(folder), "name": "hina", "save_dtype": "float32", "save_state_every": 2}
    return parse_config({**tables, "samples": SAMPLES if samples is None else samples}, data / "run.toml")


@pytest.fixture(scope="module")
def plain(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, RunRecord]:
    config = _config(data, base, tmp_path_factory.mktemp("plain"), {})
    return config, run_training(config)


@pytest.fixture(scope="module")
def sampled(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainConfig, RunRecord]:
    config = _config(data, base, tmp_path_factory.mktemp("sampled"))
    return config, run_training(config)


def _pictures(config: TrainConfig) -> list[str]:
    folder = config.output.folder / "hina-samples"
    return sorted(path.name for path in folder.iterdir() if path.name[0] in "b0")


def _same_tensors(one: TrainConfig, other: TrainConfig) -> None:
    for name in ("hina-000001", "hina"):
        first, second = (load_file(config.output.folder / f"{name}.safetensors") for config in (one, other))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_with_samples_ends_with_the_very_tensors_of_one_without(
    plain: tuple[TrainConfig, RunRecord], sampled: tuple[TrainConfig, RunRecord]
) -> None:
    _same_tensors(plain[0], sampled[0])
    assert plain[1].identity == sampled[1].identity
    assert [one.train_loss for one in plain[1].readings] == [one.train_loss for one in sampled[1].readings]


def test_a_picture_a_prompt_for_the_base_and_each_epoch(sampled: tuple[TrainConfig, RunRecord]) -> None:
    config, record = sampled
    slugs = ("01-photo-of-ohwx-person", "02-ohwx-smiling", "03-a-person")
    names = [f"{epoch}-{slug}.png" for epoch in ("000001", "000002", "base") for slug in slugs]
    assert _pictures(config) == names
    assert record.samples is not None
    assert [one.epoch for one in record.samples.drawn] == [0, 1, 2]
    assert (config.output.folder / "hina-samples" / "sheet.png").is_file()
    assert json.loads((config.output.folder / "hina-run.json").read_text())["samples"]["drawn"][2]["epoch"] == 2


def test_samples_are_what_the_epochs_file_draws(sampled: tuple[TrainConfig, RunRecord], base: Path) -> None:
    config, _ = sampled
    model = load_base(str(base))
    unet, patched = GuidedUnet(model.unet), PatchedModel(model)
    drawing = Sampling("tiny", "float32", "euler_a", 3, 3.0, 32, 32, 1, "")
    for epoch, file in (("base", None), ("000001", "hina-000001"), ("000002", "hina")):
        if file:
            patched.put_on(read_lora(config.output.folder / f"{file}.safetensors").modules)
        drawn = render(model, unet, drawing, read_prompts(model, PROMPTS), [5, 6, 7])
        folder = config.output.folder / "hina-samples"
        shown = [read_picture(path) for path in sorted(folder.glob(f"{epoch}-*.png"))]
        difference = np.abs(to_bytes(drawn).astype(int) - np.stack(shown).astype(int))
        assert difference.max() <= 1


def test_what_a_kill_left_is_not_drawn_again(
    data: Path,
    base: Path,
    sampled: tuple[TrainConfig, RunRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, drawn, replace = _config(data, base, tmp_path), [], os.replace

    def counted(
        setup: TrainingSetup, drawing: DrawingSettings, prompts: Sequence[str], *rest: Sequence[int]
    ) -> np.ndarray:
        drawn.extend(prompts)
        return draw_on(setup, drawing, prompts, *rest)  # pyright: ignore[reportArgumentType]

    def killing(source: str, target: str) -> None:
        if Path(target).name.startswith("000001-03"):
            raise Killed
        replace(source, target)

    monkeypatch.setattr(sample_pictures, "draw_on", counted)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killing)
        with pytest.raises(Killed):
            run_training(config)
    assert len(drawn) == 6
    run_training(config)
    assert drawn[6:] == [PROMPTS[2], *PROMPTS]  # the one that was lost, then the second epoch's
    _same_tensors(config, sampled[0])
    for name in _pictures(config):
        ours, theirs = (read_picture(one.output.folder / "hina-samples" / name) for one in (config, sampled[0]))
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1  # a batch of another size rounds otherwise
    run_training(config)
    assert len(drawn) == 10


def test_what_breaks_while_sampling_is_a_note(
    data: Path, base: Path, plain: tuple[TrainConfig, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> np.ndarray:
        raise torch.OutOfMemoryError("no memory for a VAE")

    monkeypatch.setattr(sample_pictures, "draw_on", breaks)
    config = _config(data, base, tmp_path)
    record = run_training(config)
    _same_tensors(config, plain[0])
    assert "no sample pictures of epoch 2: OutOfMemoryError: no memory for a VAE" in record.notes


def test_only_epochs_that_are_due_and_the_last_are_drawn(data: Path, base: Path, tmp_path: Path) -> None:
    config = _config(data, base, tmp_path, {**SAMPLES, "prompts": ["x"], "every_n_epochs": 3})
    run_training(config)
    assert _pictures(config) == ["000002-01-x.png", "base-01-x.png"]


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        ({"faces": "miniature"}, "give `prompts`"),
        ({"prompts": ["x"], "references": "r"}, "give the face pack"),
        ({"prompts": ["x"], "sampler": "euler_b"}, "did you mean `euler_a`"),
        ({"prompts": [""]}, r"samples\.prompts"),
    ],
)
def test_faults_are_named(data: Path, base: Path, samples: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        _config(data, base, Path("out"), samples)


def test_identity_is_the_mean_with_faceless_pictures_at_the_floor() -> None:
    cosines, base = np.array([0.5, np.nan, 0.7, 0.1]), np.array([0.1, 0.2, np.nan, 0.3])
    found = identity_of(cosines, base)
    assert found is not None
    counted = [0.5, 0.2, 0.7, 0.3]  # no face, and a face less alike than the base model's: the floor
    assert found.mean == pytest.approx(np.mean(counted))
    low, high = stats.t.interval(0.95, 3, loc=np.mean(counted), scale=stats.sem(counted))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.faces == 3
    alone = identity_of(np.array([0.5]), np.array([np.nan]))
    assert alone is not None
    assert (alone.low, alone.high) == (None, None)


def test_where_the_base_model_shows_no_face_nothing_is_made_up_of_strangers() -> None:
    nobody = np.array([np.nan, np.nan])
    assert identity_of(nobody, nobody) is None
    found, fewer = identity_of(np.array([0.8, -0.2]), nobody), identity_of(np.array([0.8, np.nan]), nobody)
    assert found is not None
    assert fewer is not None
    assert found.mean == pytest.approx(0.3)
    assert fewer.mean < found.mean


def test_a_subjects_own_pictures_are_alike_and_strangers_are_not() -> None:
    dataset = read_dataset(SUBJECT / "Train", SUBJECT / "Reg")
    measure = open_identity_measure("miniature", SUBJECT / "references", dataset)
    own = measure.cosines([sample.path for sample in dataset.train[:4]])
    others = measure.cosines([sample.path for sample in dataset.reg[:4]])
    assert np.nanmin(own) > np.nanmax(others)
    assert measure.scale.references > 1


def test_references_that_prove_nothing_are_refused(tmp_path: Path) -> None:
    dataset = read_dataset(SUBJECT / "Train", None)
    with pytest.raises(ConfigurationError, match="is trained on"):
        open_identity_measure("miniature", SUBJECT / "Train", dataset)
    with pytest.raises(ConfigurationError, match=r"give samples\.references"):
        open_identity_measure("miniature", None, dataset)
    with pytest.raises(MissingFileError, match="no such folder"):
        open_identity_measure("miniature", tmp_path / "none", dataset)


def test_a_curve_is_drawn_from_two_epochs_on(tmp_path: Path) -> None:
    scale = FaceScale(model="miniature", sha256="", licence="", references=12, ceiling=0.8)
    first = EpochSamples(epoch=0, pictures=("a.png",), identity=identity_of(np.array([0.1]), np.array([0.1])))
    curve = Curve(request="", scale=scale).with_drawn(first)
    write_chart(curve, tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()
    write_chart(curve.with_drawn(first.model_copy(update={"epoch": 1})), tmp_path / "curve.png")
    assert read_picture(tmp_path / "curve.png").min() < 100


@pytest.mark.parametrize("damage", [b"", b"<html>404 not found</html>", b"\x89PNG\r\n\x1a\n"])
def test_a_reference_that_is_no_picture_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "Reference.png").write_bytes(damage)
    with pytest.raises(ConfigurationError, match=r"Reference\.png: cannot be read as a picture"):
        open_identity_measure("miniature", tmp_path, Dataset((), (), ()))
