"""Lists of base models, samplers, steps and CFG: a way to draw for each combination, called by what varies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.request.cells import CONTROL, Cell, Sampling
from eval.request.plan import make_plan, make_plans
from eval.request.settings import Setting, combined, settings_of
from eval.request.spec import GridSpec, forced
from foundation.errors import ConfigurationError
from foundation.toml_config import validate
from miniature.paths import SUBJECT

RAW = Sampling("a" * 64, "float32", "euler_a", 30, 9.0, 64, 64, 1, "")
TABLES: dict[str, dict[str, object]] = {
    "model": {"base": "miniature"},
    "lora": {"checkpoints": [str(SUBJECT / "first.safetensors")], "unet": [0.0, 1.0], "te": [0.0]},
    "prompts": {"texts": ["a ohwx person", "a cat"], "trigger": "ohwx person", "class": "person", "seeds": 2},
    "references": {"held_out": str(SUBJECT / "references")},
}


def spec_of(**sections: dict[str, object]) -> GridSpec:
    merged = {name: {**TABLES.get(name, {}), **sections.get(name, {})} for name in {**TABLES, **sections}}
    return validate(GridSpec, dict(merged), Path("grid.toml"))


def test_each_combination_is_a_way_and_the_first_of_each_is_the_specifications_own() -> None:
    spec = spec_of(sampler={"steps": [4, 8], "cfg": [1.0, 3.0], "name": ["euler_a", "ddim"]})
    ways = [(one.sampler.name, one.sampler.steps, one.sampler.cfg) for one in spec.settings]
    assert ways == [(name, steps, cfg) for name in ("euler_a", "ddim") for steps in (4, 8) for cfg in (1.0, 3.0)]
    assert (spec.sampler.name, spec.sampler.steps, spec.sampler.cfg) == ways[0]
    assert [len(one.settings) for one in spec.settings] == [1] * 8
    assert all(one.references.allow_trained for one in forced(spec).settings)
    assert spec_of(sampler={"steps": [4]}).settings[0].sampler.steps == 4


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"sampler": {"steps": [4, 0]}}, "sampler.steps: Input should be greater than or equal to 1"),
        ({"sampler": {"steps": 0}}, "sampler.steps: Input should be greater than or equal to 1"),
        ({"sampler": {"cfg": [2.0, 2.0]}}, "sampler.cfg: a list names at least one, and none twice"),
        ({"model": {"base": []}}, "model.base: a list names at least one, and none twice"),
        ({"sampler": {"width": [64, 72]}}, "sampler.width"),
        ({"sampler": {"name": ["euler_a", "eulr"]}}, "eulr"),
    ],
)
def test_what_cannot_be_an_axis_is_named_by_its_key(sections: dict[str, dict[str, object]], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        spec_of(**sections)


def test_tables_without_lists_stay_as_they_are() -> None:
    assert combined({"model": {"base": "a"}, "sampler": 3}) == [{"model": {"base": "a"}, "sampler": 3}]


def test_ways_are_called_by_what_varies() -> None:
    turbo = replace(RAW, base="b" * 64)
    assert settings_of([("raw", RAW), ("turbo", turbo)]) == [Setting(base="raw"), Setting(base="turbo")]
    fast = [("raw", replace(RAW, steps=4, cfg=1.5)), ("raw", RAW)]
    assert [str(one) for one in settings_of(fast)] == ["4 steps, CFG 1.5", "30 steps, CFG 9"]
    assert [str(one) for one in settings_of([("raw", RAW), ("raw", replace(RAW, sampler="ddim"))])] == [
        "euler_a",
        "ddim",
    ]
    alike = [str(one) for one in settings_of([("model", RAW), ("model", turbo)])]
    assert alike == ["model (aaaaaaaa)", "model (bbbbbbbb)"]


def test_pictures_of_a_way_are_those_of_a_grid_of_it_alone() -> None:
    plans = make_plans(spec_of(sampler={"steps": [4, 8]}))
    alone = [make_plan(spec_of(sampler={"steps": steps})) for steps in (4, 8)]
    assert [[one.id for one in plan] for plan in plans] == [[one.id for one in plan] for plan in alone]
    assert [plan.picture_count for plan in plans] == [plan.picture_count for plan in alone]
    assert [[cell.lora_id for cell in plan.cells] for plan in plans] == [
        [cell.id for cell in plan.cells] for plan in alone
    ]


def test_rows_of_several_ways_have_ids_of_their_own() -> None:
    plans = make_plans(spec_of(sampler={"steps": [4, 8]}))
    ids = [cell.id for plan in plans for cell in plan.cells]
    assert len(set(ids)) == len(ids)
    idle = [cell for plan in plans for cell in plan.cells if cell.lora_id == CONTROL]
    assert len(idle) == 2
    cell = plans[0].cells[1]
    assert cell.id != Cell(cell.use, cell.also, cell.dtype).id == cell.lora_id
