"""What stands out, what is suggested, what two plans differ in, and what a duration is made of."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from base_models.base_source import find_base
from foundation.errors import MissingFileError
from foundation.printing import as_printed
from tiny import SIDE, tiny_base, tiny_data, tiny_settings
from trainer.__main__ import app
from trainer.config.config import TrainConfig, parse_config
from trainer.planning.duration import by_arithmetic, duration_of
from trainer.planning.forecast import Forecast
from trainer.planning.memory import Memory, copies_of
from trainer.planning.plan_in_words import (
    comparison_document,
    comparison_lines,
    in_figures,
    plan_lines,
    suggestion_lines,
)
from trainer.planning.rates import Rates, keep, kept_place, kept_rates
from trainer.planning.run_plan import RunPlan, Shape, plan_run
from trainer.planning.suggestion import Suggestion, suggest
from trainer.planning.wanted_steps import ImpossibleStepsError, check_wanted
from trainer.planning.what_worked import ROWS, Standing, Worked, standings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plan")
    tiny_base(place / "base")
    return tiny_data(place, train=4, reg=60)


def run_of(folder: Path, preset: str = "portrait", **training: object) -> RunPlan:
    return plan_run(config_of(folder, preset, **training))


def config_of(folder: Path, preset: str = "portrait", **training: object) -> TrainConfig:
    tables = tiny_settings(folder / "base")
    tables["data"] = {**tables["data"], "held_out_share": 0.0}
    tables["training"] = {**tables["training"], **training}
    return parse_config({"preset": preset, **tables}, folder / "run.toml")


RATES = Rates(
    machine="here", day="2026-11-27", size=(SIDE, SIDE), begin=10, picture=0.5, steps={1: 1, 2: 2, 4: 3}, reading=0
)


def forecast_of(run: RunPlan, price: float | None = 2.0) -> Forecast:
    memory = Memory("cpu", 1000, 1e9, 1e8, 1e7, 0, 2e8, 1e6, 0.15)
    return Forecast(run, find_base(run.config.model.base), memory, duration_of(run, RATES), price)


def test_what_is_asked_wrongly_is_told_before_torch_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is None cannot be imported: whoever gets as far fails."""
    for heavy in ("trainer.calibrating.forecasting", "trainer.regularizing.regularize", "trainer.running.run"):
        monkeypatch.setitem(sys.modules, heavy, None)
    missing = str(tmp_path / "nothere.toml")
    for asked in (["plan", missing], ["regularize", missing, "--count", "1"], ["run", missing]):
        told = CliRunner().invoke(app, asked).exception
        assert isinstance(told, MissingFileError), (asked, told)
    with pytest.raises(ImpossibleStepsError, match="from 1 to 100000"):
        check_wanted(10**20)


def test_a_figure_has_its_unit_and_what_worked_beside_it() -> None:
    row = Worked("times_shown", "a picture is shown", lambda run: 78.9, 200, 1800, "", "", "", unit="times")
    assert in_figures(Standing(row, 78.9, "")) == "a picture is shown 79 times (what worked: 200 to 1800)"
    one = Suggestion(8, 4, {"4_far": 4, "9_near": 9}, 100, 79.0, ())
    (line,) = [str(each) for each in suggestion_lines([one], None, 120) if "4, 9" in str(each)]
    assert "79 times" in line


