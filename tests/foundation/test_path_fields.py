"""Every field of both configurations that names a file or folder says so, and starts at the file's folder.

The fields are found by walking the models, so that one that is added without saying so fails here.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from eval.request.spec import GridSpec
from foundation.errors import ConfigurationError
from foundation.path_fields import (
    Anchored,
    whole_clip_name,
    whole_faces_name,
    whole_folder_or_url,
    whole_likeness_name,
    whole_path,
    whole_path_or_name,
)
from foundation.toml_config import Section, validate
from trainer.config.config import TrainConfig

# Texts that name no file: who adds a field of text either gives it a type of `foundation.path_fields` or names it here.
WORDS = {
    "a1111.checkpoint",
    "a1111.headers{}",
    "comfy.cfg",
    "comfy.cfg[]",
    "comfy.headers{}",
    "comfy.height",
    "comfy.height[]",
    "comfy.lora",
    "comfy.negative",
    "comfy.negative[]",
    "comfy.output",
    "comfy.prompt",
    "comfy.prompt[]",
    "comfy.sampler",
    "comfy.sampler[]",
    "comfy.scheduler",
    "comfy.scheduler[]",
    "comfy.seed",
    "comfy.seed[]",
    "comfy.steps",
    "comfy.steps[]",
    "comfy.width",
    "comfy.width[]",
    "data.caption_extension",
    "data.folders[].caption_extension",
    "data.folders[].class_words",
    "model.device",
    "lora.guest[].trigger",
    "lora.guest[].class",
    "prompts.texts[]",
    "prompts.negative",
    "prompts.trigger",
    "prompts.class",
    "training.lr_step_rules",
    "training.optimizer_args{}",
    "samples.prompts[]",
    "samples.negative",
    "samples.sampler",
    "sampler.name",
    "store.database",
    "store.schema",
    "output.name",
    "output.comment",
}
GRID: dict[str, Any] = {
    "model": {"base": "x", "vae": "x"},
    "lora": {
        "checkpoints": ["x"],
        "also": [{"file": "x"}, [{"file": "x"}]],
        "guest": [{"file": "x", "trigger": "zkv"}],
    },
    "prompts": {"file": "x", "trigger": "ohwx", "class": "person"},
    "references": {"held_out": "x", "training": "x"},
    "score": {"faces": "x", "second_faces": "y", "clip": "x"},
    "store": {"path": "x", "pictures": "x"},
}
RUN: dict[str, Any] = {
    "model": {"base": "x", "vae": "x", "dtype": "float32"},
    "data": {"train": "x", "reg": "r", "held_out": "x", "cache": "x", "resolution": 64, "folders": [{"path": "x"}]},
    "lora": {"rank": 1, "alpha": 1.0},
    "training": {
        "epochs": 1,
        "batch_size": 1,
        "gradient_accumulation": 1,
        "unet_lr": 1.0,
        "te_lr": 1.0,
        "lr_scheduler": "constant",
        "noise_offset": 0.0,
        "prior_loss_weight": 1.0,
        "optimizer": "AdamW",
    },
    "samples": {"prompts": ["a"], "faces": "x", "references": "x"},
    "output": {"folder": "o", "name": "x"},
}
# What a field wants beside it.
BESIDE: dict[str, dict[str, Any]] = {
    "score.likeness": {"score": {"subject": "image", "clip": "x"}},
    "comfy.workflow": {"comfy": {"workflow": "x"}},
}
CONFIGURATIONS: list[tuple[type[Section], dict[str, Any]]] = [(GridSpec, GRID), (TrainConfig, RUN)]


def texts_of(kind: object, place: str, marker: Anchored | None = None) -> Iterator[tuple[str, Anchored | None]]:
    """Every place of a model where a text or a path may stand, with the marker of its type."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind in (str, Path):
        yield place, marker
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            own = next((one for one in field.metadata if isinstance(one, Anchored)), None)
            yield from texts_of(field.annotation, f"{place}.{field.alias or name}".removeprefix("."), own)
    elif origin is Annotated:
        own = next((one for one in parts[1:] if isinstance(one, Anchored)), marker)
        yield from texts_of(parts[0], place, own)
    elif origin in (Union, types.UnionType):
        for part in parts:
            yield from texts_of(part, place, marker)
    elif origin in (list, tuple):
        yield from texts_of(parts[0], f"{place}[]", marker)
    elif origin is dict:
        yield from texts_of(parts[1], f"{place}{{}}", marker)
    elif origin is not Literal:
        assert isinstance(kind, type), f"{place}: {kind} is not walked"


def fields(*configurations: type[Section]) -> dict[tuple[type[Section], str], Anchored | None]:
    return {(one, place): marker for one in configurations for place, marker in texts_of(one, "") if place != "preset"}


ALL = fields(GridSpec, TrainConfig)
MARKED = {key: marker for key, marker in ALL.items() if marker is not None}


