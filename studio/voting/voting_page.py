"""The page to vote on: two pictures of one prompt and seed, nobody knows whose, and a key for each answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from eval.ranking.ranked_cell import RankedCell
from eval.voting.kept_votes import LONGEST_NAME, checked_name, keep_vote, kept_votes, take_back
from eval.voting.next_pair import next_pair
from eval.voting.vote import Answer, Pair, Vote, VoteError, of_voter, voters_of
from foundation.typed.untyped import untyped
from studio.languages.translation import noted, tr, tr_many
from studio.shared.markdown_text import escaped, in_sentence
from studio.shared.session import in_chosen_language, opened_store
from studio.shared.stores import OpenedStore
from studio.voting.ballots import (
    BEST,
    PREFERRED,
    Tally,
    ballot_pictures,
    ballot_units,
    candidates,
    tally,
)

VOTER, FIELD, PAIR, EVERYBODY = "voter", "voter's name", "pair to vote on", noted("everybody")
# The button's words, its key on the keyboard, and what it answers.
BUTTONS: tuple[tuple[str, str, Answer], ...] = (
    (noted("Left"), "left", "left"),
    (noted("Tie"), "down", "tie"),
    (noted("Both bad"), "b", "both bad"),
    (noted("Right"), "right", "right"),
)


def show() -> None:
    """Draw the page."""
    opened = opened_store()
    st.title(tr("Vote"), anchor=False)
    st.markdown(
        tr(
            "Which picture shows the subject better, and does what its prompt says? You are not told whose they are. "
            "The arrow keys answer, B says that both are bad, U takes the last vote back."
        )
    )
    rows = _chosen_rows(opened)
    name = _voter()
    if len(rows) < 2:
        st.info(tr("Choose at least two cells."))
        return
    votes = kept_votes(opened.folder)
    if name:
        _show_ballot(opened, rows, votes, name)
    _show_tally(rows, votes)


def _voter() -> str:
    """Who votes; "" until a name is given. The field then goes: as long as it is there, the keys are letters in it."""
    if name := st.session_state.get(VOTER, ""):
        st.button(tr("Voting as {name}. Somebody else?", name=escaped(name)), type="tertiary", on_click=_forget_voter)
        return str(name)
    st.text_input(
        tr("Your name, to begin"), key=FIELD, max_chars=LONGEST_NAME, on_change=_remember_voter,
        placeholder=tr("several people vote under their own names"),
    )  # fmt: skip
    return ""


def _remember_voter() -> None:
    if name := st.session_state[FIELD].strip():
        st.session_state[VOTER] = checked_name(name)


def _forget_voter() -> None:
    del st.session_state[VOTER]


def _chosen_rows(opened: OpenedStore) -> list[RankedCell]:
    """The rows to vote on; without a choice, those that may be the best."""
    by_cell = {row.cell: row for row in reversed(opened.rows)}
    chosen = st.multiselect(
        tr("Cells to vote on"),
        list(by_cell)[::-1],
        default=[row.cell for row in candidates(opened)],
        format_func=lambda cell: f"{by_cell[cell].place}. {by_cell[cell].name}",
        placeholder=tr("Choose options"),
        help=tr("At first those that the scores cannot tell from the best."),
    )
    return [by_cell[cell] for cell in chosen]


def _show_ballot(opened: OpenedStore, rows: Sequence[RankedCell], votes: Sequence[Vote], name: str) -> None:
    pair = _pair(opened, rows, votes, name)
    st.markdown(escaped(pair.prompt))
    pictures = ballot_pictures(opened, pair)
    told = (
        tr("the left picture of: {prompt}", prompt=pair.prompt),
        tr("the right picture of: {prompt}", prompt=pair.prompt),
    )
    for place, words, picture in zip(st.columns(2), told, pictures, strict=True):
        if picture.fault:
            place.warning(tr("This picture is {state}.", state=tr(picture.fault)), icon=":material/error:")
        else:
            place.image(picture.path, width="stretch", alt=words)
    for place, (label, key, answer) in zip(st.columns(len(BUTTONS)), BUTTONS, strict=True):
        place.button(
            tr(label),
            shortcut=key,
            width="stretch",
            on_click=_answered,
            args=(opened, pair, answer, name),
        )
    st.button(tr("Take my last vote back"), shortcut="u", type="tertiary", on_click=_taken_back, args=(opened, name))


def _pair(opened: OpenedStore, rows: Sequence[RankedCell], votes: Sequence[Vote], name: str) -> Pair:
    """The pair on show: a new one once it is answered, or where the cells or the voter are others."""
    asked = (opened.folder, tuple(row.cell for row in rows), name)
    kept: tuple[object, Pair] | None = st.session_state.get(PAIR)
    if kept is None or kept[0] != asked:
        pair = next_pair(tally(rows, votes).strengths, ballot_units(opened), of_voter(votes, name), random.Random())
        kept = st.session_state[PAIR] = (asked, pair)
    return kept[1]


def _answered(opened: OpenedStore, pair: Pair, answer: Answer, name: str) -> None:
    try:
        keep_vote(opened.folder, Vote(pair, answer, name, datetime.now(UTC)))
    except VoteError as error:
        st.error(in_sentence(str(error)))
        return
    del st.session_state[PAIR]


@in_chosen_language
def _taken_back(opened: OpenedStore, name: str) -> None:
    """Forget the voter's last vote, and ask it again."""
    vote = take_back(opened.folder, name, datetime.now(UTC))
    if vote is None:
        st.toast(tr("You have no vote to take back."))
    elif (kept := st.session_state.get(PAIR)) is not None:
        st.session_state[PAIR] = (kept[0], vote.pair)


def _show_tally(rows: Sequence[RankedCell], votes: Sequence[Vote]) -> None:
    cells = {row.cell for row in rows}
    own = [vote for vote in votes if vote.pair.cells <= cells]
    st.caption(_how_many(own))
    if not own or not st.toggle(
        tr("Show what the votes say"), help=tr("Better looked at when you are done: names lead the eye")
    ):
        return
    who = (
        st.segmented_control(
            tr("Votes of"), [EVERYBODY, *voters_of(own)], default=EVERYBODY, format_func=_voter_in_words
        )
        or EVERYBODY
    )
    found = tally(rows, of_voter(own, None if who == EVERYBODY else who))
    for sentence in found.sentences:
        st.markdown(in_sentence(sentence))
    _show_table(found)


def _how_many(votes: Sequence[Vote]) -> str:
    return tr_many(
        "{votes} on these cells by {count} person.",
        "{votes} on these cells by {count} people.",
        len(voters_of(votes)),
        votes=tr_many("{count} vote", "{count} votes", len(votes)),
    )


def _voter_in_words(name: str) -> str:
    return tr(name) if name == EVERYBODY else name


def _show_table(found: Tally) -> None:
    percent = st.column_config.ProgressColumn
    untyped(st).dataframe(
        found.table,
        hide_index=True,
        alt=tr("What the votes say of each cell."),
        column_config={
            PREFERRED: percent(
                tr(PREFERRED), help=tr("how often it would be preferred to a middling one of these"), format="%.0f %%",
                min_value=0, max_value=100,
            ),
            BEST: percent(
                tr(BEST), help=tr("how likely it is the best of these"), format="%.0f %%", min_value=0, max_value=100,
            ),
        },
    )  # fmt: skip


show()
