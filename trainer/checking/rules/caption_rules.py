"""Captions: the trigger, what they should say, what they should not, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from foundation.wording.said import say
from trainer.checking.evidence import Evidence
from trainer.checking.findings import Finding, Tag
from trainer.checking.phrases import Phrases, any_of
from trainer.checking.rules import caption_rows as row
from trainer.checking.rules.face_rows import ONE_EXPRESSION
from trainer.checking.settings import Role
from trainer.checking.survey import Sighted

PARTS = (75, 150, 225)  # tokens, as kohya reads captions
# Two words that begin with capitals in the middle of a text that has none: a name.
NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b([A-Z][a-z]+(?:\s[A-Z][a-z]+)+)\b")
CALLED = re.compile(r"\b(?:named|called)\s+(\w+)", re.IGNORECASE)
FEW = 8


def caption_findings(evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    """All findings about captions."""
    for one in evidence.survey.pictures:
        yield from _as_files(one)
    captioned = [one for one in evidence.survey.train if one.is_captioned]
    yield from _trigger(evidence, captioned)
    for one in captioned:
        yield from _words(one, evidence, phrases)
    for one in (*captioned, *(one for one in evidence.survey.reg if one.is_captioned)):
        yield from _length(one, evidence)
    if evidence.subject.is_person:
        yield from _unsaid(captioned, evidence, phrases)
        yield from _one_expression(captioned, phrases)
    yield from _identical(captioned, evidence)


def tags_of(captioned: Sequence[Sighted]) -> tuple[Tag, ...]:
    """The phrases between commas, the commonest first, with the pictures that have each."""
    found: dict[str, list[Path]] = {}
    for one in captioned:
        for tag in dict.fromkeys(" ".join(part.split()) for part in one.caption.split(",")):
            if tag:
                found.setdefault(tag, []).append(one.path)
    return tuple(
        Tag(text, tuple(paths)) for text, paths in sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    )


def _as_files(one: Sighted) -> Iterator[Finding]:
    for file in one.files:
        if not file.is_utf8:
            yield row.NOT_UTF8.found(file.path)
        if file.fault:
            yield row.NOT_TEXT.found(file.path, file.fault)
        elif not file.text and one.role != Role.REFERENCE:
            yield row.EMPTY.found(file.path)
        elif file.more:
            yield row.MORE_LINES.found(file.path)


def _trigger(evidence: Evidence, captioned: Sequence[Sighted]) -> Iterator[Finding]:
    subject = evidence.subject
    if not subject.word or not captioned:
        return
    whole, word = any_of([subject.trigger]), any_of([subject.word])
    without = [one for one in captioned if not word.search(one.caption)]
    if len(without) == len(captioned):
        yield row.NEVER_TRIGGER.found(
            None, say("no caption has `{trigger}`", trigger=subject.word), others=[one.path for one in without]
        )
        return
    parts = re.compile(re.escape(subject.word), re.IGNORECASE)
    for one in without:
        if parts.search(one.caption.replace(" ", "")):
            yield row.TRIGGER_PART.found(
                one.path,
                say(
                    "`{trigger}` is part of another word: {caption}", trigger=subject.word, caption=_short(one.caption)
                ),
            )
        else:
            yield row.NO_TRIGGER.found(
                one.path, say("no `{word}`: {caption}", word=subject.word, caption=_short(one.caption))
            )
    usual = sum(bool(whole.search(one.caption)) for one in captioned)
    if 2 * usual > len(captioned) and subject.class_word:
        class_word = any_of([subject.class_word])
        for one in captioned:
            if one not in without and not class_word.search(one.caption):
                yield row.NO_CLASS.found(
                    one.path, say("no `{word}`: {caption}", word=subject.class_word, caption=_short(one.caption))
                )


def _words(one: Sighted, evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    subject, caption = evidence.subject, one.caption
    found = list(dict.fromkeys(match.group(0).lower() for match in phrases.inventions.finditer(caption)))
    if found:
        yield row.INVENTED.found(one.path, say("says `{phrases}`", phrases="`, `".join(found)))
    own = {word.lower() for word in (*subject.trigger.split(), *subject.class_word.split())}
    others = [word for word in dict.fromkeys(phrases.names.findall(caption.lower())) if word not in own]
    if subject.word and others and any_of([subject.word]).search(caption):
        yield row.ALSO_NAMED.found(
            one.path,
            say(
                "`{word}` beside `{trigger}`: {caption}",
                word=others[0],
                trigger=subject.trigger,
                caption=_short(caption),
            ),
        )
    if name := _name_in(caption, own):
        yield row.PERSON_NAMED.found(one.path, say("`{name}` looks like a name", name=name))


def _name_in(caption: str, own: set[str]) -> str | None:
    words = caption.split()
    if sum(word[:1].isupper() for word in words) * 2 > len(words):  # written so throughout
        return None
    for match in (*NAME.finditer(caption), *CALLED.finditer(caption)):
        if not own & {word.lower() for word in match.group(1).split()}:
            return match.group(1)
    return None


def _length(one: Sighted, evidence: Evidence) -> Iterator[Finding]:
    count = evidence.token_counts.get(one.caption, 0)
    most = evidence.thresholds.captions.tokens or evidence.config.data.max_token_length
    if count > most:
        fits = next((part for part in PARTS if count <= part), None)
        room = say("{count} would hold it", count=fits) if fits else say("more than 225 are never read")
        yield row.TOO_LONG.found(
            one.path,
            say("{count} tokens, of which {most} are read; {room}", count=count, most=most, room=room),
            count,
            most,
            "tokens",
        )


def _unsaid(captioned: Sequence[Sighted], evidence: Evidence, phrases: Phrases) -> Iterator[Finding]:
    if not captioned:
        return
    for key, rule in row.UNSAID.items():
        topic = row.TOPICS[key]
        silent = [one for one in captioned if not phrases.says(one.caption, key)]
        share, most = len(silent) / len(captioned), evidence.thresholds.captions.unsaid
        if share > most:
            yield row.MOSTLY_UNSAID[key].found(
                None,
                say(
                    "{count} of {total} captions say nothing of the {topic}",
                    count=len(silent),
                    total=len(captioned),
                    topic=topic,
                ),
                share,
                most,
                "share",
                [one.path for one in silent],
            )
        else:
            for one in silent:
                yield rule.found(
                    one.path, say("says nothing of the {topic}: {caption}", topic=topic, caption=_short(one.caption))
                )


def _one_expression(captioned: Sequence[Sighted], phrases: Phrases) -> Iterator[Finding]:
    said = [words[0] for one in captioned if (words := phrases.words_said(one.caption, "expression"))]
    if len(said) >= FEW and len(set(said)) == 1:
        yield ONE_EXPRESSION.found(None, say("all {count} that say one say `{word}`", count=len(said), word=said[0]))


def _identical(captioned: Sequence[Sighted], evidence: Evidence) -> Iterator[Finding]:
    by_text: dict[str, list[Path]] = {}
    for one in captioned:
        by_text.setdefault(" ".join(one.caption.lower().split()), []).append(one.path)
    most = evidence.thresholds.captions.identical
    for text, paths in by_text.items():
        share = len(paths) / len(captioned)
        if len(paths) > max(2, most * len(captioned)):
            yield row.IDENTICAL.found(
                paths[0],
                say("{count} pictures have `{caption}`", count=len(paths), caption=_short(text)),
                share,
                most,
                "share",
                paths[1:],
            )
        elif len(paths) > 1:
            yield row.SAME_CAPTION.found(
                paths[1], say("as {file}: {caption}", file=paths[0].name, caption=_short(text)), others=[paths[0]]
            )


def _short(caption: str) -> str:
    return caption if len(caption) <= 60 else caption[:57] + "..."
