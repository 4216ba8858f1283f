"""A specification becomes a plan: cells in their order, what each picture is asked, and what shapes all of them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from eval.ranking.evidence import Unit
from eval.request.cells import CONTROL, Cell, Checkpoint, Sampling, Use
from eval.request.checkpoints import find_checkpoints
from eval.request.elsewhere.elsewhere import Elsewhere, Own
from eval.request.plan import (
    Batch,
    Plan,
    PlannedPicture,
    any_lost,
    batches_of,
    make_plan,
    plan_of,
    sampling_elsewhere,
)
from eval.request.prompts import Prompt
from eval.request.spec import GridSpec
from foundation.errors import ConfigurationError
from loras.weights import Weights
from tiny_families import tiny_folder

SAMPLING = Sampling("base", "float32", "euler_a", 30, 9.0, 64, 64, 1, "")
LORAS = [Checkpoint(Path(f"{name}.safetensors"), name, f"sha-{name}", None) for name in "ab"]
SUBJECT, BLEED = Prompt("a ohwx", "a person"), Prompt("a cat", "a cat")


def _cell(lora: Checkpoint, unet: float, te: float, *also: Use) -> Cell:
    return Cell(Use(lora, Weights.of(unet, te)), also, "float16")


def _plan(*cells: Cell) -> Plan:
    units = [Unit("a ohwx", 1, "subject"), Unit("a cat", 2, "bleed")]
    return Plan(SAMPLING, {one.text: one for one in (SUBJECT, BLEED)}, units, list(cells))


def test_the_control_is_shown_the_class_word_and_a_cell_the_trigger() -> None:
    acting, idle = _cell(LORAS[0], 0.5, 0.7), _cell(LORAS[0], 0, 0)
    plan = _plan(acting)
    unit = plan.units[0]
    control, idles, shown = plan.picture(None, unit), plan.picture(idle, unit), plan.picture(acting, unit)
    assert control == PlannedPicture(SAMPLING.picture_id(CONTROL, "a person", 1), None, "a person", 1, steps=30)
    assert idles == PlannedPicture(SAMPLING.picture_id(CONTROL, "a ohwx", 1), None, "a ohwx", 1, steps=30)
    identity = SAMPLING.picture_id(acting.id, "a ohwx", 1)
    assert shown == PlannedPicture(identity, acting, "a ohwx", 1, "sha-a", acting.unet_key, 30)


def test_pictures_come_with_the_base_model_first_and_the_dearest_change_last() -> None:
    beside = Use(LORAS[1], Weights.of(1, 1))
    cells = [
        _cell(LORAS[1], 1.0, 0.5),
        _cell(LORAS[0], 1.0, 0.5, beside),
        _cell(LORAS[0], 1.0, 0.5),
        _cell(LORAS[0], 0.5, 1.0),
        _cell(LORAS[0], 0.5, 0.5),
        _cell(LORAS[0], 0.0, 0.0),
    ]
    plan = _plan(*cells)
    order = [picture.cell for picture in plan]
    assert order[:3] == [None] * 3, "the control's two, and the trigger at weight 0; the cat is the same picture"
    texts = sorted((cells[3], cells[4]), key=lambda cell: cell.text_key)
    assert order[3::2] == [*texts, cells[2], cells[1], cells[0]]
    assert [picture.prompt for picture in plan][3:5] == ["a ohwx", "a cat"]
    assert plan.picture_count == len(order) == 3 + 2 * 5
    assert _plan(*cells[:-1]).picture_count == 2 + 2 * 5
    assert _plan(cells[0], cells[0]).picture_count == 2 + 2


@pytest.mark.parametrize(("size", "sizes"), [(4, [4]), (3, [2, 2]), (1, [1, 1, 1, 1]), (9, [4])])
def test_a_batch_is_what_shares_the_unets_weights(size: int, sizes: list[int]) -> None:
    """Of one checkpoint at two weights of the UNet, and of another: never together."""
    shared = [PlannedPicture(str(at), None, "p", at, "a", "x" if at < 2 else "y") for at in range(4)]
    found = list(batches_of([PlannedPicture("z", None, "p", 9, "b", "y"), *shared], size))
    assert found[0] == Batch((PlannedPicture("z", None, "p", 9, "b", "y"),))
    assert [(batch.checkpoint, batch.unet_key) for batch in found[-1:]] == [("a", "y")]
    alike = [PlannedPicture(str(at), None, "p", at, "a", "x") for at in range(4)]
    assert [len(batch.pictures) for batch in batches_of(alike, size)] == sizes
    assert [one for batch in batches_of(alike, size) for one in batch.pictures] == alike


def test_a_batch_lost_a_file_where_one_of_its_pictures_did() -> None:
    pictures = [PlannedPicture(name, None, "p", 1) for name in "ab"]
    assert [any_lost(pictures, lost) for lost in ((), {"c"}, {"b"}, {"a", "c"})] == [False, False, True, True]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("loras")
    stem = "lora_unet_mid_block_attentions_0_proj_in"
    for at, name in enumerate(("run-000001", "run-000002", "other")):
        tensors = {"lora_down.weight": torch.full((1, 8), float(at)), "lora_up.weight": torch.ones(8, 1)}
        epoch = {} if name == "other" else {"ss_epoch": str(at + 1)}
        save_file({f"{stem}.{key}": value for key, value in tensors.items()}, made / f"{name}.safetensors", epoch)
    for family in ("sd1", "sdxl"):
        tiny_folder(family, made / family)
    return made


def _spec(folder: Path, base: str = "sd1", **sections: dict[str, object]) -> GridSpec:
    tables: dict[str, dict[str, object]] = {
        "model": {"base": str(folder / base)},
        "lora": {"checkpoints": [str(folder / "run-*.safetensors")], "unet": [0.5, 1.0], "te": [0.0, 0.25]},
        "prompts": {"texts": ["a ohwx", "a cat", "an ohwxy"], "trigger": "ohwx", "class": "person", "seeds": [3, 5]},
        "references": {"held_out": str(folder)},
        "score": {"faces": "miniature", "clip": "miniature"},
    }
    merged = {name: {**tables.get(name, {}), **sections.get(name, {})} for name in {**tables, **sections}}
    return GridSpec.model_validate(merged)


def test_a_server_draws_by_its_own_but_for_what_the_specification_says(folder: Path) -> None:
    sampler = {"name": "euler", "steps": 7, "cfg": 3.5, "width": 96, "height": 128, "clip_skip": 2}
    spec, own = _spec(folder, sampler=sampler), Own("hash", "theirs", "dpmpp", 20, 6.0, 512, 640, "blurry")
    alone = Elsewhere("ComfyUI", ("http://localhost",), own, frozenset())
    assert sampling_elsewhere(spec, alone, "ugly") == Sampling("hash", "", "dpmpp", 20, 6.0, 512, 640, 1, "blurry")
    told = replace(alone, said=frozenset([*sampler, "negative"]))
    assert sampling_elsewhere(spec, told, "ugly") == Sampling("hash", "", "euler", 7, 3.5, 96, 128, 2, "ugly")
    theirs = asdict(sampling_elsewhere(spec, alone, "ugly"))
    for key, value in sampler.items():
        one = sampling_elsewhere(spec, replace(alone, said=frozenset([key])), "ugly")
        assert asdict(one) == theirs | {"sampler" if key == "name" else key: value}


def test_every_checkpoint_meets_every_weight_and_what_is_blended_in(folder: Path) -> None:
    other = str(folder / "other.safetensors")
    also = [{}, {"file": other, "unet": 0.3, "te": 0.1}, [{"file": other, "checkpoints": "last"}, {}]]
    plan = make_plan(_spec(folder, lora={"also": also, "export_dtype": "float32"}))
    told = [
        (cell.use.checkpoint.name, cell.use.weights.te1, cell.use.weights.unet, [str(use) for use in cell.also])
        for cell in plan.cells
    ]
    weights = [(0.0, 0.5), (0.0, 1.0), (0.25, 0.5), (0.25, 1.0)]
    runs = ["run-000001", "run-000002"]
    assert told == [
        *((run, *one, []) for run in runs for one in weights),
        *((run, *one, ["other:unet=0.3,te=0.1"]) for run in runs for one in weights),
        *((runs[1], *one, ["other:unet=1,te=1"]) for one in weights),
    ]
    assert {cell.dtype for cell in plan.cells} == {"float32"}
    listed = find_checkpoints([str(folder / "run-000001.safetensors")]).checkpoints
    assert {cell.use.checkpoint.name for cell in plan_of(_spec(folder), listed).cells} == {"run-000001"}


def test_what_is_blended_in_may_stand_beside_the_first_checkpoint_alone(folder: Path) -> None:
    other = {"file": str(folder / "other.safetensors"), "checkpoints": "first"}
    plan = make_plan(_spec(folder, lora={"also": [other]}))
    assert {cell.use.checkpoint.name for cell in plan.cells} == {"run-000001"}
    with pytest.raises(ValidationError, match="beside the first checkpoint or the last; name one"):
        _spec(folder, lora={"also": [[other, {**other, "checkpoints": "last"}]]})


def test_units_are_prompts_and_seeds_half_of_them_for_others_and_near_misses_are_noted(folder: Path) -> None:
    plan = make_plan(_spec(folder))
    assert plan.units == [
        Unit("a ohwx", 3, "subject"),
        Unit("a ohwx", 5, "subject"),
        Unit("a cat", 3, "bleed"),
        Unit("an ohwxy", 3, "bleed"),
    ]
    assert plan.prompts["a ohwx"] == Prompt("a ohwx", "a person")
    assert len(plan.notes) == 1
    assert "an ohwxy" in plan.notes[0]


def test_what_is_not_asked_for_is_the_base_models_own(folder: Path) -> None:
    plain = make_plan(_spec(folder)).sampling
    assert (plain.sampler, plain.steps, plain.cfg, plain.clip_skip, plain.negative) == ("euler_a", 30, 9.0, 1, "")
    assert plain.width == plain.height > 8
    asked = _spec(
        folder,
        model={"dtype": "bfloat16"},
        sampler={"name": "ddim", "steps": 7, "cfg": 3.5, "width": 24, "height": 40, "clip_skip": 2},
        prompts={"negative": "blurry"},
    )
    told = make_plan(asked).sampling
    assert (told.base, told.dtype, told.sampler, told.steps) == (plain.base, "bfloat16", "ddim", 7)
    assert (told.cfg, told.width, told.height, told.clip_skip, told.negative) == (3.5, 24, 40, 2, "blurry")


def test_a_clip_skip_counts_only_where_it_acts(folder: Path) -> None:
    skipped, plain = (make_plan(_spec(folder, "sdxl", sampler={"clip_skip": skip})).sampling for skip in (2, 1))
    assert skipped == plain
    assert skipped.clip_skip == 1


def test_parts_of_the_text_are_axes_of_their_own(folder: Path) -> None:
    by_part = {"transformer": [0.5, 1.0], "te1": [0.0, 0.25], "te2": [1.0]}
    plan = make_plan(_by_part(folder, "sdxl", {"weights": by_part}))
    run = [str(cell.use.weights) for cell in plan.cells if cell.use.checkpoint.name == "run-000001"]
    texts = ["te1=0,te2=1", "te1=0.25,te2=1"]
    assert run == [f"unet={unet},{text}" for text in texts for unet in ("0.5", "1")]
    said = make_plan(_by_part(folder, "sdxl", {"weights": {"unet": [0.5, 1.0], "te": [0.0, 0.25]}}))
    assert said.cells == make_plan(_spec(folder, "sdxl")).cells, "te by part is te as before"


def test_what_is_blended_in_has_weights_by_part(folder: Path) -> None:
    other = {"file": str(folder / "other.safetensors"), "weights": {"model": 0.3, "te2": 0.5}}
    plan = make_plan(_spec(folder, "sdxl", lora={"also": [other]}))
    assert {str(use) for cell in plan.cells for use in cell.also} == {"other:unet=0.3,te1=1,te2=0.5"}


@pytest.mark.parametrize(
    ("base", "weights", "reason"),
    [
        ("sd1", {"te2": [0.5]}, r"\[lora.weights\] te2: the base model is SD1, which has unet and te; leave it out"),
        ("sdxl", {"te3": [0.5]}, "te3: the base model is SDXL, which has unet, te1, te2 and te for all of them"),
        ("sdxl", {"adapter": [0.5]}, "adapter: the base model is SDXL"),
    ],
)
def test_a_weight_for_a_part_that_the_base_lacks_is_refused(
    base: str, weights: dict[str, object], reason: str, folder: Path
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        make_plan(_by_part(folder, base, {"weights": weights}))


@pytest.mark.parametrize(
    ("lora", "reason"),
    [
        ({"unet": [1.0], "weights": {"te1": [0.5]}}, r"by part \(te1\), and as unet; give either"),
        ({"weights": {"te": [1.0], "te2": [0.5]}}, "te is all text encoders, and te2 of them"),
        ({"weights": {"unet": [1.0], "model": [0.5]}}, "unet and model are one part"),
        ({"also": [{"te": 1.0, "weights": {"unet": 0.5}}]}, r"by part \(unet\), and as te; give either"),
    ],
)
def test_a_weight_is_said_in_one_way(lora: dict[str, object], reason: str, folder: Path) -> None:
    with pytest.raises(ValidationError, match=reason):
        _by_part(folder, "sdxl", lora)


def test_cells_that_differ_in_what_their_files_lack_are_one_cell(folder: Path) -> None:
    """These files have a UNet's module alone; stores that were made by them at one weight of the text answer on."""
    plan = make_plan(_spec(folder))
    run = [cell for cell in plan.cells if cell.use.checkpoint.name == "run-000001"]
    assert [cell.use.weights.te1 for cell in run] == [0.0, 0.0, 0.25, 0.25]
    assert [cell.id for cell in run] == [run[0].id, run[1].id] * 2
    assert run[0].id != run[1].id
    assert run[0].same_as == ""
    assert run[0].id == Cell(run[0].use, (), "float16").id
    assert plan.picture_count == len(list(plan)) == 2 * 2 * len(plan.units) + len(plan.units)
    one = make_plan(_spec(folder, lora={"te": [0.25]}))
    assert one.cells[0].id == Cell(one.cells[0].use, (), "float16").id != run[2].id


def _by_part(folder: Path, base: str, lora: dict[str, object]) -> GridSpec:
    tables = _spec(folder, base).model_dump(by_alias=True, exclude_unset=True)
    return GridSpec.model_validate(tables | {"lora": {"checkpoints": tables["lora"]["checkpoints"], **lora}})
