"""The ranking in plain words: what to take, how sure that is, what it costs, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.ranking import pairs_to_tell_rows_apart
from eval.ranking.scores import SUBJECT, Scores
from eval.statistics.standing import Standing
from eval.wording.figure_texts import interval_text, percent
from eval.wording.subject_words import SubjectWords

NAMED_ROWS = 3
# Costs closer than this to the best row's are not worth a sentence.
NOTICEABLE = 0.01
# More seeds a prompt than this are hours of rendering for a difference that is hardly seen.
MOST_SEEDS = 64
# Pictures that change less than this share of what another seed changes are the base model's own.
UNCHANGED = 0.1


@dataclass(frozen=True)
class Verdict:
    """`headline`: what to take, or that there is nothing; `sentences`: why, how sure, and what to do next."""

    headline: str
    sentences: list[str]

    @property
    def all(self) -> list[str]:
        """Headline and sentences: four at most."""
        return [self.headline, *self.sentences]


@dataclass(frozen=True)
class Cost:
    """What a row costs beside its likeness, in the figure's own unit: 0 is nothing, more is worse.

    `name` is in the words of the kind of subject (`SubjectWords.filled_in`).
    """

    name: str
    less: str
    of: Callable[[RankedCell], float | None]


def no_cost_below_zero(value: float | None) -> float | None:
    """Below 0 is chance, not a merit: nothing is gained by strangers who look less like the subject."""
    return None if value is None else max(0.0, value)


def _prompt_lost(row: RankedCell) -> float | None:
    return None if row.prompt is None else no_cost_below_zero(-row.prompt)


COSTS = (
    Cost("obedience to the prompt", "obeys the prompt better", _prompt_lost),
    Cost("bleed into {others}", "bleeds less", lambda row: no_cost_below_zero(row.bleed)),
    Cost("copying of training pictures", "copies less", lambda row: no_cost_below_zero(row.copy)),
)


def verdict(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> Verdict:
    """For a person who will not read the table: at most four sentences, the headline included."""
    best = ranked[0]
    if best.broken:
        return _all_broken(ranked)
    if not any(row.worth_taking and not row.broken for row in ranked):
        return _nothing_works(ranked, evidence, scores)
    good = _others(ranked, "as good")
    also = f", or any of the {_rows(good)} as good" if len(good) > 1 else f", or {good[0].name}" if good else ""
    said = [_likeness(best, scores), _beside_it(ranked, evidence, scores), *_costs(ranked, scores.words)[:1]]
    return Verdict(f"Take {best.name}{also}.", said)


def _all_broken(ranked: Sequence[RankedCell]) -> Verdict:
    best = ranked[0]
    return Verdict(
        "Take none of these as they are: every row breaks a limit.",
        [
            f"{best.name} breaks the fewest: {'; '.join(best.broken)}.",
            "Try earlier epochs or lower weights ([lora] in the specification). Where a limit asks for more than you "
            "need, set it in [limits].",
        ],
    )


def _nothing_works(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> Verdict:
    best = ranked[0]
    if best.gain_low is None or best.gain_high is None:
        return Verdict(
            "Nothing can be told yet: there is one picture of each row.",
            [
                f"In it, {best.name} is the most like the subject ({best.identity:.3f}; the base model "
                f"{scores.floor:.3f}).",
                "Put `seeds = 4` into [prompts] of the specification and run `python -m eval grid` with it again.",
            ],
        )
    gain = f"{best.gain:+.3f} ({interval_text(best.gain_low, best.gain_high, '+.3f')})"
    return Verdict(
        "Take none of these yet: no row is shown to be more like the subject than the base model without a LoRA.",
        [
            f"The first, {best.name}, gains {gain} of likeness{_by(best)} on it; the way to the subject's own "
            f"pictures is {_span(scores)}.",
            _why_nothing_works(ranked, evidence, scores),
        ],
    )


def _span(scores: Scores) -> str:
    return "not known" if np.isnan(scores.span) else f"{scores.span:.3f}"


def _why_nothing_works(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    """The likeliest reason that the pictures show, and what to do about it."""
    if not scores.faces_seen.any():
        return (
            f"No picture of any row shows a {scores.words.seen}: look at the pictures, and give prompts, a size and "
            "steps that bring one."
        )
    changed = picture_change(evidence)
    if changed < UNCHANGED:
        return (
            "The pictures are nearly the base model's own: the LoRA does next to nothing. "
            "`python -m eval inspect FILE` says whether training left it empty; else raise its weights."
        )
    if any("likeness still rises" in text for row in ranked for text in row.trends):
        return "Likeness still rises at the last epoch: train for longer, and grade the later epochs."
    if (ranked[0].gain_high or 0.0) > ranked[0].difference_that_matters:
        return (
            "It may gain more than these few pictures can show: put more `seeds` into [prompts] and run "
            "`python -m eval grid` again, or train for longer."
        )
    return (
        "The pictures change, but not towards the subject: see that the trigger stands in the captions that were "
        "trained on, and that the held-out references show the same subject."
    )


def picture_change(evidence: Evidence) -> float:
    """How far the LoRAs move pictures, as a share of what another seed of the same prompt moves the base model's.

    By CLIP's embeddings of the subject prompts' pictures, for the row that moves them most; infinite where it is not
    known.
    """
    at = evidence.where(SUBJECT)
    control = evidence.pictures_control[at].astype(np.float64)
    moved = 1 - np.einsum("cue,ue->cu", evidence.pictures[:, at].astype(np.float64), control)
    names = np.array(evidence.prompts_of(SUBJECT))
    pairs = (names[:, None] == names[None, :]) & ~np.eye(len(names), dtype=bool)
    by_seed = 1 - (control @ control.T)[pairs]
    if not np.isfinite(moved).any() or not np.isfinite(by_seed).any() or np.nanmean(by_seed) <= 0:
        return np.inf
    return float(np.nanmax(np.nanmean(moved, axis=1)) / np.nanmean(by_seed))


def _by(best: RankedCell) -> str:
    """By which model likeness was measured, where it was no face model."""
    return f" by {scored_by}" if (scored_by := best.image_likeness) else ""


def _likeness(best: RankedCell, scores: Scores) -> str:
    text = f"On new pictures expect a likeness{_by(best)} of {best.expected:.3f}"
    if best.identity_low is not None and best.identity_high is not None:
        text += f" ({interval_text(best.identity_low, best.identity_high)}, 19 times in 20)"
    if np.isnan(scores.floor):
        return f"{text}; the base model's own pictures show no {scores.words.seen} to compare with."
    if np.isnan(scores.span):
        return f"{text}; the base model without it reaches {scores.floor:.3f}."
    way = percent((best.expected - scores.floor) / scores.span)
    return (
        f"{text}: {way} of the way from the base model ({scores.floor:.3f}) "
        f"to the subject's own pictures ({scores.ceiling:.3f})."
    )


def _beside_it(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    """How the other rows stand, and what would tell more."""
    best = ranked[0]
    good, untold = _others(ranked, "as good"), _others(ranked, "cannot tell")
    others = [row for row in ranked if row.cell != best.cell]
    if not others:
        return "It is the only cell: grade other epochs or weights beside it before you settle on it."
    as_good = (
        f"{_named(good)} {'is' if len(good) == 1 else 'are'} as good (less than "
        f"{best.difference_that_matters:g} apart): choose by eye"
        if good
        else ""
    )
    if untold:
        which = _named(untold) if not good else _rows(untold)
        verb = "is" if len(untold) == 1 else "are"
        text = f"{which} {verb} not shown to be worse, nor as good: {_what_would_tell(ranked, evidence, scores)}"
        return f"{as_good}; {text}." if as_good else f"{text}."
    if as_good:
        return f"{as_good}; every other row within the limits is shown to be worse."
    if all(row.broken for row in others):
        return "Every other row breaks a limit: grade lower weights or other epochs beside it before you settle on it."
    same = [row for row in ranked[1:] if row.cell == best.cell]
    twins = f" ({_named(same)} holds the same tensors)" if same else ""
    return f"Every other row within the limits is shown to be worse{twins}: nothing more has to be rendered."


def _what_would_tell(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    needed = pairs_to_tell_rows_apart(evidence, ranked, [ranked[0].difference_that_matters])
    prompts = len(set(scores.prompts))
    seeds = max(-(-needed[0].pairs // prompts), len(scores.prompts) // prompts + 1) if needed else 0
    if not 0 < seeds <= MOST_SEEDS:
        return "telling them apart would take very many pictures, so choose by eye, or take the first"
    return f"put `seeds = {seeds}` into [prompts] and run `python -m eval grid` again (made pictures are kept)"


def _costs(ranked: Sequence[RankedCell], words: SubjectWords) -> list[str]:
    """What speaks against the first row, the most important first."""
    return [*_passed_over(ranked), *_cheaper(ranked), *_given_up(ranked, words)]


def _passed_over(ranked: Sequence[RankedCell]) -> list[str]:
    """Rows that look more like the subject, and why they are not first."""
    best = ranked[0]
    liker = [row for row in ranked if row.identity > best.identity and len(row.broken) > len(best.broken)]
    if not liker:
        return []
    first = max(liker, key=lambda row: row.identity)
    rows = "1 row looks" if len(liker) == 1 else f"{len(liker)} rows look"
    return [
        f"{rows} more like the subject but broke a limit; look at the pictures of {first.name} "
        f"({first.identity:.3f}) before you take it all the same: {first.broken[0]}."
    ]


def _cheaper(ranked: Sequence[RankedCell]) -> list[str]:
    """Rows as good as the first that cost noticeably less."""
    best = ranked[0]
    cheaper: list[str] = []
    for cost in COSTS:
        own = cost.of(best)
        good = [(value, row) for row in _others(ranked, "as good") if (value := cost.of(row)) is not None]
        value, row = min(good, key=lambda pair: pair[0], default=(0.0, best))
        if own is not None and good and own - value >= NOTICEABLE:
            cheaper.append(f"{row.name} {cost.less} ({value:.3f}, the first {own:.3f})")
    said = f"Among the rows that are as good, {'; '.join(cheaper)}: take that one if it matters to you."
    return [said] if cheaper else []


def _given_up(ranked: Sequence[RankedCell], words: SubjectWords) -> list[str]:
    """What the best row costs."""
    best = ranked[0]
    costs = [f"{words.filled_in(cost.name)} {value:.3f}" for cost in COSTS if (value := cost.of(best)) is not None]
    return [f"What is given up for it (0 is nothing): {', '.join(costs)}."] if costs else []


def _others(ranked: Sequence[RankedCell], standing: Standing) -> list[RankedCell]:
    """The rows within the limits of that standing which are not the first's own cell."""
    return [row for row in ranked[1:] if row.standing == standing and not row.broken and row.cell != ranked[0].cell]


def _rows(rows: Sequence[RankedCell]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"


def _named(rows: Sequence[RankedCell]) -> str:
    names = [row.name for row in rows[:NAMED_ROWS]]
    if len(rows) > NAMED_ROWS:
        return f"{', '.join(names)} and {len(rows) - NAMED_ROWS} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