def put(values: Mapping[str, Any], place: str, written: str) -> dict[str, Any]:
    """A copy of `values` with `written` at a place such as `lora.also[].file`."""
    copied: Any = copy.deepcopy(dict(values))
    found: Any = copied
    *way, last = place.replace("[]", ".0").split(".")
    for step in way:
        found = found[int(step) if step.isdigit() else step]
    found[int(last) if last.isdigit() else last] = written
    return copied


def read(model: object, place: str) -> str:
    for step in place.replace("[]", ".0").split("."):
        model = model[int(step)] if isinstance(model, (list, tuple)) else getattr(model, step)
    return str(model)


def came_out(kind: type[Section], place: str, written: str, folder: Path) -> str:
    base = dict(CONFIGURATIONS)[kind] | BESIDE.get(place, {})
    where = place.replace("also[][]", "also.1[]")
    return read(validate(kind, put(base, where, written), folder / "file.toml"), where)


def test_a_text_names_a_file_by_its_type_or_is_known_to_be_words() -> None:
    assert {place for (_, place), marker in ALL.items() if marker is None} == WORDS


# What may stand before a path, where something has to or may.
STARTS = {whole_clip_name: ["local-dir:"], whole_faces_name: ["", "opencv:"], whole_likeness_name: ["dinov2:"]}


@pytest.mark.parametrize(("kind", "place"), MARKED)
def test_what_is_relative_starts_at_the_file_and_what_is_whole_stays(
    kind: type[Section], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = STARTS.get(MARKED[kind, place].spelling, [""])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "there").mkdir()
    for written, whole in (
        ("there", tmp_path / "there"),
        ("./there/../there", tmp_path / "there"),
        ("../not there", tmp_path.parent / "not there"),
        ("~/runs", tmp_path / "home" / "runs"),
        ("/anywhere/at all", Path("/anywhere/at all")),
    ):
        for start in starts:
            assert came_out(kind, place, start + written, tmp_path) == f"{start}{whole}"


NAMES = {
    whole_path: [],
    whole_faces_name: ["miniature", "buffalo_l", "antelopev2"],
    whole_likeness_name: ["clip", "dinov2:facebook/dinov2-base"],
    whole_path_or_name: ["miniature", "buffalo_l", "owner/name"],
    whole_clip_name: ["miniature", "hf-hub:owner/name", "ViT-B-32/laion2b_s34b_b79k"],
    whole_folder_or_url: ["s3://bucket/folder"],
}


@pytest.mark.parametrize(
    ("kind", "place", "name"), [(*key, name) for key, marker in MARKED.items() for name in NAMES[marker.spelling]]
)
def test_a_public_name_a_hub_id_and_a_url_stay(kind: type[Section], place: str, name: str, tmp_path: Path) -> None:
    assert came_out(kind, place, name, tmp_path) == name


def takers_of(spelling: Callable[[str, Path], str]) -> set[str]:
    return {place for (_, place), marker in MARKED.items() if marker.spelling is spelling}


def test_a_folder_for_opencv_may_not_be_there_yet(tmp_path: Path) -> None:
    assert came_out(GridSpec, "score.faces", "opencv:zoo", tmp_path) == f"opencv:{tmp_path / 'zoo'}"


def test_the_fields_that_take_names_take_them(tmp_path: Path) -> None:
    assert takers_of(whole_path_or_name) == {"model.base"}
    assert takers_of(whole_faces_name) == {"score.faces", "score.second_faces", "samples.faces"}
    assert came_out(GridSpec, "score.clip", "hf-hub:owner/name", tmp_path) == "hf-hub:owner/name"
    assert came_out(GridSpec, "store.pictures", "s3://bucket/a", tmp_path) == "s3://bucket/a"


def test_the_miniature_is_a_name_beside_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "miniature").mkdir()
    assert came_out(TrainConfig, "model.base", "miniature", tmp_path) == "miniature"
    assert came_out(TrainConfig, "model.base", "./miniature", tmp_path) == str(tmp_path / "miniature")


def test_a_place_that_is_left_out_starts_at_the_file_too(tmp_path: Path) -> None:
    given = {name: table for name, table in GRID.items() if name != "store"}
    for values in (given, given | {"store": {}}):
        assert validate(GridSpec, values, tmp_path / "grid.toml").store.path == tmp_path / "eval"


def test_what_a_rule_compares_is_whole(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    twice = GRID | {"score": {"faces": "pack", "second_faces": "../" + tmp_path.name + "/pack"}}
    with pytest.raises(ConfigurationError, match="second_faces is the same pack"):
        validate(GridSpec, twice, tmp_path / "grid.toml")


def test_without_a_folder_what_is_written_stays() -> None:
    assert str(GridSpec.model_validate(GRID).references.held_out) == "x"
