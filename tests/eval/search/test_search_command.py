"""`eval search` on the miniature, one step a picture: shares pictures with the grid, resumes, leaves out, is ranked."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from eval.__main__ import app
from eval.grid.run_grid import run_grid
from eval.ranking.limits import Limits, limits_of
from eval.ranking.ranking import rank
from eval.reporting.ranked_grid import open_ranked
from eval.reporting.search_sentences import in_sentences
from eval.request.plan import make_plan
from eval.request.spec import BudgetSection, GridSpec, SearchSection, read_spec
from eval.rescoring.rescore import Wanted, rescore, wanted_by
from eval.search.budget import keep_terms, kept_terms
from eval.search.run_search import run_search
from eval.search.spending import Spending
from eval.search.strategies.schedule import BudgetError
from eval.store.store import PictureRow, Spent, Store, create_store
from foundation.errors import ConfigurationError
from foundation.progress import Silent
from grid_folders import GridFolder, write_grid
from loras.lora_file import LoraFile, read_lora, write_lora
from planted_kills import Killed

SEARCH = "[search]\nfirst_units = 1\nfinalists = 2\nconfirm_units = 2\n"


@dataclass
class Heard(Silent):
    """A reporter that keeps what is said."""

    def __post_init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A grid of twelve cells that is not rendered yet, and a search that ends with two of them."""
    made = write_grid(tmp_path_factory.mktemp("search"), steps=1)
    made.spec.write_text(made.spec.read_text(encoding="utf-8").replace("[0.7]", "[0.4, 0.7]") + SEARCH)
    return made


def copy_of(made: GridFolder, folder: Path) -> GridFolder:
    shutil.copytree(made.folder, folder)
    return GridFolder(folder, folder / made.spec.name, folder / "läufe" / "eval")


def with_search(spec: GridSpec, **values: object) -> GridSpec:
    return spec.model_copy(update={"search": SearchSection.model_validate({**spec.search.model_dump(), **values})})


def pictures_of(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.rglob("[!.]*.png")}


