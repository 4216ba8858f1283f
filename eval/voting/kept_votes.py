"""Votes in the store: who answered what, and when. They outlive rankings, for cells are known by their tensors."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from eval.store.store import Store
from eval.store.tables import VoteRow
from eval.voting.vote import ANSWERS, Pair, Vote, VoteError

LONGEST_NAME = 60


def keep_vote(store: Store, vote: Vote) -> None:
    """Write it down at once. Raises VoteError for a voter without a name, StoreError where nothing can be written."""
    with Session(store.engine) as session, session.begin():
        session.add(
            VoteRow(
                voter=checked_name(vote.voter),
                at=vote.at.astimezone(UTC).isoformat(),
                left=vote.pair.left,
                right=vote.pair.right,
                prompt=vote.pair.prompt,
                seed=vote.pair.seed,
                answer=vote.answer,
            )
        )


def take_back(store: Store, voter: str) -> Vote | None:
    """Forget a voter's last vote, and say which it was; None where there is none."""
    with Session(store.engine) as session, session.begin():
        row = session.execute(
            select(VoteRow).where(VoteRow.voter == checked_name(voter)).order_by(VoteRow.id.desc()).limit(1)
        ).scalar()
        if row is None:
            return None
        session.execute(delete(VoteRow).where(VoteRow.id == row.id))
        return _vote(row)


def kept_votes(store: Store) -> list[Vote]:
    """All of them, as they were cast. Raises VoteError for a row that is no vote."""
    with Session(store.engine) as session:
        return [_vote(row) for row in session.execute(select(VoteRow).order_by(VoteRow.id)).scalars()]


def checked_name(voter: str) -> str:
    """A voter's name without blanks around it. Raises VoteError for none, or one that is too long."""
    name = " ".join(voter.split())
    if not name or len(name) > LONGEST_NAME:
        raise VoteError(f"a voter's name has 1 to {LONGEST_NAME} letters; several people vote under their own names")
    return name


def _vote(row: VoteRow) -> Vote:
    answer = next((one for one in ANSWERS if one == row.answer), None)
    try:
        at = datetime.fromisoformat(row.at)
    except (TypeError, ValueError):
        at = None
    if answer is None or at is None:
        raise VoteError(
            f"vote {row.id} of the store was changed by hand (`{row.answer}`, {row.at}); mend or delete that row"
        )
    return Vote(Pair(row.left, row.right, row.prompt, row.seed), answer, row.voter, at)
