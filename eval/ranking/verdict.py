"""The ranking in plain words: what to take, how sure that is, what it costs, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from eval.ranking.evidence import Evidence
from eval.ranking.flags import FAR_BEYOND
from eval.ranking.none_to_take import Verdict, by_model, gain_text, matters_text, none_to_take
from eval.ranking.ranked_cell import Elsewhere, RankedCell, recommended
from eval.ranking.ranking import pairs_to_tell_rows_apart
from eval.ranking.scores import Scores
from eval.statistics.standing import Standing
from eval.wording.figure_texts import interval_text, percent
from eval.wording.subject_words import SubjectWords
from foundation.wording.said import Said, in_series, listed, say, say_many, some_of

NAMED_ROWS = 3
MOST_SENTENCES = 3  # below the headline
# Costs closer than this to the best row's are not worth a sentence.
NOTICEABLE = 0.01
# More seeds a prompt than this are hours of rendering for a difference that is hardly seen.
BY_EYE = say("choose by eye (the studio's Vote page shows pairs blind)")
MOST_SEEDS = 64


@dataclass(frozen=True)
class Cost:
    """What a row costs beside its likeness, in the figure's own unit: 0 is nothing, more is worse.

    `name` is in the words of the kind of subject (`SubjectWords.filled_in`).
    """

    name: Said
    less: Said
    of: Callable[[RankedCell], float | None]


def no_cost_below_zero(value: float | None) -> float | None:
    """Below 0 is chance, not a merit: nothing is gained by strangers who look less like the subject."""
    return None if value is None else max(0.0, value)


def _prompt_lost(row: RankedCell) -> float | None:
    return None if row.prompt is None else no_cost_below_zero(-row.prompt)


COSTS = (
    Cost(say("obedience to the prompt"), say("obeys the prompt better"), _prompt_lost),
    Cost(say("bleed into {others}"), say("bleeds less"), lambda row: no_cost_below_zero(row.bleed)),
    Cost(say("copying of training pictures"), say("copies less"), lambda row: no_cost_below_zero(row.copy)),
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
    last = _elsewhere(ranked, best) or _costs(ranked, scores.words)[:1]
    said = [_likeness(best, scores), *_doubts(best, good), _beside_it(ranked, evidence, scores), *last]
    return Verdict(_taken(best, good), said[:MOST_SENTENCES], best)


def _taken(best: RankedCell, good: Sequence[RankedCell]) -> str:
    if len(good) > 1:
        return say("Take {row}, or any of the {count} rows as good.", row=best.name, count=len(good))
    if good:
        return say("Take {row}, or {other}.", row=best.name, other=good[0].name)
    return say("Take {row}.", row=best.name)


def _not_the_first(ranked: Sequence[RankedCell], taken: RankedCell, scores: Scores) -> Verdict:
    """Where the first row is not shown to gain anything, and another one is."""
    best = ranked[0]
    before = list(ranked[: ranked.index(taken)])
    others = [row for row in ranked if row.worth_taking and not row.broken and row.cell != taken.cell]
    beside = [
        say_many("{rows} is worth taking, too: {by_eye}.", "{rows} are worth taking, too: {by_eye}.", len(others),
                 rows=_named(others), by_eye=BY_EYE)
    ] if others else []  # fmt: skip
    return Verdict(
        say(
            "Take {row}: it is the first row that is shown to be more like the subject than the base model.",
            row=taken.name,
        ),
        [
            _likeness(taken, scores),
            *_doubts(taken, []),
            say_many(
                "{rows} stands before it ({identity}), but is not shown to be worth taking: it gains {gain} on the "
                "base model, not surely {matters} or more; look at how its pictures scatter, or give more `seeds`.",
                "{rows} stand before it ({identity}), but are not shown to be worth taking: the first gains {gain} on "
                "the base model, not surely {matters} or more; look at how its pictures scatter, or give more `seeds`.",
                len(before),
                rows=_named(before),
                identity=f"{best.identity:.3f}",
                gain=gain_text(best),
                matters=matters_text(taken),
            ),
            *(_elsewhere(ranked, taken) or (beside or _given_up([taken], scores.words))),
        ][:MOST_SENTENCES],
        taken,
    )


def _likeness(best: RankedCell, scores: Scores) -> str:
    expected: dict[str, str] = {"expected": f"{best.expected:.3f}", "by": by_model(best)}
    text = say("On new pictures expect an identity (likeness to the subject{by}) of {expected}", **expected)
    if best.identity_low is not None and best.identity_high is not None:
        ends = interval_text(best.identity_low, best.identity_high)
        text = say(
            "On new pictures expect an identity (likeness to the subject{by}) of {expected} ({interval}, 19 times "
            "in 20)",
            interval=ends,
            **expected,
        )
    floor, ceiling = f"{scores.floor:.3f}", f"{scores.ceiling:.3f}"
    if best.expected_normalised is None:
        return say("{expected}; the base model without it reaches {floor}.", expected=text, floor=floor)
    if best.expected_normalised > FAR_BEYOND:
        return say(
            "{expected}; the base model reaches {floor}, and the subject's own pictures no more than {ceiling} among "
            "themselves: see that they show one subject.",
            expected=text,
            floor=floor,
            ceiling=ceiling,
        )
    return say(
        "{expected}: {share} of the way from the base model ({floor}) to the subject's own pictures ({ceiling}).",
        expected=text,
        share=percent(best.expected_normalised),
        floor=floor,
        ceiling=ceiling,
    )


def _doubts(taken: RankedCell, good: Sequence[RankedCell]) -> list[str]:
    """Limits that the row to take is past, be it by chance, and who of the rows as good is past none."""
    if not taken.doubtful:
        return []
    sound = [row for row in good if not row.doubtful]
    doubts = in_series(taken.doubtful)
    if not sound:
        return [say("Look at its pictures first: {doubts}.", doubts=doubts)]
    return [
        say_many("Look at its pictures first: {doubts}; {rows} keeps every limit.",
                 "Look at its pictures first: {doubts}; {rows} keep every limit.", len(sound), doubts=doubts,
                 rows=_named(sound))
    ]  # fmt: skip


def _beside_it(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    """How the other rows stand, and what would tell more."""
    best = ranked[0]
    good, untold = _others(ranked, "as good"), _others(ranked, "cannot tell")
    others = [row for row in ranked if row.cell != best.cell]
    missing = _left_out(evidence)
    if not others and missing:
        return say("It stands alone: {missing}.", missing=missing)
    if not others:
        return say("It is the only cell: grade other epochs or weights beside it before you settle on it.")
    as_good = _as_good(good, best)
    if untold:
        return _sentence([*as_good, _untold(untold, good, _what_would_tell(ranked, evidence, scores))])
    if as_good:
        worse = [say("every other row within the limits is shown to be worse")] if _others(ranked, "worse") else []
        return _sentence([*as_good, *worse, *([missing] if missing else [])])
    if all(row.broken for row in others):
        lower = say("grade lower weights or other epochs beside it before you settle on it")
        return say("Every other row breaks a limit: {advice}.", advice=missing or lower)
    return _all_worse([row for row in ranked[1:] if row.cell == best.cell], missing)


def _as_good(good: Sequence[RankedCell], best: RankedCell) -> list[str]:
    if not good:
        return []
    return [
        say_many("{rows} is as good (less than {least} apart): {by_eye}",
                 "{rows} are as good (less than {least} apart): {by_eye}", len(good), rows=_named(good),
                 least=f"{best.difference_that_matters:g}", by_eye=BY_EYE)
    ]  # fmt: skip


def _untold(untold: Sequence[RankedCell], good: Sequence[RankedCell], advice: str) -> str:
    """By name, unless rows are named before as being as good."""
    return say_many(
        "{rows} is not shown to be worse, nor as good: {advice}",
        "{rows} are not shown to be worse, nor as good: {advice}",
        len(untold), rows=_rows(untold) if good else _named(untold), advice=advice,
    )  # fmt: skip


def _all_worse(same: Sequence[RankedCell], missing: str) -> str:
    worse = say("Every other row within the limits is shown to be worse")
    if same:
        worse = say("{worse} ({rows} holds the same tensors)", worse=worse, rows=_named(same))
    if missing:
        return say("{worse}, but {missing}.", worse=worse, missing=missing)
    return say("{worse}: nothing more has to be rendered.", worse=worse)


def _sentence(clauses: Sequence[str]) -> str:
    return say("{clauses}.", clauses=in_series(clauses))


def _left_out(evidence: Evidence) -> str:
    """Which rows are not here because pictures are gone, and what brings them back; "" where none is missing."""
    gone = evidence.left_out
    if gone is None or not gone.rows:
        return ""
    names = some_of(gone.names, NAMED_ROWS) if gone.names else say_many("{count} row", "{count} rows", gone.rows)
    return say_many(
        "{rows} is left out because pictures are gone: {again}, before you settle on one",
        "{rows} are left out because pictures are gone: {again}, before you settle on one", gone.rows, rows=names,
        again=gone.again,
    )  # fmt: skip


def _what_would_tell(ranked: Sequence[RankedCell], evidence: Evidence, scores: Scores) -> str:
    needed = pairs_to_tell_rows_apart(scores, evidence, ranked)
    prompts = len(set(scores.prompts))
    seeds = max(-(-needed // prompts), len(scores.prompts) // prompts + 1) if needed else 0
    if not 0 < seeds <= MOST_SEEDS:
        return say("telling them apart would take very many pictures, so {by_eye}, or take the first", by_eye=BY_EYE)
    if evidence.imported:
        return say("draw every row with {count} seeds a prompt, and import them with those that are there", count=seeds)
    return say(
        "put `seeds = {count}` into [prompts] and run `python -m eval grid` again (made pictures are kept)", count=seeds
    )


def _elsewhere(ranked: Sequence[RankedCell], taken: RankedCell) -> list[str]:
    """What drawing it another way costs, and what is best there; one sentence for all other ways."""
    told: list[str] = []
    for other in taken.elsewhere[:NAMED_ROWS]:
        way = {"way": str(other.on), "differs": _differs(other)}
        text = say("on {way} {differs}", **way) if told else say("On {way} {differs}", **way)
        there = next((row for row in ranked if row.on == other.on), None)
        if there is not None and (there.checkpoint, there.weights, there.also) != (
            taken.checkpoint,
            taken.weights,
            taken.also,
        ):
            first = {"row": there.name, "identity": f"{there.identity:.3f}"}
            text = say("{differs}, and the first there is {row} ({identity})", differs=text, **first)
        told.append(text)
    more = len(taken.elsewhere) - NAMED_ROWS
    if more > 0:
        told.append(say("and so on for {count} more", count=more))
    return [_sentence(told)] if told else []


def _differs(other: Elsewhere) -> str:
    """How much lower or higher another way is, with the interval of that, and whether it is sure."""
    value, ends = f"{abs(other.difference):.3f}", ""
    if other.low is not None and other.high is not None:
        near, far = (-other.high, -other.low) if other.difference < 0 else (other.low, other.high)
        ends = say(" ({interval})", interval=interval_text(near, far))
    by = (
        say("is lower by {value}{interval}", value=value, interval=ends)
        if other.difference < 0
        else say("is higher by {value}{interval}", value=value, interval=ends)
    )
    sure = other.low is not None and other.high is not None and not other.low <= 0 <= other.high
    return (
        say("the same cell {differs}", differs=by)
        if sure
        else say("the same cell is not shown to differ: it {differs}", differs=by)
    )


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
    return [
        say_many(
            "{count} row looks more like the subject but broke a limit; look at the pictures of {row} ({identity}) "
            "before you take it all the same: {limits}.",
            "{count} rows look more like the subject but broke a limit; look at the pictures of {row} ({identity}) "
            "before you take it all the same: {limits}.",
            len(liker), row=first.name, identity=f"{first.identity:.3f}", limits=in_series(first.broken),
        )
    ]  # fmt: skip


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
            figures = {"value": f"{value:.3f}", "first": f"{own:.3f}"}
            cheaper.append(
                say("{row} {costs_less} ({value}, the first {first})", row=row.name, costs_less=cost.less, **figures)
            )
    if not cheaper:
        return []
    rows = in_series(cheaper)
    return [say("Among the rows that are as good, {rows}: take that one if it matters to you.", rows=rows)]


def _given_up(ranked: Sequence[RankedCell], words: SubjectWords) -> list[str]:
    """What the best row costs."""
    best = ranked[0]
    costs = [
        say("{cost} {value}", cost=words.filled_in(cost.name), value=f"{value:.3f}")
        for cost in COSTS
        if (value := cost.of(best)) is not None
    ]
    return [say("What is given up for it (0 is nothing): {costs}.", costs=listed(costs))] if costs else []


def _others(ranked: Sequence[RankedCell], standing: Standing) -> list[RankedCell]:
    """The rows within the limits of that standing which are not the first's own cell."""
    return [row for row in ranked[1:] if row.standing == standing and not row.broken and row.cell != ranked[0].cell]


def _rows(rows: Sequence[RankedCell]) -> str:
    return say_many("{count} row", "{count} rows", len(rows))


def _named(rows: Sequence[RankedCell]) -> str:
    return some_of([row.name for row in rows], NAMED_ROWS)
