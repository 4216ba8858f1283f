"""The page to vote on: blind, by name, with a key for each answer; what is kept is what was answered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from eval.voting.kept_votes import FILE_NAME, keep_vote, kept_votes
from eval.voting.vote import Pair, Vote
from studio.shared.stores import open_for_pages
from studio.voting.ballots import ballot_pictures, ballot_units, candidates, tally
from synthetic_store import write_store

ENTRY = Path(__file__).resolve().parents[3] / "studio" / "streamlit_app.py"
AT = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("run"))


@pytest.fixture
def page(store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    """The page, as a browser opens it, on a store without votes."""
    (store / FILE_NAME).unlink(missing_ok=True)
    monkeypatch.setenv("LORA_STUDIO_STORE", str(store))
    monkeypatch.chdir(store.parent)
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py"])
    return lambda: AppTest.from_file(str(ENTRY), default_timeout=60).switch_page("voting/voting_page.py").run()


def words(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.info, *app.error, *app.warning]
    return "\n".join(one.value for one in shown).replace("\\", "")


def answered(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def test_nothing_is_asked_without_a_name(page: Callable[[], AppTest]) -> None:
    app = page()
    assert not app.exception
    assert app.text_input[0].label == "Your name, to begin"
    assert [one.label for one in app.button] == []


def test_answers_are_kept_at_once_with_who_gave_them_and_can_be_taken_back(
    page: Callable[[], AppTest], store: Path
) -> None:
    app = page()
    app.text_input[0].set_value(" Mira ").run()
    assert len(app.text_input) == 0
    for label in ("Left", "Both bad", "Tie", "Right"):
        answered(app, label)
    votes = kept_votes(store)
    assert [vote.answer for vote in votes] == ["left", "both bad", "tie", "right"]
    assert {vote.voter for vote in votes} == {"Mira"}
    fit = {row.cell for row in candidates(open_for_pages(store))}
    assert all(vote.pair.cells <= fit and len(vote.pair.cells) == 2 for vote in votes)
    answered(app, "Take my last vote back")
    assert kept_votes(store) == votes[:3]
    assert "3 votes on these cells by 1 person." in words(app)


def test_whose_pictures_they_are_is_nowhere_on_the_page(page: Callable[[], AppTest], store: Path) -> None:
    app = page()
    app.text_input[0].set_value("jo").run()
    said = words(app)
    assert all(row.name not in said and row.cell not in said for row in open_for_pages(store).rows)
    assert ballot_units(open_for_pages(store))[0][0].split(",")[0] in said


def test_what_the_votes_say_is_shown_when_asked_for(page: Callable[[], AppTest], store: Path) -> None:
    opened = open_for_pages(store)
    first, second = (row.cell for row in candidates(opened)[:2])
    for unit in ballot_units(opened)[:6] * 3:
        keep_vote(store, Vote(Pair(first, second, *unit), "right", "jo", AT))
    app = page()
    assert "the best" not in words(app)
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert opened.cell(candidates(opened)[1]).use.checkpoint.name in words(app)
    assert "By 18 votes" in words(app)
    assert app.dataframe[0].value["shown"].iloc[0] == 18


def test_two_sides_show_the_pictures_of_their_cells(store: Path) -> None:
    opened = open_for_pages(store)
    rows = candidates(opened)
    prompt, seed = ballot_units(opened)[0]
    pair = Pair(rows[0].cell, rows[1].cell, prompt, seed)
    left, right = ballot_pictures(opened, pair)
    assert ballot_pictures(opened, replace(pair, left=pair.right, right=pair.left)) == (right, left)
    assert left.path != right.path


def test_the_best_is_said_only_as_surely_as_votes_tell(store: Path) -> None:
    rows = candidates(open_for_pages(store))[:3]
    one, two, three = (row.cell for row in rows)

    def said(*answers: tuple[str, str], times: int = 1) -> str:
        return tally(rows, [Vote(Pair(*pair, "p", 1), "left", "jo", AT) for pair in answers] * times).sentences[0]

    assert said() == "Nobody has voted yet."
    assert said((one, two)) == "By one vote, any of the 3 may be the best. Go on voting."
    assert said((one, three), (two, three), times=12).startswith("By 24 votes, the best is one of 2 (19 times in 20):")
    assert said((two, one), (two, three), times=12).startswith(f"By 24 votes, {rows[1].name} is the best")
