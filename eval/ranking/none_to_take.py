"""What to say where there is no row to take: what the pictures show of the reason, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.limits import limit_named, may_be_broken
from eval.ranking.ranked_cell import RankedCell
from eval.ranking.scores import SUBJECT, Scores, rows_mean
from eval.statistics.row_blocks import by_rows
from eval.wording.figure_texts import interval_text, percent
from eval.wording.subject_words import SubjectWords
from foundation.wording.said import in_series, say

# Pictures that change less than this share of what another seed changes are the base model's own.
UNCHANGED = 0.1
# Of the way from the base model to the subject: where no row has gone further, there is no likeness to give up for a
# limit. Bleed is too much from a quarter of the same way on.
HARDLY_LEARNED = 0.2


@dataclass(frozen=True)
class Verdict:
    """`headline`: what to take, or that there is nothing; `sentences`: why, how sure, and what to do next.

    `taken`: the row that the headline names; None where it names none.
    """

    headline: str
    sentences: list[str]
    taken: RankedCell | None = None

    @property
    def all(self) -> list[str]:
        """Headline and sentences: four at most."""
        return [self.headline, *self.sentences]


def none_to_take(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> Verdict:
    """The verdict on rows of which none within the limits is shown to gain enough on the base model."""
    if not scores.faces_seen.any():
        return _nothing_seen(evidence, scores)
    if np.isnan(scores.floor):
        return _nothing_to_compare_with(ranked, evidence, scores)
    if ranked[0].broken:
        return _all_broken(ranked)
    works = next((row for row in ranked if row.worth_taking), None)
    return _only_broken_works(works, ranked) if works else _nothing_works(ranked, evidence, scores)


def _nothing_seen(evidence: Evidence, scores: Scores) -> Verdict:
    subject = evidence.where(SUBJECT)
    failed, of = int(evidence.failed[:, subject].sum()), len(evidence.cells) * len(subject)
    return Verdict(
        say("Take none of these yet: no picture of any row shows {shown}.", shown=scores.words.shown),
        [
            say(
                "{count} of {total} failed: black, flat, not finite or not made. So nothing can be said of likeness, "
                "bleed or copying.",
                count=failed,
                total=of,
            )
            if failed
            else say("So nothing can be said of likeness, bleed or copying."),
            say(
                "Look at the pictures, and give prompts, a size and steps whose pictures show {shown}.",
                shown=scores.words.shown,
            ),
        ],
    )


def _nothing_to_compare_with(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> Verdict:
    best, words = ranked[0], scores.words
    ceiling = (
        ""
        if np.isnan(scores.ceiling)
        else say("; the subject's own pictures {ceiling}", ceiling=f"{scores.ceiling:.3f}")
    )
    return Verdict(
        say(
            "Take none of these yet: none of the base model's own pictures shows {shown}, so there is nothing to "
            "compare with.",
            shown=words.shown,
        ),
        [
            say(
                "{row} is the most like the subject ({identity}{ceiling}), but how alike any stranger would be is not "
                "known.",
                row=best.name,
                identity=f"{best.identity:.3f}",
                ceiling=ceiling,
            ),
            _on_the_base_model(evidence, words),
        ],
    )


def _on_the_base_model(evidence: Evidence, words: SubjectWords) -> str:
    """What brings pictures of the base model to compare with."""
    if evidence.imported:
        return say(
            "Draw the same prompts and seeds by the same settings without any LoRA, with the class word in the "
            "trigger's place, and import all pictures together."
        )
    return say(
        "Put a prompt into [prompts] on which the base model shows {shown}, of the subject or of {others}, and run "
        "`python -m eval grid` again.",
        shown=words.shown,
        others=words.others,
    )


def _all_broken(ranked: Sequence[RankedCell]) -> Verdict:
    best = ranked[0]
    return Verdict(
        say("Take none of these as they are: every row breaks a limit."),
        [
            say("{row} breaks the fewest: {limits}.", row=best.name, limits=in_series(best.broken)),
            _instead_of(best, ranked),
        ],
    )


def _only_broken_works(works: RankedCell, ranked: Sequence[RankedCell]) -> Verdict:
    return Verdict(
        say(
            "Take none of these as they are: only rows that break a limit are shown to be more like the subject than "
            "the base model."
        ),
        [
            say(
                "{row} gains {gain} of likeness{by}, but: {limits}.",
                row=works.name,
                gain=gain_text(works),
                by=by_model(works),
                limits=in_series(works.broken),
            ),
            _instead_of(works, ranked),
        ],
    )


def _instead_of(row: RankedCell, ranked: Sequence[RankedCell]) -> str:
    """What to do about a row that breaks limits."""
    if all(may_be_broken(reason) for reason in row.broken):
        return say(
            "Look at the pictures that are lost first: prompts, a size or steps that bring them may be all that is "
            "missing; else try earlier epochs or lower weights ([lora] in the specification)."
        )
    way = _furthest(ranked)
    limits = {limit_named(reason) for reason in row.broken}
    if way < HARDLY_LEARNED and limits <= {"bleed", "copy"}:
        return _learn_first(percent(max(0.0, way)), "bleed" in limits)
    return say(
        "Try earlier epochs or lower weights ([lora] in the specification), or, where a limit asks for more than you "
        "need, set it in [limits]."
    )


def _furthest(ranked: Sequence[RankedCell]) -> float:
    """How far the row that is the most like the subject has gone from the base model; infinite where nobody knows."""
    ways = [row.expected_normalised for row in ranked if row.expected_normalised is not None]
    return max(ways, default=np.inf)


def _learn_first(way: str, bleeds: bool) -> str:
    """What to do where a limit is broken and hardly anything is learned: less of the LoRA is no way out of it."""
    if bleeds:
        return say(
            "The row that comes nearest is {way} of the way from the base model to the subject, so lower weights or "
            "earlier epochs would leave nothing: see that every caption that was trained on has the trigger and that "
            "the references show the same subject, then train for longer or at higher rates, with reg pictures of the "
            "class against the bleed.",
            way=way,
        )
    return say(
        "The row that comes nearest is {way} of the way from the base model to the subject, so lower weights or "
        "earlier epochs would leave nothing: see that every caption that was trained on has the trigger and says what "
        "else the picture shows, and that the references show the same subject, then train on more and other pictures.",
        way=way,
    )


def _nothing_works(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> Verdict:
    best = ranked[0]
    if best.gain_low is None:
        return Verdict(
            say("Nothing can be told yet: there is one picture of each row."),
            [
                say(
                    "In it, {row} is the most like the subject ({identity}; the base model {floor}).",
                    row=best.name,
                    identity=f"{best.identity:.3f}",
                    floor=f"{scores.floor:.3f}",
                ),
                _with_more_seeds(evidence),
            ],
        )
    return Verdict(
        say(
            "Take none of these yet: no row is shown to be more like the subject than the base model without a LoRA, "
            "by enough to be of use."
        ),
        [
            say(
                "The first, {row}, gains {gain} of likeness{by} on it, and would have to gain {matters} surely; the "
                "way to the subject's own pictures is {span}.",
                row=best.name,
                gain=gain_text(best),
                by=by_model(best),
                matters=matters_text(best),
                span=_span(scores),
            ),
            _why_nothing_works(ranked, evidence, scores),
        ],
    )


def _more(evidence: Evidence) -> str:
    if evidence.imported:
        return say("draw more seeds of every row and import all pictures together")
    return say("put more `seeds` into [prompts] and run `python -m eval grid` again")


def _with_more_seeds(evidence: Evidence) -> str:
    if evidence.imported:
        return say("Draw every row with 4 seeds a prompt, and import all pictures together.")
    return say("Put `seeds = 4` into [prompts] of the specification and run `python -m eval grid` with it again.")


def gain_text(row: RankedCell) -> str:
    """What a row gains on the base model, with the interval by which it is judged."""
    if row.gain is None or row.gain_low is None or row.gain_high is None:
        return say("an unknown share")
    return say(
        "{gain} ({interval})", gain=f"{row.gain:+.3f}", interval=interval_text(row.gain_low, row.gain_high, "+.3f")
    )


def matters_text(row: RankedCell) -> str:
    """What it must surely gain to be worth taking."""
    return say("an unknown share") if row.gain_that_matters is None else f"{row.gain_that_matters:.3f}"


def _span(scores: Scores) -> str:
    return say("not known") if np.isnan(scores.span) else f"{scores.span:.3f}"


def _why_nothing_works(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    """The likeliest reason that the pictures show, and what to do about it."""
    changed = picture_change(evidence)
    if changed < UNCHANGED:
        return say(
            "The pictures are nearly the base model's own: the LoRA does next to nothing. "
            "`python -m eval inspect FILE` says whether training left it empty; else raise its weights."
        )
    if any("likeness still rises" in text for row in ranked for text in row.trends):
        return say("Likeness still rises at the last epoch: train for longer, and grade the later epochs.")
    if (ranked[0].gain_high or 0.0) > (ranked[0].gain_that_matters or 0.0):
        return say(
            "It may gain more than these few pictures can show: {advice}, or train for longer.", advice=_more(evidence)
        )
    return say(
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
    beside = np.flatnonzero([cell.on == evidence.on for cell in evidence.cells])

    def alike(rows: slice) -> np.ndarray:
        return np.einsum("cue,ue->cu", evidence.pictures[rows][:, at].astype(np.float64), control)

    moved = 1 - by_rows(alike, evidence.pictures)[beside]
    names = np.array(evidence.prompts_of(SUBJECT))
    pairs = (names[:, None] == names[None, :]) & ~np.eye(len(names), dtype=bool)
    by_seed = 1 - (control @ control.T)[pairs]
    if not np.isfinite(moved).any() or not np.isfinite(by_seed).any() or np.nanmean(by_seed) <= 0:
        return np.inf
    # A row all of whose pictures failed has no mean.
    return float(np.nanmax(rows_mean(moved)) / np.nanmean(by_seed))


def by_model(best: RankedCell) -> str:
    """By which model likeness was measured, where it was no face model."""
    return say(" by {model}", model=scored_by) if (scored_by := best.image_likeness) else ""
