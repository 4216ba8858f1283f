"""Votes on the disk: all of them, in order, with nothing lost by a kill, by two voters at once or by taking back."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.voting.kept_votes import FILE_NAME, keep_vote, kept_votes, take_back
from eval.voting.vote import ANSWERS, Answer, Pair, Vote, VoteError

AT = datetime(2026, 11, 27, 20, 30, tzinfo=UTC)


def vote(answer: Answer = "left", voter: str = "mira", prompt: str = "a [portrait]", seed: int = 1) -> Vote:
    return Vote(Pair("one", "other", prompt, seed), answer, voter, AT)


@given(
    st.lists(
        st.builds(
            vote,
            st.sampled_from(ANSWERS),
            st.sampled_from(["mira", "桜", "<b>"]),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
            st.integers(0, 2**32 - 1),
        ),
        max_size=8,
    )
)
def test_what_is_kept_is_what_was_voted(tmp_path_factory: pytest.TempPathFactory, votes: list[Vote]) -> None:
    store = tmp_path_factory.mktemp("store")
    for one in votes:
        keep_vote(store, one)
    assert kept_votes(store) == votes


def test_a_voter_takes_back_only_own_votes(tmp_path: Path) -> None:
    votes = [vote("left"), vote("right", "jo"), vote("tie"), vote("tie", "jo")]
    for one in votes:
        keep_vote(tmp_path, one)
    assert take_back(tmp_path, "mira", AT) == votes[2]
    assert kept_votes(tmp_path) == [votes[0], votes[1], votes[3]]
    assert take_back(tmp_path, " mira ", AT) == votes[0]
    assert take_back(tmp_path, "mira", AT) is None
    assert kept_votes(tmp_path) == [votes[1], votes[3]]
    assert len((tmp_path / FILE_NAME).read_text(encoding="utf-8").splitlines()) == 6


@pytest.mark.parametrize("cut", range(1, 80, 13))
def test_a_kill_half_way_through_a_vote_costs_that_vote_alone(tmp_path: Path, cut: int) -> None:
    keep_vote(tmp_path, vote("left"))
    keep_vote(tmp_path, vote("right"))
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes()[:-cut])
    assert kept_votes(tmp_path) == [vote("left")]
    keep_vote(tmp_path, vote("tie"))
    assert kept_votes(tmp_path) in ([vote("left"), vote("tie")], [vote("left"), vote("right"), vote("tie")])


def test_two_who_vote_at_once_lose_nothing(tmp_path: Path) -> None:
    def cast(voter: str) -> None:
        for seed in range(60):
            keep_vote(tmp_path, vote(voter=voter, seed=seed))

    threads = [threading.Thread(target=cast, args=(name,)) for name in ("mira", "jo", "lee")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    kept = kept_votes(tmp_path)
    assert {name: [one.pair.seed for one in kept if one.voter == name] for name in ("mira", "jo", "lee")} == {
        name: list(range(60)) for name in ("mira", "jo", "lee")
    }


@pytest.mark.parametrize(
    "line", ['{"voter": "x", "answer": "maybe"}', '{"a": }', '{"voter": "x", "answer": "tie", "at": "now"}']
)
def test_a_line_that_is_no_vote_is_named(tmp_path: Path, line: str) -> None:
    keep_vote(tmp_path, vote())
    file = tmp_path / FILE_NAME
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(VoteError, match=r"votes\.jsonl: line 2 is no vote"):
        kept_votes(tmp_path)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_nobody_votes_without_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(VoteError, match="1 to 60 letters"):
        keep_vote(tmp_path, vote(voter=name))


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(VoteError, match="the vote could not be kept"):
        keep_vote(tmp_path / "nowhere", vote())


@pytest.mark.parametrize("kind", ["a link", "a link to nothing", "a named pipe"])
def test_what_is_not_the_stores_own_file_is_neither_read_nor_written(tmp_path: Path, kind: str) -> None:
    elsewhere, store = tmp_path / "elsewhere", tmp_path / "store"
    store.mkdir()
    if kind == "a named pipe":
        os.mkfifo(store / FILE_NAME)
    else:
        (store / FILE_NAME).symlink_to(elsewhere)
    if kind == "a link":
        elsewhere.write_text("mine\n")
    said = rf"votes\.jsonl: is {kind.partition(' to')[0]}.*move it away"
    with pytest.raises(VoteError, match=said):
        keep_vote(store, vote())
    with pytest.raises(VoteError, match=said):
        kept_votes(store)
    assert not elsewhere.exists() or elsewhere.read_text() == "mine\n"


def test_taking_back_costs_no_more_than_voting(tmp_path: Path) -> None:
    """Each taken back by a look through all votes, 20,000 of them took 18 s."""
    keep_vote(tmp_path, vote())
    take_back(tmp_path, "mira", AT)
    file, count = tmp_path / FILE_NAME, 20_000
    cast, back = file.read_bytes().splitlines(keepends=True)
    began = time.process_time()
    file.write_bytes(cast * count)
    assert len(kept_votes(tmp_path)) == count
    voting = time.process_time() - began
    file.write_bytes(cast * count + back * count)
    assert kept_votes(tmp_path) == []
    assert time.process_time() - began < 5 * voting
