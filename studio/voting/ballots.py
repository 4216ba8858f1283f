"""What is voted on: which cells, whose pictures are shown, and what the votes say so far. No Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT
from eval.store.store import KeptPicture
from eval.voting.agreement import agreement, by_both
from eval.voting.strengths import Strengths, strengths_of
from eval.voting.vote import Pair, Vote, bad_shares
from studio.languages.translation import noted, tr, tr_many
from studio.shared.pictures import units_of_role
from studio.shared.stores import OpenedStore
from studio.shared.tables import Table, table_of

MOST_CELLS = 8
PREFERRED, BEST = noted("preferred"), noted("the best")


@dataclass(frozen=True)
class Tally:
    """The votes on `rows`, counted: what they say in `sentences`, and as a table."""

    rows: tuple[RankedCell, ...]
    strengths: Strengths
    sentences: tuple[str, ...]
    table: Table


def candidates(opened: OpenedStore, most: int = MOST_CELLS) -> list[RankedCell]:
    """The rows worth a vote: the first ones of different tensors that are not shown to be worse, two at least."""
    rows = list({row.cell: row for row in reversed(opened.rows)}.values())[::-1]
    fit = [row for row in rows if not row.broken and row.standing != "worse"]
    rest = [row for row in rows if row not in fit]
    return [*fit, *rest][: max(2, min(most, len(fit)))]


def ballot_units(opened: OpenedStore) -> list[tuple[str, int]]:
    """The prompts and seeds on which cells can be compared: those of the subject."""
    facts = opened.ranked.evidence.units
    return [(facts[at].prompt, facts[at].seed) for at in units_of_role(opened, SUBJECT)]


def ballot_pictures(opened: OpenedStore, pair: Pair) -> tuple[KeptPicture, KeptPicture]:
    """The left and the right picture."""
    grid = opened.ranked.grid
    unit = next(
        unit for unit in grid.snapshot.units if (unit.prompt, unit.seed, unit.role) == (pair.prompt, pair.seed, SUBJECT)
    )
    left, right = (grid.picture(grid.cell(cell), unit) for cell in (pair.left, pair.right))
    return left, right


def tally(rows: Sequence[RankedCell], votes: Sequence[Vote]) -> Tally:
    """What the votes on these rows say."""
    names = {row.cell: row.name for row in rows}
    counted = [vote for vote in votes if vote.pair.cells <= names.keys()]
    strengths = strengths_of(list(names), counted)
    scores = {row.cell: row.identity for row in rows}
    said = [_best_in_words(strengths, names, len(counted)), *_both_in_words(strengths, scores, names, len(counted))]
    return Tally(tuple(rows), strengths, tuple(said), _table(rows, strengths, counted, scores))


def _best_in_words(strengths: Strengths, names: dict[str, str], votes: int) -> str:
    if not votes:
        return tr("Nobody has voted yet.")
    best = strengths.named_best
    first = names[best[0]]
    if len(best) == 1:
        return tr(
            "By {votes}, {cell} is the best (19 times in 20). Export it, or look at it once more.",
            votes=_counted(votes),
            cell=first,
        )
    others = ", ".join(names[cell] for cell in best[1:])
    if len(best) == len(names):
        return tr(
            "By {votes}, any of the {number} may be the best. Go on voting.",
            votes=_counted(votes),
            number=len(names),
        )
    return tr(
        "By {votes}, the best is one of {number} (19 times in 20): {cell}, or {others}. Go on voting.",
        votes=_counted(votes),
        number=len(best),
        cell=first,
        others=others,
    )


def _both_in_words(strengths: Strengths, scores: dict[str, float], names: dict[str, str], votes: int) -> list[str]:
    found = agreement(strengths, scores) if votes else None
    if found is None:
        return []
    order = by_both(strengths, scores)
    return [found.sentence, tr("By votes and scores together, {cell} comes first.", cell=names[order[0]])]


def _counted(votes: int) -> str:
    return tr_many("one vote", "{count} votes", votes)


def _table(rows: Sequence[RankedCell], strengths: Strengths, votes: Sequence[Vote], scores: dict[str, float]) -> Table:
    """The strongest first: how often each is preferred to a middling one of these, with its interval, in percent."""
    together = {cell: place for place, cell in enumerate(by_both(strengths, scores), 1)}
    shown, chances = bad_shares(votes), strengths.chance_to_be_best
    preferred = 100 * expit(strengths.draws - strengths.draws.mean(1, keepdims=True))
    low, high = np.quantile(preferred, [0.025, 0.975], axis=0)
    order: list[int] = np.argsort(-strengths.strength, kind="stable").tolist()
    seen = [shown.get(rows[at].cell, (0, 0)) for at in order]
    return table_of(
        {
            tr("cell"): [rows[at].name for at in order],
            PREFERRED: [float(preferred[:, at].mean()) for at in order],
            tr("19 times in 20"): [
                tr("{low} to {high} %", low=f"{low[at]:.0f}", high=f"{high[at]:.0f}") for at in order
            ],
            BEST: [100 * float(chances[at]) for at in order],
            tr("shown"): [times for _, times in seen],
            tr("both bad"): [bad for bad, _ in seen],
            tr("place by score"): [rows[at].place for at in order],
            tr("place by both"): [together.get(rows[at].cell) for at in order],
        }
    )