def test_every_row_has_a_source_and_says_what_to_do() -> None:
    assert all(row.source and row.above and row.low <= row.high for row in ROWS)
    assert len({(row.preset, row.key) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("training", "key", "word"),
    [
        ({"epochs": 24}, "epochs", "24 epochs of a bad set failed"),
        ({"epochs": 2}, "epochs", "raise training.epochs"),
        ({"batch_size": 1}, "batch", "converges slowly"),
        ({"unet_lr": 1e-3}, "rate_times_scale", "ten times what worked"),
        ({"gradient_accumulation": 13}, "accumulation", "changed little"),
    ],
)
def test_what_is_far_from_what_worked_stands_out(
    folder: Path, training: dict[str, object], key: str, word: str
) -> None:
    usual: dict[str, object] = {"epochs": 12, "batch_size": 4, "unet_lr": 2e-6, "te_lr": 0.0}
    within = {one.row.key: one for one in standings(run_of(folder, **usual))}
    outside = {one.row.key: one for one in standings(run_of(folder, **{**usual, **training}))}
    assert not within[key].stands_out
    assert word in outside[key].advice


def test_reg_pictures_that_are_never_used_are_counted_and_named(folder: Path) -> None:
    run = run_of(folder, epochs=1)
    lines = "\n".join(as_printed(line).plain for line in plan_lines(forecast_of(run), 80))
    assert "never used: 52 of 64" in lines
    assert len(run.unused) == 52
    assert max(map(len, lines.splitlines())) <= 80 or "/" in max(lines.splitlines(), key=len)


def test_suggestions_have_the_steps_that_they_say(folder: Path) -> None:
    run = run_of(folder)
    found = suggest(run, 200)
    assert all(abs(one.steps - 200) <= 20 for one in found)
    best = found[0]
    for old, new in best.renamed.items():
        (folder / "Train" / old).rename(folder / "Train" / new)
    try:
        assert run_of(folder, epochs=best.epochs, batch_size=best.batch).steps == best.steps
    finally:
        for old, new in best.renamed.items():
            (folder / "Train" / new).rename(folder / "Train" / old)


@pytest.mark.parametrize("steps", [0, -3, 2_000_000])
def test_steps_that_no_plan_has_are_refused_in_a_line(folder: Path, steps: int) -> None:
    with pytest.raises(ImpossibleStepsError, match=r"--suggest"):
        suggest(run_of(folder), steps)


def test_two_plans_show_only_what_differs(folder: Path) -> None:
    one, other = (forecast_of(run_of(folder, epochs=epochs)) for epochs in (1, 3))
    said = "\n".join(as_printed(line).plain for line in comparison_lines(one, other, ("a", "b"), 80))
    assert said.count("differs: ") == 1
    assert "differs: training.epochs: 1 -> 3" in said
    document = comparison_document(one, other)
    assert document["differs"] == ["training.epochs: 1 -> 3"]
    same = "\n".join(as_printed(line).plain for line in comparison_lines(one, one, ("a", "b"), 80))
    assert "nothing that shapes the LoRA" in same


def test_a_duration_is_counts_times_rates(folder: Path) -> None:
    run = run_of(folder, epochs=2, batch_size=4)
    assert run.shapes == Counter({Shape((SIDE, SIDE), 4, True): 8})
    duration = duration_of(run, RATES)
    assert (duration.begin, duration.pictures, duration.steps) == (10, 64 * 0.5, 8 * 3)
    assert duration.cost(3.6) == pytest.approx(duration.seconds / 1000)
    assert [RATES.of_step(count) for count in (1, 2, 3, 4, 8)] == [1, 2, 2.5, 3, 5]
    assert by_arithmetic(run, 0.25, (SIDE, SIDE), "here").seconds == 8 * 4 * 0.25


def test_rates_are_kept_by_what_shapes_a_step(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base = find_base(str(folder / "base"))
    place = kept_place(config_of(folder, epochs=1), base)
    assert kept_rates(place) is None
    assert keep(RATES, place)
    assert kept_rates(kept_place(config_of(folder, epochs=9), base)) == RATES
    assert kept_rates(kept_place(config_of(folder, batch_size=7), base)) is None
    place.write_text("{}")
    assert kept_rates(place) is None


def test_an_optimizer_with_more_states_takes_more_memory(folder: Path) -> None:
    kinds = {name: copies_of(config_of(folder, optimizer=name), saved_from="cpu") for name in ("Lion", "AdamW")}
    assert kinds["AdamW"] - kinds["Lion"] == 4
