"""The LoRA files of a grid: the same tensors are one cell whatever the header says; all that is damaged is named."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from eval.request.cells import Cell, Use
from eval.request.checkpoints import DamagedLorasError, find_checkpoints
from eval.request.plan import make_plan, plan_of
from eval.request.spec import GridSpec, read_spec
from foundation.errors import ConfigurationError, MissingFileError
from loras.tensors_sha256 import tensors_sha256
from loras.weights import Weights


def tensors(seed: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    stem = "lora_unet_mid_block_attentions_0_proj_in"
    return {
        f"{stem}.lora_down.weight": torch.randn(2, 8, generator=rng),
        f"{stem}.lora_up.weight": torch.randn(8, 2, generator=rng),
        f"{stem}.alpha": torch.tensor(1.0),
    }


def ids(folder: Path) -> dict[str, str]:
    found = find_checkpoints([str(folder / "*.safetensors")])
    assert not found.damaged
    return {one.name: Cell(Use(one, Weights.of(1, 1)), (), "float16").id for one in found.checkpoints}


def test_files_of_the_same_tensors_have_one_id_and_a_lone_file_keeps_its_own(tmp_path: Path) -> None:
    save_file(tensors(1), tmp_path / "run-000002.safetensors", {"ss_epoch": "2"})
    alone = ids(tmp_path)["run-000002"]
    save_file(tensors(1), tmp_path / "bare.safetensors")
    save_file(tensors(1), tmp_path / "another.safetensors", {"ss_epoch": "2", "sshs_model_hash": "stale"})
    save_file(tensors(2), tmp_path / "other.safetensors", {"ss_epoch": "3", "sshs_model_hash": "stale"})
    (tmp_path / "a copy.safetensors").write_bytes((tmp_path / "run-000002.safetensors").read_bytes())
    found = ids(tmp_path)
    assert found["run-000002"] == found["a copy"] == found["bare"] == found["another"] != found["other"]
    (tmp_path / "another.safetensors").unlink()
    # What the original has rendered is found again beside copies that lost their metadata.
    assert ids(tmp_path)["bare"] == alone


@settings(max_examples=25)
@given(st.integers(0, 2), st.integers(0, 7))
def test_the_hash_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, which: int, at: int) -> None:
    folder = tmp_path_factory.mktemp("tensors")
    save_file(tensors(1), folder / "a.safetensors", {"sshs_model_hash": "x"})
    moved = tensors(1)
    flat = list(moved.values())[which].view(-1)
    flat[at % len(flat)] += 1
    save_file(moved, folder / "b.safetensors", {"sshs_model_hash": "x"})
    save_file(dict(reversed(tensors(1).items())), folder / "c.safetensors")
    one, other, same = (tensors_sha256(folder / f"{name}.safetensors") for name in "abc")
    assert one == same != other


def spec_of(folder: Path, also: list[object]) -> GridSpec:
    return GridSpec.model_validate(
        {
            "model": {"base": "miniature"},
            "lora": {"checkpoints": [str(folder / "*.safetensors")], "also": also},
            "prompts": {"texts": ["a ohwx"], "trigger": "ohwx", "class": "person"},
            "references": {"held_out": str(folder)},
        }
    )


def test_damaged_files_that_are_blended_in_are_named_with_the_others_and_never_left_out(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    save_file(tensors(1), tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    for name, content in (("cut", whole[:-9]), ("empty", b""), ("good", whole)):
        (beside / f"{name}.safetensors").write_bytes(content)
    named = [{"file": str(beside / f"{name}.safetensors")} for name in ("cut", "empty", "good")]
    spec = spec_of(tmp_path, [{}, named[0], named[1:]])
    for plan in (make_plan, lambda spec: plan_of(spec, find_checkpoints(spec.lora.checkpoints).checkpoints)):
        with pytest.raises(DamagedLorasError, match=r"leave it out of \[lora\] also$") as caught:
            plan(spec)
        assert "cut.safetensors: truncated" in str(caught.value)
        assert "empty.safetensors: an empty file" in str(caught.value)
        assert "good" not in str(caught.value)
    (tmp_path / "off.safetensors").write_bytes(whole[:-9])
    with pytest.raises(DamagedLorasError, match=r"off\.safetensors.*cut\.safetensors.*checkpoints and also$"):
        make_plan(spec)
    (tmp_path / "off.safetensors").unlink()
    assert len(make_plan(spec_of(tmp_path, [{}, named[2]])).cells) == 2


def test_all_damaged_files_are_named_at_once(tmp_path: Path) -> None:
    save_file(tensors(1), tmp_path / "whole.safetensors")
    for name in ("cut", "off"):
        (tmp_path / f"{name}.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-9])
    (tmp_path / "empty.safetensors").touch()
    found = find_checkpoints([str(tmp_path / "*.safetensors")])
    assert [one.name for one in found.checkpoints] == ["whole"]
    with pytest.raises(DamagedLorasError, match=r"leave it out of \[lora\] checkpoints$") as caught:
        make_plan(spec_of(tmp_path, []))
    assert all(f"{name}.safetensors" in str(caught.value) for name in ("cut", "off", "empty"))
    assert "truncated" in str(caught.value)
    assert "whole" not in str(caught.value)


def test_only_the_pattern_is_matched_and_not_the_folder_that_it_stands_in(tmp_path: Path) -> None:
    folder = tmp_path / "brackets [v2] #50%&"
    (folder / "runs [1]").mkdir(parents=True)
    for name in ("hina-000001", "hina", "otto"):
        save_file(tensors(len(name)), folder / "runs [1]" / f"{name}.safetensors")
    spec = folder / "grid.toml"
    for pattern in ("runs [1]/hina*.safetensors", "../*/runs*/hina*", "**/hina*", "runs [1]/hina-000001.safetensors"):
        spec.write_text(
            f'[model]\nbase = "miniature"\n[lora]\ncheckpoints = ["{pattern}"]\n[prompts]\ntexts = ["ohwx"]\n'
            'trigger = "ohwx"\nclass = "person"\n[references]\nheld_out = "references"\n',
            encoding="utf-8",
        )
        found = find_checkpoints(read_spec(spec).lora.checkpoints).checkpoints
        assert {one.name for one in found} | {"hina"} == {"hina", "hina-000001"}, pattern
        assert all(one.path.is_relative_to(tmp_path) for one in found)
    with pytest.raises(MissingFileError, match=r"brackets \[v2\] #50%&/none\*: no LoRA file matches; train first"):
        find_checkpoints([str(folder / "none*")])


def test_brackets_are_letters_where_they_match_nothing_as_a_pattern(tmp_path: Path) -> None:
    for name in ("kat [v2]-000001", "kat [v2]", "katv-000001"):
        save_file(tensors(len(name)), tmp_path / f"{name}.safetensors")
    (tmp_path / "kat [v2] samples.safetensors").mkdir()
    (tmp_path / "kat [v2]-run.json").touch()
    found = find_checkpoints([str(tmp_path / "kat [v2]*")]).checkpoints
    assert [one.name for one in found] == ["kat [v2]-000001", "kat [v2]"]
    assert [one.name for one in find_checkpoints([str(tmp_path / "kat[v2]-*")]).checkpoints] == ["katv-000001"]


def test_a_folder_is_told_how_to_name_its_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is a folder; .*/\*\.safetensors"):
        find_checkpoints([str(tmp_path)])
