"""What the test of a trigger found, in words and for programs: what is measured, how sure it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from foundation.wording.said import listed, say, say_many
from trainer.trigger_test.measuring import Answered, TriggerReport
from trainer.trigger_test.pollution import FREE_UP_TO, KNOWN_FROM, Verdict

Severity = Literal["error", "warning", "note"]
Key = Literal["trigger", "name"]
SOURCE = (
    "the base model's own pictures of the word and of the class word, the same seeds, compared by faces or whole "
    "pictures (trainer/trigger_test/pollution.py)"
)
MEANINGS: Mapping[Verdict, tuple[Severity, str]] = {
    "known": ("error", say("the base model draws an idea of its own, which the LoRA has to overwrite")),
    "in part": ("warning", say("the base model has some idea of its own")),
    "cannot tell": ("note", say("whether the base model has an idea of its own cannot be told yet")),
    "free": ("note", say("the base model has hardly any idea of its own")),
}


@dataclass(frozen=True)
class TriggerFinding:
    """Something about a word: how grave, which word, the measured value, what it means, and what to do."""

    severity: Severity
    key: Key
    words: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    advice: str


def findings_of(report: TriggerReport) -> list[TriggerFinding]:
    """The trigger first, then who is named in captions."""
    return [_of_trigger(report), *_of_names(report)]


def in_words(answered: Answered) -> str:
    """`0.91 (0.87 to 0.96, 95 %, 16 seeds)`, and the faces where some were lost."""
    found = answered.pollution
    lost = (
        say(
            "; a face in {seen} of {seeds}, with the class word in {of_class}",
            seen=found.seen,
            seeds=found.seeds,
            of_class=found.seen_of_class,
        )
        if found.seen < found.seen_of_class
        else ""
    )
    return say(
        "{share} ({low} to {high}, 95 %, {seeds} seeds{lost})",
        share=f"{found.share:.2f}",
        low=f"{found.low:.2f}",
        high=f"{found.high:.2f}",
        seeds=found.seeds,
        lost=lost,
    )


def as_json(report: TriggerReport) -> dict[str, object]:
    """For programs: 0 is what the class word draws, 1 one fixed person."""
    return {
        "class_prompt": report.class_prompt,
        "known_from": KNOWN_FROM,
        "free_up_to": FREE_UP_TO,
        "trigger": _row(report.trigger),
        "names": [_row(one) for one in report.names],
        "names_not_measured": [one.words for one in report.unmeasured_names],
        "suggestions": [_row(one) for one in report.suggestions],
    }


def _of_trigger(report: TriggerReport) -> TriggerFinding:
    one = report.trigger
    severity, meaning = MEANINGS[one.pollution.verdict]
    way = say("of the way from `{prompt}` to one fixed person", prompt=report.class_prompt)
    text = say(
        "trigger `{word}`: {meaning}: {figures} {way}", word=one.words, meaning=meaning, figures=in_words(one), way=way
    )
    return _finding(severity, "trigger", one, text, _advice(report))


def _advice(report: TriggerReport) -> str:
    verdict = report.trigger.pollution.verdict
    if verdict == "free":
        return say("nothing to do")
    if verdict == "cannot tell":
        return say("measure it with more seeds")
    if best := report.best:
        offered = listed([say("`{word}` {figures}", word=one.words, figures=in_words(one)) for one in best])
        return say("take another trigger in captions and folder names; measured likewise: {offered}", offered=offered)
    return say(
        "take a rarer trigger in captions and folder names, and measure it likewise; of those tried none is free"
    )


def _of_names(report: TriggerReport) -> Iterator[TriggerFinding]:
    for one in report.names:
        where = _named(one.words, one.captions)
        if one.pollution.verdict in ("known", "in part"):
            text = say(
                "{where}, and the base model knows it: {figures} of the way to one fixed person",
                where=where,
                figures=in_words(one),
            )
            advice = say("take the name out of the captions: it draws the base model's own person in")
            yield _finding("error" if one.pollution.verdict == "known" else "warning", "name", one, text, advice)
        else:
            text = say(
                "{where}; the base model shows no person of that name: {figures}", where=where, figures=in_words(one)
            )
            yield _finding(
                "note", "name", one, text, say("if it is a name, take it out, so that the trigger alone names")
            )
    for name in report.unmeasured_names:
        text = say("{where}; it was not measured", where=_named(name.words, name.captions))
        advice = say("if it is a name, take it out of the captions")
        yield TriggerFinding("warning", "name", name.words, None, None, None, text, advice)


def _named(words: str, captions: int) -> str:
    return say_many(
        "`{word}` is named in {count} caption", "`{word}` is named in {count} captions", captions, word=words
    )


def _finding(
    severity: Severity, key: Literal["trigger", "name"], one: Answered, text: str, advice: str
) -> TriggerFinding:
    found = one.pollution
    return TriggerFinding(severity, key, one.words, found.share, found.low, found.high, text, advice)


def _row(one: Answered) -> dict[str, object]:
    found = one.pollution
    return {
        "words": one.words,
        "prompt": one.prompt,
        "captions": one.captions,
        "pollution": found.share,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
        "seeds": found.seeds,
        "faces": found.seen,
        "faces_of_class": found.seen_of_class,
    }
