"""The ranking in plain words: what to take, how sure that is, what it costs, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from eval.ranking.evidence import Evidence
from eval.ranking.flags import FAR_BEYOND
from eval.ranking.none_to_take import Verdict, by_model, gain_text, matters_text, none_to_take
from eval.ranking.ranked_cell import RankedCell, recommended
from eval.ranking.ranking import pairs_to_tell_rows_apart
from eval.ranking.scores import Scores
from eval.statistics.standing import Standing
from eval.wording.figure_texts import interval_text, percent
from eval.wording.subject_words import SubjectWords

NAMED_ROWS = 3
MOST_SENTENCES = 3  # below the headline
# Costs closer than this to the best row's are not worth a sentence.
NOTICEABLE = 0.01
# More seeds a prompt than this are hours of rendering for a difference that is hardly seen.
BY_EYE = "choose by eye (the studio's Vote page shows pairs blind)"
MOST_SEEDS = 64


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
    best, taken = ranked[0], recommended(ranked)
    if taken is None:
        none = none_to_take(ranked, evidence, scores)
        return replace(none, sentences=[*none.sentences, *_elsewhere(ranked, best)][:MOST_SENTENCES])
    if taken.cell != best.cell:
        return _not_the_first(ranked, taken, scores)
    good = [row for row in _others(ranked, "as good") if row.worth_taking]
    also = f", or any of the {_rows(good)} as good" if len(good) > 1 else f", or {good[0].name}" if good else ""
    last = _elsewhere(ranked, best) or _costs(ranked, scores.words)[:1]
    said = [_likeness(best, scores), *_doubts(best, good), _beside_it(ranked, evidence, scores), *last]
    return Verdict(f"Take {best.name}{also}.", said[:MOST_SENTENCES], best)


def _not_the_first(ranked: Sequence[RankedCell], taken: RankedCell, scores: Scores) -> Verdict:
    """Where the first row is not shown to gain anything, and another one is."""
    best = ranked[0]
    before = list(ranked[: ranked.index(taken)])
    several = len(before) > 1
    rows = f"{_named(before)} {'stand' if several else 'stands'} before it ({best.identity:.3f})"
    first = f"but {'are' if several else 'is'} not shown to be worth taking: {'the first' if several else 'it'} gains"
    others = [row for row in ranked if row.worth_taking and not row.broken and row.cell != taken.cell]
    beside = f"{_named(others)} {'is' if len(others) == 1 else 'are'} worth taking, too: {BY_EYE}." if others else ""
    return Verdict(
        f"Take {taken.name}: it is the first row that is shown to be more like the subject than the base model.",
        [
            _likeness(taken, scores),
            *_doubts(taken, []),
            f"{rows}, {first} {gain_text(best)} on the base model, not surely {matters_text(taken)} or more; look at "
            "how its pictures scatter, or give more `seeds`.",
            *(_elsewhere(ranked, taken) or ([beside] if beside else _given_up([taken], scores.words))),
        ][:MOST_SENTENCES],
        taken,
    )


def _likeness(best: RankedCell, scores: Scores) -> str:
    text = f"On new pictures expect an identity (likeness to the subject{by_model(best)}) of {best.expected:.3f}"
    if best.identity_low is not None and best.identity_high is not None:
        text += f" ({interval_text(best.identity_low, best.identity_high)}, 19 times in 20)"
    if best.expected_normalised is None:
        return f"{text}; the base model without it reaches {scores.floor:.3f}."
    if best.expected_normalised > FAR_BEYOND:
        return (
            f"{text}; the base model reaches {scores.floor:.3f}, and the subject's own pictures no more than "
            f"{scores.ceiling:.3f} among themselves: see that they show one subject."
        )
    return (
        f"{text}: {percent(best.expected_normalised)} of the way from the base model ({scores.floor:.3f}) "
        f"to the subject's own pictures ({scores.ceiling:.3f})."
    )


def _doubts(taken: RankedCell, good: Sequence[RankedCell]) -> list[str]:
    """Limits that the row to take is past, be it by chance, and who of the rows as good is past none."""
    if not taken.doubtful:
        return []
    sound = [row for row in good if not row.doubtful]
    instead = f"; {_named(sound)} {'keep' if len(sound) > 1 else 'keeps'} every limit" if sound else ""
    return [f"Look at its pictures first: {'; '.join(taken.doubtful)}{instead}."]


def _beside_it(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    """How the other rows stand, and what would tell more."""
    best = ranked[0]
    good, untold = _others(ranked, "as good"), _others(ranked, "cannot tell")
    others = [row for row in ranked if row.cell != best.cell]
    missing = _left_out(evidence)
    if not others and missing:
        return f"It stands alone: {missing}."
    if not others:
        return "It is the only cell: grade other epochs or weights beside it before you settle on it."
    as_good = (
        f"{_named(good)} {'is' if len(good) == 1 else 'are'} as good (less than "
        f"{best.difference_that_matters:g} apart): {BY_EYE}"
        if good
        else ""
    )
    if untold:
        which = _named(untold) if not good else _rows(untold)
        verb = "is" if len(untold) == 1 else "are"
        text = f"{which} {verb} not shown to be worse, nor as good: {_what_would_tell(ranked, evidence, scores)}"
        return f"{as_good}; {text}." if as_good else f"{text}."
    if as_good:
        worse = "; every other row within the limits is shown to be worse" if _others(ranked, "worse") else ""
        return f"{as_good}{worse}{'; ' * bool(missing)}{missing}."
    if all(row.broken for row in others):
        ask = missing or "grade lower weights or other epochs beside it before you settle on it"
        return f"Every other row breaks a limit: {ask}."
    same = [row for row in ranked[1:] if row.cell == best.cell]
    twins = f" ({_named(same)} holds the same tensors)" if same else ""
    worse = f"Every other row within the limits is shown to be worse{twins}"
    return f"{worse}, but {missing}." if missing else f"{worse}: nothing more has to be rendered."


def _left_out(evidence: Evidence) -> str:
    """Which rows are not here because pictures are gone, and what brings them back; "" where none is missing."""
    gone = evidence.left_out
    if gone is None or not gone.rows:
        return ""
    names = _listed(gone.names) if gone.names else "1 row" if gone.rows == 1 else f"{gone.rows} rows"
    is_left = "is" if gone.rows == 1 else "are"
    return f"{names} {is_left} left out because pictures are gone: {gone.again}, before you settle on one"


def _what_would_tell(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    needed = pairs_to_tell_rows_apart(scores, evidence, ranked)
    prompts = len(set(scores.prompts))
    seeds = max(-(-needed // prompts), len(scores.prompts) // prompts + 1) if needed else 0
    if not 0 < seeds <= MOST_SEEDS:
        return f"telling them apart would take very many pictures, so {BY_EYE}, or take the first"
    if evidence.imported:
        return f"draw every row with {seeds} seeds a prompt, and import them with those that are there"
    return f"put `seeds = {seeds}` into [prompts] and run `python -m eval grid` again (made pictures are kept)"


def _elsewhere(ranked: Sequence[RankedCell], taken: RankedCell) -> list[str]:
    """What drawing it another way costs, and what is best there; one sentence for all other ways."""
    told: list[str] = []
    for other in taken.elsewhere[:NAMED_ROWS]:
        ends = "" if other.low is None or other.high is None else _ends(other.low, other.high, other.difference)
        level = "lower" if other.difference < 0 else "higher"
        sure = other.low is not None and other.high is not None and not other.low <= 0 <= other.high
        differs = f"is {level} by {abs(other.difference):.3f}{ends}"
        text = f"on {other.on} the same cell {differs if sure else f'is not shown to differ: it {differs}'}"
        there = next((row for row in ranked if row.on == other.on), None)
        if there is not None and (there.checkpoint, there.weights, there.also) != (
            taken.checkpoint,
            taken.weights,
            taken.also,
        ):
            text += f", and the first there is {there.name} ({there.identity:.3f})"
        told.append(text)
    more = len(taken.elsewhere) - NAMED_ROWS
    told += [f"and so on for {more} more"] * (more > 0)
    said = "; ".join(told)
    return [f"{said[0].upper()}{said[1:]}."] if said else []


def _ends(low: float, high: float, value: float) -> str:
    """The interval of how far below, or above, another way is."""
    near, far = (-high, -low) if value < 0 else (low, high)
    return f" ({interval_text(near, far)})"


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
        f"({first.identity:.3f}) before you take it all the same: {'; '.join(first.broken)}."
    ]


def _cheaper(ranked: Sequence[RankedCell]) -> list[str]:
    """Rows as good as the first that cost noticeably less."""
    best = ranked[0]
    cheaper: list[str] = []
    for cost in COSTS:
        own = cost.of(best)
        good = [
            (value, row)
            for row in _others(ranked, "as good")
            if row.worth_taking and (value := cost.of(row)) is not None
        ]
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
    return _listed([row.name for row in rows])


def _listed(called: Sequence[str]) -> str:
    names = list(called[:NAMED_ROWS])
    if len(called) > NAMED_ROWS:
        return f"{', '.join(names)} and {len(called) - NAMED_ROWS} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
