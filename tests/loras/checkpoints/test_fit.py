"""Whether a LoRA fits a base is told from headers: by every kind's sides, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from base_models.base_source import BaseSource, find_base
from base_models.families.known import FAMILIES
from checkpoints import FAMILIES as KEYS
from checkpoints import KINDS, tiny_model, write_folder, write_lora_of_kinds, write_single
from foundation.errors import LoraFileError
from loras.checkpoints.fit import check_fit, sides_of
from miniature.paths import SUBJECT
from planted_families import Planted, spelt

ADDING = tuple(kind for kind in KINDS if kind != "oft")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("single", [False, True])
def test_files_of_every_kind_fit_the_model_they_were_made_for_in_either_layout(
    key: str, single: bool, tmp_path: Path
) -> None:
    model = tiny_model(key)
    path = write_single(model, tmp_path / "a.safetensors") if single else write_folder(model, tmp_path / "folder")
    lora = write_lora_of_kinds(model, tmp_path / "lora.safetensors", 0, ADDING)
    check_fit([lora], BaseSource(path.name, path, FAMILIES[key]))


def test_a_file_for_the_miniature_does_not_fit_another_model_of_its_family(tmp_path: Path) -> None:
    base = write_single(tiny_model("sd1"), tmp_path / "base.safetensors")
    shipped = SUBJECT / "first.safetensors"
    with pytest.raises(LoraFileError) as caught:
        check_fit([shipped], BaseSource("base.safetensors", base, FAMILIES["sd1"]))
    said = str(caught.value)
    assert said.startswith(f"{shipped}: this LoRA is for a SD1.x of other sizes, but `lora_")
    assert "in the base base.safetensors, which is SD1.x; use the base model it was trained on" in said
    check_fit([shipped], find_base("miniature"))


def test_a_transformers_file_is_refused_by_its_familys_name(tmp_path: Path) -> None:
    lora = Planted("", lambda: spelt("z_image", "kohya"), "").save(tmp_path / "a.safetensors")
    with pytest.raises(LoraFileError, match=r"this LoRA is for Z-Image, .* leave this file out"):
        check_fit([lora], find_base("miniature"))


def test_one_wrong_module_is_named_with_both_shapes(tmp_path: Path) -> None:
    model = tiny_model("sd1")
    base = write_single(model, tmp_path / "base.safetensors")
    name, module = next((name, one) for name, one in model.names.by_kohya.items() if len(one.shape) == 2)
    wide = {f"{name}.lora_down.weight": torch.ones(1, 99), f"{name}.lora_up.weight": torch.ones(module.shape[0], 1)}
    save_file(wide, tmp_path / "wide.safetensors")
    with pytest.raises(LoraFileError, match=f"`{name}` is {module.shape[0]} x 99 there and {module.shape[0]} x "):
        check_fit([tmp_path / "wide.safetensors"], BaseSource("base", base, FAMILIES["sd1"]))


SHAPES = {
    "a convolution": ({"lora_up.weight": (8, 4, 1, 1), "lora_down.weight": (4, 6, 3, 3)}, (8, 54)),
    "tucker": (
        {"lora_up.weight": (8, 4, 1, 1), "lora_mid.weight": (4, 2, 3, 3), "lora_down.weight": (2, 6, 1, 1)},
        (8, 54),
    ),
    "loha around a core": ({"hada_w1_a": (4, 8), "hada_w1_b": (4, 6), "hada_t1": (4, 4, 3, 3)}, (8, 54)),
    "lokr, whole and factored": ({"lokr_w1": (2, 3), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 18)}, (8, 54)),
    "a whole difference": ({"diff": (8, 6, 3, 3)}, (8, 54)),
    "what does not tell": ({"oft_blocks": (2, 4, 4)}, None),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_the_sides_of_each_kind(kind: str) -> None:
    shapes, sides = SHAPES[kind]
    assert sides_of(shapes) == sides
