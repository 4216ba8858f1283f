"""Pictures as cells x units: what is the control, what is missing, what is not compared; what `--dry-run` says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eval.__main__ import app
from eval.importing.import_plan import ImportRequest, NothingUnderstoodError, PlannedImport, plan_import
from eval.importing.imported_grid import NothingToCompareError, Subject
from picture_bytes import png, text_chunk

WHO = Subject("ohwx woman", "woman")
PROMPT, OTHER = "photo of a ohwx woman, smiling", "photo of a woman, blonde"
CLASS = "photo of a woman, smiling"


def draw(folder: Path, tags: str, prompt: str, seeds: Sequence[int], rest: str = "", steps: int = 20) -> None:
    """A row's pictures as A1111 writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        number = len(list(folder.iterdir()))
        text = f"{prompt}{tags}\nNegative prompt: ugly\nSteps: {steps}, Sampler: Euler a, CFG scale: 7, Seed: {seed}, "
        (folder / f"{number:05d}.png").write_bytes(png(number, text_chunk("parameters", f"{text}Size: 16x24{rest}")))


def planned(folder: Path, **asked: object) -> PlannedImport:
    return plan_import(ImportRequest([folder], **asked), WHO)  # type: ignore[arg-type]


def rows(plan: PlannedImport) -> list[str]:
    return [" + ".join(map(str, cell.uses)) for cell in plan.grid.cells]


def test_rows_come_in_the_order_of_training_and_units_with_the_subject_first(tmp_path: Path) -> None:
    for tags in (" <lora:kat:1>", " <lora:kat-000002:0.5:1>", " <lora:kat-000002:1>", " <lora:kat-000001:1>", ""):
        draw(tmp_path, tags, OTHER, (9, 3))
        draw(tmp_path, tags, PROMPT if tags else CLASS, (3, 1))
    plan = planned(tmp_path)
    assert rows(plan) == [
        "kat-000001:unet=1,te=1", "kat-000002:unet=1,te=0.5", "kat-000002:unet=1,te=1", "kat:unet=1,te=1",
    ]  # fmt: skip
    units = [(unit.prompt, unit.seed, unit.role) for unit in plan.grid.units]
    assert units == [(PROMPT, 1, "subject"), (PROMPT, 3, "subject"), (OTHER, 3, "bleed"), (OTHER, 9, "bleed")]
    assert (plan.grid.control, plan.grid.stand_ins, plan.grid.missing, plan.left_out) == (4, 0, [], {})
    assert len(plan.grid.places) == 5 * 4


def test_a_style_that_stands_beside_every_checkpoint_is_what_is_blended_in(tmp_path: Path) -> None:
    draw(tmp_path, " <lora:style:0.4> <lora:kat-000001:1>", PROMPT, (1, 2))
    draw(tmp_path, " <lora:style:0.4> <lora:kat-000002:1>", PROMPT, (1, 2))
    assert rows(planned(tmp_path)) == [
        "kat-000001:unet=1,te=1 + style:unet=0.4,te=0.4", "kat-000002:unet=1,te=1 + style:unet=0.4,te=0.4",
    ]  # fmt: skip


def test_other_settings_are_not_mixed_in_and_the_difference_is_said(tmp_path: Path) -> None:
    draw(tmp_path, " <lora:kat:1>", PROMPT, (1, 2, 3))
    draw(tmp_path, " <lora:kat:0.5>", PROMPT, (1, 2, 3))
    draw(tmp_path, " <lora:kat:0.7>", PROMPT, (1, 2), steps=30)
    draw(tmp_path, " <lora:kat:0.8>", PROMPT, (1, 2), ", Hires upscale: 2")
    plan = planned(tmp_path)
    assert len(plan.grid.cells) == 2
    assert set(plan.other_settings.values()) == {
        "other settings: steps `30` rather than `20`", "other settings: Hires upscale `2` rather than not told",
    }  # fmt: skip


def test_the_base_model_shown_the_trigger_stands_in_and_that_is_said(tmp_path: Path) -> None:
    draw(tmp_path, " <lora:kat:1>", PROMPT, (1, 2))
    draw(tmp_path, "", PROMPT, (1, 2))
    assert (planned(tmp_path).grid.control, planned(tmp_path).grid.stand_ins) == (2, 2)
    draw(tmp_path, "", CLASS, (1,))
    assert planned(tmp_path).grid.stand_ins == 1


