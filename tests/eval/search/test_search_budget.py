"""A search stays within its budget of pictures, time or money, and is billed what it rendered itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from eval.grid.run_grid import run_grid
from eval.reporting.search_sentences import in_sentences
from eval.request.spec import BudgetSection, GridSpec, read_spec
from eval.search.budget import FittedSchedule, keep_schedule, kept_schedule
from eval.search.run_search import run_search
from eval.search.spending import Spending
from eval.search.strategies.schedule import BudgetError, Schedule
from eval.store.store import Store, create_store
from eval.store.tables import PictureRow, Spent
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from grid_folders import GridFolder
from kept_rows import KeptRows
from planted_kills import Killed
from searches import Heard, copy_of, most_of, pictures_of, with_search


def test_a_budget_is_kept_to_the_picture_and_too_small_a_one_refused(written: GridFolder, tmp_path: Path) -> None:
    made = copy_of(written, tmp_path / "grid")
    spec = with_search(read_spec(made.spec), refine_trials=2, refine_units=1, confirm_units=12)
    with pytest.raises(BudgetError, match="too small for 12 cells"):
        run_search(with_search(spec, budget_pictures=5), False, Silent())
    assert not pictures_of(made.store)
    heard = Heard()
    record = run_search(with_search(spec, budget_pictures=110), False, heard).record
    assert most_of(heard) <= 110
    assert len(pictures_of(made.store)) == record.rendered <= 110
    assert 8 <= record.confirm_units <= 12
    with pytest.raises(BudgetError, match="too small to certify"):
        run_search(with_search(spec, budget_pictures=30), True, Silent())


def test_a_budget_of_money_is_one_of_time(written: GridFolder, tmp_path: Path) -> None:
    made = copy_of(written, tmp_path / "grid")
    spec = read_spec(made.spec)
    priced = spec.model_copy(update={"budget": BudgetSection(price_per_hour=1.0)})
    rich = run_search(with_search(priced, budget_cost=100.0), False, Silent())
    assert not rich.record.out_of_budget


def test_a_clock_that_runs_out_leaves_enough_to_confirm(
    written: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate was believed, and then pictures took ever longer."""
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    spec = with_search(read_spec(made.spec), keep=2, confirm_units=12, budget_minutes=60.0)
    monkeypatch.setattr("eval.grid.picture_maker.lap_timer", lambda: lambda: 1200.0)
    monkeypatch.setattr("eval.search.arm_pictures.ArmPictures.seconds_a_forward", 0.1)
    record = run_search(spec, False, heard).record
    assert record.out_of_budget
    assert record.confirm_units == 8
    assert any("nearly spent" in line for line in heard.lines)
    assert "The budget ended the search" in " ".join(in_sentences(record))


def test_what_was_spent_before_a_kill_counts(tmp_path: Path, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    rows = [PictureRow(id=str(at), cell="c", prompt="p", seed=at) for at in range(30)]
    store.pictures.write("0", b"png")
    store.add_pictures(rows[:20], spent=Spent("this", 20, 9.0))
    store.close()
    store = create_store(tmp_path)
    store.add_pictures(rows, spent=Spent("another", 30, 1.0))
    store.add_pictures(rows[20:], spent=Spent("this", 10, 5.0))
    store.add_spent(Spent("this", 0, 1.0))
    assert Spending(store, {"this": 1}, 100, None).left(None) == 70
    assert Spending(store, {"this": 2}, 100, None).left(None) == 40
    assert Spending(store, {"this": 1}, None, 60.0).left(99.0) == pytest.approx(90)
    assert Spending(store, {"this": 3}, None, 60.0).left(99.0) == pytest.approx(270)
    assert Spending(store, {"another": 1}, 100, None).left(None) == 70
    assert Spending(store, {"this": 3, "another": 1}, 200, None).left(None) == 200 - 3 * 30 - 30
    assert Spending(store, {"this": 3, "another": 1}, None, 60.0).left(99.0) == pytest.approx(44 / (16 / 120))
    assert Spending(store, {"a third": 1}, 100, None).left(None) == 100
    store.close()


def rendered_by(spec: GridSpec, budget: int) -> int:
    return run_search(with_search(spec, budget_pictures=budget), False, Silent()).record.rendered


def test_a_search_is_billed_what_it_rendered_itself_whatever_comes_between(
    written: GridFolder, searched: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its first round, then another command fills the store, then files are deleted: it pays for its own."""
    made = copy_of(written, tmp_path / "grid")
    spec, rendered = read_spec(made.spec), list[int]()
    add = Store.add_pictures

    def counting(store: Store, rows: Iterable[PictureRow], *others: Any) -> None:
        listed = list(rows)
        add(store, listed, *others)
        rendered.append(len(listed))
        if len(rendered) == 2:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Store, "add_pictures", counting)
        with pytest.raises(Killed):
            rendered_by(spec, 900)
    run_grid(spec.model_copy(update={"lora": spec.lora.model_copy(update={"unet": [0.9], "te": [0.1]})}), Silent())
    first = sum(rendered)
    deleted = sorted(made.store.rglob("[!.]*.png"))
    with monkeypatch.context() as patched:
        patched.setattr(Store, "add_pictures", counting)
        for path in deleted:
            path.unlink()
        billed = rendered_by(spec, 900)
    assert billed == sum(rendered)
    assert len(rendered) > 2
    own = {path.stem for path in searched.store.rglob("[!.]*.png")}
    again = own & {path.stem for path in deleted}
    assert first <= len(again)
    assert billed == len(own) + first


def test_terms_come_back_as_they_were(tmp_path: Path, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    keep_schedule(store, "this", FittedSchedule(Schedule(glance=12), 48))
    assert kept_schedule(store, "this") == FittedSchedule(Schedule(glance=12), 48)
    store.close()


def test_two_budgets_or_a_price_that_is_missing_are_refused(written: GridFolder, tmp_path: Path) -> None:
    made = copy_of(written, tmp_path / "grid")
    text = made.spec.read_text(encoding="utf-8")
    faults = {"budget_forwards = 9\nbudget_pictures = 9": "give one of"} | {
        "budget_pictures = 9\nbudget_minutes = 1.0": "give one of",
        "budget_cost = 1.0": "price_per_hour",
    }
    for wrong, reason in faults.items():
        made.spec.write_text(text + wrong, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=reason):
            read_spec(made.spec)