@pytest.fixture(scope="module")
def searched(written: GridFolder, tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    made = copy_of(written, tmp_path_factory.mktemp("done") / "grid")
    run_search(read_spec(made.spec), False, Silent())
    return made


def test_finalists_are_ranked_on_fresh_pictures_alone(searched: GridFolder) -> None:
    outcome = run_search(read_spec(searched.spec), False, Silent())
    ranked = open_ranked(searched.store)
    assert {row.cell for row in ranked.rows} == set(outcome.record.finalists)
    assert len(ranked.rows) == 2
    assert outcome.record.arms == 12
    confirmed = [unit.seed for unit in ranked.grid.snapshot.units if unit.role == "subject"]
    assert len(confirmed) == outcome.record.confirm_units == 2
    assert min(confirmed) > max(one.units for one in outcome.record.rounds)
    assert outcome.record.pictures < outcome.record.grid_pictures


def test_a_grid_after_a_search_shares_its_pictures(searched: GridFolder, tmp_path: Path) -> None:
    made = copy_of(searched, tmp_path / "grid")
    before = pictures_of(made.store)
    outcome = run_grid(read_spec(made.spec), Silent())
    assert outcome.existing > 0
    assert before.items() <= pictures_of(made.store).items()
    assert len(open_ranked(made.store).rows) == 12
    again = run_search(read_spec(made.spec), False, Silent())
    assert len(open_ranked(made.store).rows) == len(again.record.finalists)


def test_a_search_that_is_broken_off_goes_on(
    written: GridFolder, searched: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = copy_of(written, tmp_path / "grid")
    for part in ("runs of hina ö", "andere"):  # the same bytes: metadata is written in a random order
        shutil.copytree(searched.folder / part, made.folder / part, dirs_exist_ok=True)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("eval.search.search_rounds.confirm", killed)
        with pytest.raises(KeyboardInterrupt):
            run_search(read_spec(made.spec), False, Silent())
    there = pictures_of(made.store)
    assert there
    run_search(read_spec(made.spec), False, Silent())
    assert there.items() <= pictures_of(made.store).items()
    assert pictures_of(made.store).keys() == pictures_of(searched.store).keys()
    assert [row.as_json() for row in open_ranked(made.store).rows] == [
        row.as_json() for row in open_ranked(searched.store).rows
    ]


def test_broken_damaged_and_like_checkpoints_are_left_out(written: GridFolder, tmp_path: Path) -> None:
    made = copy_of(written, tmp_path / "grid")
    runs = made.folder / "runs of hina ö"
    like = read_lora(runs / "hina.safetensors")
    for name, epoch in (("like", "3"), ("liker", "5")):  # the last, then one that has a neighbour of another kind
        weights = {key: replace(one, up=one.up * (1 + 0.001 * int(epoch))) for key, one in like.modules.items()}
        write_lora(LoraFile(weights, {"ss_epoch": epoch}), runs / f"{name}.safetensors")
    other = read_lora(runs / "hina-000001.safetensors")
    weights = {key: replace(one, up=one.up * 2) for key, one in other.modules.items()}
    write_lora(LoraFile(weights, {"ss_epoch": "4"}), runs / "between.safetensors")
    tensors = load_file(runs / "hina.safetensors")
    tensors[next(name for name in tensors if name.endswith("lora_up.weight"))].fill_(float("nan"))
    save_file(tensors, runs / "nan.safetensors")
    whole = (runs / "hina.safetensors").read_bytes()
    (runs / "cut off.safetensors").write_bytes(whole[: len(whole) // 2])
    heard = Heard()
    outcome = run_search(read_spec(made.spec), False, heard)
    left_out = "; ".join(outcome.record.left_out)
    assert "hina: practically the same as like" in left_out
    assert "like: practically the same as liker" in left_out
    assert "nan: broken, NaN" in left_out
    assert "cut off.safetensors: broken, truncated" in left_out
    assert sum(line.startswith("left out:") for line in heard.lines) == 4


def test_a_twin_is_a_row_beside_its_original_and_costs_nothing(
    written: GridFolder, searched: GridFolder, tmp_path: Path
) -> None:
    """Also one whose metadata differ, or were lost: the tensors are what is scored."""
    made = copy_of(written, tmp_path / "grid")
    for part in ("runs of hina ö", "andere"):
        shutil.copytree(searched.folder / part, made.folder / part, dirs_exist_ok=True)
    runs = made.folder / "runs of hina ö"
    for name in ("hina", "hina-000001"):
        shutil.copyfile(runs / f"{name}.safetensors", runs / f"{name} twin.safetensors")
        save_file(load_file(runs / f"{name}.safetensors"), runs / f"{name} bare.safetensors")
    record = run_search(read_spec(made.spec), False, Silent()).record
    assert record.arms == 12
    assert pictures_of(made.store).keys() == pictures_of(searched.store).keys()
    rows = open_ranked(made.store).rows
    assert len(rows) == 3 * len(record.finalists)
    assert all(any("the same tensors as" in flag for flag in row.flags) for row in rows)
    for cell in record.finalists:
        assert len({row.tied_with_best for row in rows if row.cell == cell}) == 1


def most_of(heard: Heard) -> int:
    return int(" ".join(heard.lines).split("at most ")[1].split()[0])


def test_it_says_what_it_expects_before_it_renders(written: GridFolder, tmp_path: Path) -> None:
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    outcome = run_search(with_search(read_spec(made.spec), method="halving"), False, heard)
    text = " ".join(heard.lines)
    assert "will be told apart" in text
    assert "of the base model" in text
    assert outcome.record.rendered == len(pictures_of(made.store)) <= most_of(heard)
    again = Heard()
    run_search(with_search(read_spec(made.spec), method="halving", keep=2), False, again)
    assert "are there already" in " ".join(again.lines)


def test_a_race_certifies_what_is_recommended_against_all_cells(written: GridFolder, tmp_path: Path) -> None:
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    outcome = run_search(with_search(read_spec(made.spec), certify_units=4), True, heard)
    rows = open_ranked(made.store).rows
    assert outcome.record.recommended == rows[0].cell
    assert outcome.record.certified is not None
    assert outcome.record.certified >= 0
    assert len(outcome.record.finalists) >= 2
    assert outcome.record.rendered == len(pictures_of(made.store)) <= most_of(heard)
    assert "recommended cell is within" in " ".join(in_sentences(outcome.record))


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
    monkeypatch.setattr("eval.grid.picture_maker.stopwatch", lambda: lambda: 1200.0)
    monkeypatch.setattr("eval.search.budget.ArmPictures.seconds_a_picture", 0.1)
    record = run_search(spec, False, heard).record
    assert record.out_of_budget
    assert record.confirm_units == 8
    assert any("nearly spent" in line for line in heard.lines)
    assert "The budget ended the search" in " ".join(in_sentences(record))


def test_what_was_spent_before_a_kill_counts(tmp_path: Path) -> None:
    store = create_store(tmp_path)
    rows = [PictureRow(id=str(at), cell="c", prompt="p", seed=at) for at in range(30)]
    store.add_pictures(rows[:20], spent=Spent("this", 20, 9.0))
    store.close()
    store = create_store(tmp_path)
    store.add_pictures(rows, spent=Spent("another", 30, 1.0))
    store.add_pictures(rows[20:], spent=Spent("this", 10, 5.0))
    store.add_spent(Spent("this", 0, 1.0))
    assert Spending(store, "this", 100, None).left(None) == 70
    assert Spending(store, "this", None, 60.0).left(99.0) == pytest.approx(90)
    assert Spending(store, "another", 100, None).left(None) == 70
    assert Spending(store, "a third", 100, None).left(None) == 100
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


def test_terms_come_back_as_they_were(tmp_path: Path) -> None:
    from eval.search.budget import Terms
    from eval.search.strategies.schedule import Schedule

    store = create_store(tmp_path)
    keep_terms(store, "this", Terms(Schedule(glance=12), 48))
    assert kept_terms(store, "this") == Terms(Schedule(glance=12), 48)
    store.close()


def test_two_budgets_or_a_price_that_is_missing_are_refused(written: GridFolder, tmp_path: Path) -> None:
    made = copy_of(written, tmp_path / "grid")
    text = made.spec.read_text(encoding="utf-8")
    faults = {"budget_pictures = 9\nbudget_minutes = 1.0": "give one of", "budget_cost = 1.0": "price_per_hour"}
    for wrong, reason in faults.items():
        made.spec.write_text(text + wrong, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=reason):
            read_spec(made.spec)


def test_search_rank_and_score_judge_by_the_same_limits(searched: GridFolder, tmp_path: Path) -> None:
    """Those of the specification, kept in the store, until another specification is scored by."""
    made = copy_of(searched, tmp_path / "grid")
    text = made.spec.read_text(encoding="utf-8")
    strict, none = (
        "copy = 0.0\nprompt = 0.0\nbleed = 0.0\n",
        "".join(f'{name} = "off"\n' for name in ("face_rate", "prompt", "bleed", "copy")),
    )

    def asked(limits: str) -> GridSpec:
        made.spec.write_text(f"{text}[limits]\n{limits}", encoding="utf-8")
        return read_spec(made.spec)

    def kept() -> Limits:
        ranked = open_ranked(made.store)
        limits = limits_of(ranked.grid.snapshot.limits)
        assert [row.broken for row in ranked.rows] == [row.broken for row in rank(ranked.evidence, limits)]
        return limits

    first = asked(strict)
    record = run_search(first, False, Silent()).record
    assert kept() == limits_of(first.limits)
    assert any(row.broken for row in open_ranked(made.store).rows)
    assert record.recommended == open_ranked(made.store).rows[0].cell
    rescore(made.store, Wanted(), Silent())
    assert kept() == limits_of(first.limits)
    rescore(made.store, wanted_by(asked(none), Wanted()), Silent())
    assert kept() == limits_of(asked(none).limits)
    ranked = open_ranked(made.store)
    assert not any(row.broken for row in ranked.rows)
    assert ranked.grid.snapshot.search is not None
    assert ranked.grid.snapshot.search.recommended == ranked.rows[0].cell
    rescore(made.store, wanted_by(asked(""), Wanted()), Silent())
    assert kept() == Limits()
    run_search(first, False, Silent())
    assert kept() == limits_of(first.limits)


def test_the_command_prints_one_document(searched: GridFolder) -> None:
    done = CliRunner().invoke(app, ["search", str(searched.spec), "--json"], catch_exceptions=False)
    document = json.loads(done.stdout)
    assert document["finalists"][0]["tied_with_best"]
    assert {"arms", "pictures", "grid_pictures", "within", "left_out", "rounds"} <= document.keys()
    shown = CliRunner().invoke(app, ["search", str(searched.spec)], catch_exceptions=False).stdout
    assert "of the best finalist, with 95 % confidence" in " ".join(shown.split())


def test_weights_between_the_grids_join_the_finalists_and_are_made_once(written: GridFolder, tmp_path: Path) -> None:
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    spec = with_search(read_spec(made.spec), method="halving", refine_trials=3, refine_units=1)
    record = run_search(spec, False, heard).record
    assert (record.arms, record.refined) == (12, 3)
    assert 1 <= record.joined <= 2
    rows = open_ranked(made.store).rows
    assert len(rows) == len(record.finalists) == 2 + record.joined
    of_the_grid = {cell.id for cell in make_plan(spec).cells}
    assert sum(row.cell not in of_the_grid for row in rows) == record.joined
    assert all(row.pictures >= record.confirm_units for row in rows)
    assert "weights between and beside the grid's" in " ".join(in_sentences(record))
    assert any("3 cells x 1 pairs" in line for line in heard.lines)
    assert record.rendered == len(pictures_of(made.store)) <= most_of(heard)
    there = pictures_of(made.store)
    assert run_search(spec, False, Silent()).record == record
    assert pictures_of(made.store) == there


def test_few_cells_are_refined_as_well(written: GridFolder, tmp_path: Path) -> None:
    """Where all cells are finalists, no round has met anything to start from; and no trial is confirmed on its own."""
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    spec = with_search(read_spec(made.spec), finalists=12, refine_trials=1, refine_units=2)
    record = run_search(spec, False, heard).record
    assert record.refined == 1
    assert len(record.finalists) == 12 + record.joined
    units = open_ranked(made.store).grid.snapshot.units
    assert min(unit.seed for unit in units if unit.role == "subject") > spec.search.refine_units
    assert record.rendered <= most_of(heard)
