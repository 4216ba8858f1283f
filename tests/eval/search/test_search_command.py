"""`eval search` on the miniature, one step a picture: shares pictures with the grid, resumes, leaves out, is ranked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from eval.__main__ import app
from eval.grid.run_grid import run_grid
from eval.ranking.columns import row_as_json
from eval.ranking.limits import Limits, limits_of
from eval.ranking.ranking import rank
from eval.reporting.ranked_grid import open_ranked
from eval.reporting.search_sentences import in_sentences
from eval.request.lora_section import AlsoEntry
from eval.request.spec import GridSpec, read_spec
from eval.rescoring.rescore import RescoreRequest, request_by, rescore
from eval.search.run_search import run_search
from foundation.progress import Silent
from grid_folders import GridFolder
from loras.lora_file import LoraFile, read_lora, write_lora
from searches import Heard, copy_of, most_of, pictures_of, with_search


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
    assert [row_as_json(row) for row in open_ranked(made.store).rows] == [
        row_as_json(row) for row in open_ranked(searched.store).rows
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
    alone, made = (copy_of(written, tmp_path / name) for name in ("alone", "grid"))
    for folder in (alone.folder, made.folder):
        for part in ("runs of hina ö", "andere"):
            shutil.copytree(searched.folder / part, folder / part, dirs_exist_ok=True)
    runs = made.folder / "runs of hina ö"
    for name in ("hina", "hina-000001"):
        shutil.copyfile(runs / f"{name}.safetensors", runs / f"{name} twin.safetensors")
        save_file(load_file(runs / f"{name}.safetensors"), runs / f"{name} bare.safetensors")
    # Every cell has its twins: what is blended in beside the last checkpoint alone would have none.
    without, record = (run_search(_without_others(one), False, Silent()).record for one in (alone, made))
    assert without.arms == record.arms == 8
    assert pictures_of(made.store).keys() == pictures_of(alone.store).keys()
    rows = open_ranked(made.store).rows
    assert len(rows) == 3 * len(record.finalists)
    assert all(any("the same tensors as" in flag for flag in row.flags) for row in rows)
    for cell in record.finalists:
        own = [row for row in rows if row.cell == cell]
        assert len({(row.tied_with_best, row.expected, row.first_again) for row in own}) == 1


def _without_others(made: GridFolder) -> GridSpec:
    spec = read_spec(made.spec)
    return spec.model_copy(update={"lora": spec.lora.model_copy(update={"also": [AlsoEntry()]})})


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


def test_search_rank_and_score_judge_by_the_same_limits(searched: GridFolder, tmp_path: Path) -> None:
    """Those of the specification, kept in the store, until another specification is scored by."""
    made = copy_of(searched, tmp_path / "grid")
    # With one prompt there is nothing that its limit could be a share of.
    text = made.spec.read_text(encoding="utf-8").replace("texts = [", 'texts = ["ohwx person, angry, hat", ')
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
    run_grid(first, Silent())
    assert kept() == limits_of(first.limits)
    # So few pictures accuse no row for sure; that they are held against the limits is said.
    assert any("limit" in flag for row in open_ranked(made.store).rows for flag in row.flags)
    record = run_search(first, False, Silent()).record
    assert kept() == limits_of(first.limits)
    assert record.recommended == open_ranked(made.store).rows[0].cell
    rescore(made.store, RescoreRequest(), Silent())
    assert kept() == limits_of(first.limits)
    rescore(made.store, request_by(asked(none), RescoreRequest()), Silent())
    assert kept() == limits_of(asked(none).limits)
    ranked = open_ranked(made.store)
    assert not any(row.broken for row in ranked.rows)
    assert ranked.grid.snapshot.search is not None
    assert ranked.grid.snapshot.search.recommended == ranked.rows[0].cell
    rescore(made.store, request_by(asked(""), RescoreRequest()), Silent())
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
