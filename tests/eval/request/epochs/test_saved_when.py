"""When a file was saved, as each trainer says it; the order that follows, and the names that tell files apart."""

from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from eval.request.cells import Cell, Checkpoint, Use
from eval.request.epochs.checkpoint_names import names_apart
from eval.request.epochs.saved_when import SavedWhen, run_called, when_by_header, when_by_name, with_units
from eval.request.epochs.training_order import Trained, in_training_order, order_in_words, positions
from eval.request.plan import Plan, make_plan
from eval.request.spec import GridSpec
from eval.search.arm_coordinates import coordinates_of
from loras.weights import Weights

STEM = "lora_unet_mid_block_attentions_0_proj_in"


def lora(path: Path, **header: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = torch.Generator().manual_seed(crc32(str(path).encode()))
    down, up = torch.randn(2, 8, generator=rng), torch.randn(8, 2, generator=rng)
    tensors = {f"{STEM}.lora_down.weight": down, f"{STEM}.lora_up.weight": up, f"{STEM}.alpha": torch.tensor(1.0)}
    save_file(tensors, path, header)


def plan_of(folder: Path, *patterns: str, also: object = None) -> Plan:
    return make_plan(
        GridSpec.model_validate(
            {
                "model": {"base": "miniature"},
                "lora": {"checkpoints": [str(folder / one) for one in patterns], "also": also or []},
                "prompts": {"texts": ["a ohwx"], "trigger": "ohwx", "class": "person"},
                "references": {"held_out": str(folder)},
            }
        )
    )


def order(plan: Plan) -> list[str]:
    return list(dict.fromkeys(cell.use.checkpoint.name for cell in plan.cells))


@pytest.mark.parametrize(
    ("name", "epoch", "step"),
    [
        ("kat-000003", 3, None),
        ("kat-step00000250", None, 250),
        ("kat_000000250", None, 250),
        ("2024-05-01_12-30-45-save-1000-10-3", 10, 1000),
        ("kat-save-1000-10-0", 10, 1000),
        ("checkpoint-500/pytorch_lora_weights", None, 500),
        ("run-backup-500-5-0/lora/lora", 5, 500),
        ("checkpoint-500", None, 500),
        ("kat_epoch_12", 12, None),
        ("kat-Epoch3-step750", 3, 750),
        ("epoch=4-step=99", 4, 99),
        ("kat-e09", 9, None),
        ("kat", None, None),
        ("kat_v2", None, None),
        ("kat2", None, None),
        ("kat-sdxl-1.0", None, None),
        ("stepmother", None, None),
    ],
)
def test_names(name: str, epoch: int | None, step: int | None) -> None:
    found = when_by_name(Path("/somewhere/runs") / f"{name}.safetensors")
    assert (found.epoch, found.step, found.number) == (epoch, step, None)


def test_bare_numbers_are_epochs_unless_a_runs_go_beyond_what_epochs_do() -> None:
    paths = [Path(f"/runs/{name}.safetensors") for name in ("e-9", "e-10", "kat_250", "kat_2500", "other-3")]
    found = with_units({path: when_by_name(path) for path in paths})
    assert [(one.epoch, one.step) for one in found.values()] == [
        (9, None),
        (10, None),
        (None, 250),
        (None, 2500),
        (3, None),
    ]


def test_headers_of_kohya_and_ai_toolkit() -> None:
    assert when_by_header({"ss_epoch": "3", "ss_steps": "750"}) == SavedWhen(3, 750)
    assert when_by_header({"training_info": json.dumps({"step": 250, "epoch": 1})}) == SavedWhen(None, 250)
    for said in ("{", "[1]", "null", '{"step": "x"}', '{"step": -1}'):
        assert not when_by_header({"training_info": said, "ss_epoch": "None"}).known
    assert not when_by_header({"ss_epoch": "²"}).known


@pytest.mark.parametrize(
    "trained",
    [
        ["kat_000000250", "kat_000000500", "kat"],
        ["e-9", "e-10", "e"],
        ["kat-000001", "kat-000002", "kat-000010", "kat"],
        ["kat-step00000250", "kat-step00001000", "kat"],
        ["kat-save-90-9-0", "kat-save-100-10-0", "final"],
    ],
)
def test_files_without_headers_stand_as_they_were_trained(tmp_path: Path, trained: list[str]) -> None:
    """And what is asked for beside the last checkpoint stands beside that; the search has each at its place."""
    for name in trained:
        lora(tmp_path / "runs" / f"{name}.safetensors")
    lora(tmp_path / "other.safetensors")
    beside = [{}, {"file": str(tmp_path / "other.safetensors"), "checkpoints": "last"}]
    plan = plan_of(tmp_path / "runs", "*.safetensors", also=beside)
    assert order(plan) == trained
    assert [cell.use.checkpoint.name for cell in plan.cells if cell.also] == trained[-1:]
    along = coordinates_of([cell for cell in plan.cells if not cell.also])[:, 0]
    assert list(along) == sorted(set(along))
    assert plan.said[0].endswith(f"{trained[-1]} (no number, so last)")


def test_steps_and_epochs_of_one_run_are_one_row(tmp_path: Path) -> None:
    """kohya writes both into every header; a step file's epoch is that before it."""
    lora(tmp_path / "kat-000001.safetensors", ss_epoch="1", ss_steps="400")
    lora(tmp_path / "kat-000002.safetensors", ss_epoch="2", ss_steps="800")
    lora(tmp_path / "kat-step00000250.safetensors", ss_epoch="0", ss_steps="250")
    lora(tmp_path / "kat-step00000500.safetensors", ss_epoch="1", ss_steps="500")
    lora(tmp_path / "kat-step00000750.safetensors")
    lora(tmp_path / "kat.safetensors", ss_epoch="3", ss_steps="1200")
    plan = plan_of(tmp_path, "*.safetensors")
    steps = ["step00000250", "000001", "step00000500", "step00000750", "000002"]
    assert order(plan) == [*(f"kat-{one}" for one in steps), "kat"]
    assert coordinates_of(plan.cells)[:, 0].tolist() == [250, 400, 500, 750, 800, 1200]
    assert "kat-step00000500 (epoch 1, step 500), kat-step00000750 (step 750), kat-000002" in plan.said[0]


def test_where_steps_and_epochs_cannot_be_compared_that_is_said() -> None:
    made = [Trained(None, 250, "kat-step00000250"), Trained(2, None, "kat-000002"), Trained(None, None, "kat")]
    assert [one.name for one in in_training_order(made, lambda one: one)] == ["kat-000002", "kat-step00000250", "kat"]
    assert "no file says how many steps an epoch has" in order_in_words(made)
    assert positions(made) == [1, 0, 2]
    assert "no file says" not in order_in_words([Trained(1, 100, "a"), Trained(None, 250, "b"), Trained(3, None, "c")])


@given(st.lists(st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(0, 900)), max_size=8))
def test_positions_grow_along_the_order(pairs: list[tuple[int | None, int | None]]) -> None:
    made = [Trained(epoch, step, f"run-{at}") for at, (epoch, step) in enumerate(pairs)]
    ordered = in_training_order(made, lambda one: one)
    place = dict(zip(made, positions(made), strict=True))
    known = [place[one] for one in ordered if one.is_numbered]
    steps = all(one.epoch is None for one in made) or all(one.step is None for one in made)
    assert not steps or known == sorted(known)
    assert all(place[one] > max(known, default=-1) for one in made if not one.is_numbered)


