"""The ranking in plain words: what to take, how sure that is, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import pairs_to_tell_rows_apart
from eval.ranking.scores import Scores
from eval.wording.figure_texts import percent, with_interval
from eval.wording.subject_words import SubjectWords

NAMED_TIES = 3
# Costs closer than this to the best row's are not worth a sentence.
NOTICEABLE = 0.01


@dataclass(frozen=True)
class Cost:
    """What a row costs beside its likeness, in the figure's own unit: 0 is nothing, more is worse.

    `name` is in the words of the kind of subject (`SubjectWords.filled_in`).
    """

    name: str
    less: str
    of: Callable[[RankedCell], float | None]


def _above_zero(value: float | None) -> float | None:
    """Below 0 is chance, not a merit: nothing is gained by strangers who look less like the subject."""
    return None if value is None else max(0.0, value)


def _prompt_lost(row: RankedCell) -> float | None:
    return None if row.prompt is None else _above_zero(-row.prompt)


COSTS = (
    Cost("obedience to the prompt", "obeys the prompt better", _prompt_lost),
    Cost("bleed into {others}", "bleeds less", lambda row: _above_zero(row.bleed)),
    Cost("copying of training pictures", "copies less", lambda row: _above_zero(row.copy)),
)


def verdict(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> list[str]:
    """Sentences for a person who will not read the table; the first says how alike the best row is."""
    best = ranked[0]
    said = [
        _likeness(best, scores),
        _certainty(ranked),
        *_chance(best),
        *_passed_over(ranked),
        *_given_up(ranked, scores.words),
    ]
    if best.broken:
        said.insert(0, f"No row keeps every limit; this one breaks the fewest: {'; '.join(best.broken)}.")
    needed = pairs_to_tell_rows_apart(evidence, ranked)
    if needed:
        pairs = " and ".join(f"{one.pairs} for a difference of {one.difference:g}" for one in needed)
        said.append(
            f"Each row was judged on {len(scores.prompts)} (prompt, seed) pairs; telling two rows apart takes {pairs}."
        )
    return [text for text in said if text]


def _likeness(best: RankedCell, scores: Scores) -> str:
    likeness = f"{best.identity:.3f}"
    if best.identity_low is not None and best.identity_high is not None:
        likeness = with_interval(best.identity, best.identity_low, best.identity_high)
    by = f" by {scored_by}" if (scored_by := best.image_likeness) else ""
    text = f"Its likeness{by} is {likeness}"
    if math.isnan(scores.floor):
        return f"{text}; the base model's own pictures show no {scores.words.seen} to compare with."
    if best.identity_normalised is None:
        return f"{text}; the base model without it reaches {scores.floor:.3f}."
    return (
        f"{text}: {percent(best.identity_normalised)} of the way from the base model ({scores.floor:.3f}) "
        f"to the subject's own pictures ({scores.ceiling:.3f})."
    )


def _certainty(ranked: Sequence[RankedCell]) -> str:
    best = ranked[0]
    tied = [row for row in ranked[1:] if row.tied_with_best]
    if len(ranked) == 1:
        return "It is the only row: there is nothing to compare it with."
    if not tied:
        return "It is ahead of every other row that keeps the limits, by more than the seeds explain."
    names = ", ".join(row.name for row in tied[:NAMED_TIES])
    more = f" and {len(tied) - NAMED_TIES} more" if len(tied) > NAMED_TIES else ""
    twins = [row for row in tied if row.cell == best.cell]
    same = f" ({len(twins)} of them the same tensors under another name)" if twins else ""
    rows = "1 other row" if len(tied) == 1 else f"{len(tied)} other rows"
    return f"It is tied with {rows}{same}: {names}{more}. On these pictures, any of them is as good a choice."


def _chance(best: RankedCell) -> list[str]:
    """How often the first row would be first again."""
    if best.probability_best is None:
        return []
    share = best.probability_best
    words = "a sure choice" if share >= 0.95 else "a likely one" if share >= 0.5 else "one of several"
    return [f"With other seeds of these prompts it would be first in {percent(share)} of draws: {words}."]


def _passed_over(ranked: Sequence[RankedCell]) -> list[str]:
    """Rows that look more like the subject, and why they are not first."""
    best = ranked[0]
    liker = [row for row in ranked if row.identity > best.identity and len(row.broken) > len(best.broken)]
    if not liker:
        return []
    first = max(liker, key=lambda row: row.identity)
    rows = "1 row looks" if len(liker) == 1 else f"{len(liker)} rows look"
    return [f"{rows} more like the subject but broke a limit; {first.name} ({first.identity:.3f}): {first.broken[0]}."]


def _given_up(ranked: Sequence[RankedCell], words: SubjectWords) -> list[str]:
    """What the best row costs, and the tied rows that cost noticeably less."""
    best = ranked[0]
    costs = [f"{words.filled_in(cost.name)} {value:.3f}" for cost in COSTS if (value := cost.of(best)) is not None]
    said = [f"What is given up for it (0 is nothing): {', '.join(costs)}."] if costs else []
    cheaper: list[str] = []
    for cost in COSTS:
        own = cost.of(best)
        tied = [(value, row) for row in ranked if row.tied_with_best and (value := cost.of(row)) is not None]
        value, row = min(tied, key=lambda pair: pair[0], default=(0.0, best))
        if own is not None and own - value >= NOTICEABLE:
            cheaper.append(f"{row.name} {cost.less} ({value:.3f}) at a likeness of {row.identity:.3f}")
    return [*said, f"Among the tied rows, {'; '.join(cheaper)}."] if cheaper else said