def test_a_lora_at_weight_0_is_a_row_and_the_control(tmp_path: Path) -> None:
    for weight in ("0", "0.5", "1"):
        draw(tmp_path, f" <lora:kat:{weight}>", PROMPT, (1, 2))
    plan = planned(tmp_path)
    assert rows(plan) == ["kat:unet=0,te=0", "kat:unet=0.5,te=0.5", "kat:unet=1,te=1"]
    assert plan.grid.control == 2


def test_strays_among_prompts_and_rows_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    for weight in ("0.6", "0.8", "1"):
        draw(tmp_path, f" <lora:kat:{weight}>", PROMPT, (1, 2, 3, 4))
    draw(tmp_path, " <lora:kat:1>", "a ohwx woman on a horse", (1,))
    draw(tmp_path, " <lora:dog:1>", PROMPT, (1,))
    (tmp_path / "00003.png").unlink()
    plan = planned(tmp_path)
    assert len(plan.grid.cells) == 3
    assert len(plan.grid.units) == 4
    assert [len(units) for units in plan.grid.lacking.values()] == [1]
    assert len(plan.left_out) == 2


def test_two_pictures_of_one_place_are_not_both_taken(tmp_path: Path) -> None:
    draw(tmp_path, " <lora:kat:1>", PROMPT, (1, 2, 1))
    plan = planned(tmp_path)
    assert len(plan.grid.places) == 2
    assert "as " + str(tmp_path / "00000.png") in next(iter(plan.left_out.values()))


def test_random_seeds_cannot_be_compared_and_what_to_do_is_said(tmp_path: Path) -> None:
    for at, weight in enumerate(("0.6", "0.8", "1")):
        draw(tmp_path, f" <lora:kat:{weight}>", PROMPT, (10 * at, 10 * at + 1))
    with pytest.raises(NothingToCompareError, match="fixed seeds"):
        planned(tmp_path)


def test_no_trigger_no_lora_and_nothing_understood(tmp_path: Path) -> None:
    draw(tmp_path / "a", " <lora:kat:1>", OTHER, (1,))
    draw(tmp_path / "b", "", CLASS, (1,))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.png").write_bytes(png(1))
    with pytest.raises(NothingToCompareError, match="--trigger"):
        planned(tmp_path / "a")
    with pytest.raises(NothingToCompareError, match="no picture tells of a LoRA"):
        planned(tmp_path / "b")
    with pytest.raises(NothingUnderstoodError, match="--manifest"):
        planned(tmp_path / "c")


ASKED = ("--trigger", "ohwx woman", "--class", "woman")


def test_a_dry_run_shows_the_table_and_writes_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "in", " <lora:[red]kat[/]:1>", PROMPT, (1, 2))
    (tmp_path / "in" / "z.png").write_bytes(png(1))
    words = ["import", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--dry-run", *ASKED]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "[red]kat[/]" not in done.output  # no name has folders of nothing
    assert "not understood, 1 picture" in done.output
    assert "draw the same prompts and seeds" in done.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert told["cells"][0]["pictures"] == 2
    assert [one["why"] for one in told["not_understood"]]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "--trigger"),
        (["--trigger", "ohwx woman"], "--class"),
        ([*ASKED], "--held-out"),
        ([*ASKED, "--held-out", "nowhere", "--faces", "miniature"], "--clip"),
        ([*ASKED, "--loras", "nowhere", "--dry-run"], "no such folder"),
        ([*ASKED, "--pattern", "{x}", "--dry-run"], "no field"),
        ([*ASKED, "--manifest", "none.csv", "--dry-run"], "no such file"),
    ],
)
def test_what_is_not_given_is_asked_for(tmp_path: Path, words: list[str], why: str) -> None:
    draw(tmp_path / "in", " <lora:kat:1>", PROMPT, (1, 2))
    done = CliRunner().invoke(app, ["import", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *words])
    assert done.exit_code != 0
    assert why in str(done.exception)
    assert not (tmp_path / "out").exists()