def test_diffusers_folders_have_names_and_the_order_of_their_steps(tmp_path: Path) -> None:
    for folder in ("checkpoint-1000", "checkpoint-500", "."):
        lora(tmp_path / "out" / folder / "pytorch_lora_weights.safetensors")
    plan = plan_of(tmp_path, "out/**/*.safetensors")
    assert order(plan) == ["checkpoint-500", "checkpoint-1000", "out"]
    assert "checkpoint-500 (step 500)" in plan.said[0]


def test_files_of_two_folders_are_told_apart(tmp_path: Path) -> None:
    for name in ("first/kat-000001", "second/kat-000001", "second/kat", "other/kat"):
        lora(tmp_path / f"{name}.safetensors")
    plan = plan_of(tmp_path, "first/*", "second/*", also=[{"file": str(tmp_path / "other" / "kat.safetensors")}])
    assert order(plan) == ["first/kat-000001", "second/kat-000001", "second/kat"]
    assert {use.checkpoint.name for cell in plan.cells for use in cell.also} == {"other/kat"}
    assert [run_called(name) for name in order(plan)] == ["first/kat", "second/kat", "second/kat"]


@given(st.sets(st.lists(st.sampled_from(["a", "b", "lora", "kat"]), min_size=1, max_size=4).map(tuple), max_size=8))
def test_no_two_names_are_alike(places: set[tuple[str, ...]]) -> None:
    paths = [Path("/").joinpath(*parts).with_suffix(".safetensors") for parts in places]
    names = names_apart(paths)
    assert len(set(names.values())) == len(paths)
    assert len({path.stem for path in paths}) < len(paths) or names == {path: path.stem for path in paths}


def test_a_long_row_of_files_is_one_line() -> None:
    said = order_in_words([Trained(epoch, None, f"kat-{epoch:06d}") for epoch in range(1, 400)])
    assert "kat-000001 (epoch 1), kat-000002 (epoch 2), 395 more, kat-000398 (epoch 398)" in said
    assert len(said) < 200
    assert order_in_words([Trained(1, None, "one")] * 3) == ""


def test_the_search_has_files_with_steps_alone_at_their_places() -> None:
    made = [("kat_000000250", 250), ("kat_000000500", 500), ("kat_000001500", 1500), ("kat", None)]
    cells = [
        Cell(Use(Checkpoint(Path(name), name, name, None, step=step), Weights.of(1, 1)), (), "float16")
        for name, step in made
    ]
    assert coordinates_of(cells)[:, 0].tolist() == [250, 500, 1500, 1750]
    assert coordinates_of(cells).shape == (4, 4)
