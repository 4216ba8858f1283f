"""What a captioner says of a picture, and the vote of several. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainer.captioning.vocabulary import Group, Vocabulary

Scores = Mapping[str, float]  # of a slot's options, each how sure, 0 to 1


@dataclass(frozen=True)
class Said:
    """Of one picture, by one captioner: of each slot that it speaks of its options' scores.

    `tags`: what else a tagger says, `sentence`: what BLIP does.
    """

    by: str
    scores: Mapping[str, Scores] = field(default_factory=dict[str, Scores])
    tags: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Elected:
    """A slot's phrase ("" for nothing), how sure the vote is, who voted for it, and who spoke of the slot at all."""

    phrase: str
    sure: float
    voices: tuple[str, ...]
    speakers: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """What is to be said of a picture: the slots' phrases, the tags that are kept, and a sentence."""

    slots: Mapping[str, Elected]
    tags: tuple[str, ...] = ()
    sentence: str = ""


def elect(said: Sequence[Said], vocabulary: Vocabulary) -> Description:
    """The vote: each captioner that speaks of a slot has one vote, shared out among the options by how sure it is.

    A tag outside of the vocabulary needs a second voice where several captioners spoke.
    """
    slots: dict[str, Elected] = {}
    for slot, group in vocabulary.items():
        votes = {one.by: _shared_out(one.scores[slot], group) for one in said if one.scores.get(slot)}
        if votes:
            slots[slot] = _elected(votes, group)
    sentence = next((one.sentence for one in said if one.sentence), "")
    tags = [tag for one in said for tag in one.tags if len(said) == 1 or _seconded(tag, one, said)]
    return Description(slots, tuple(dict.fromkeys(tags)), sentence)


def _shared_out(scores: Scores, group: Group) -> dict[str, float]:
    """A vote of 1 in all. A tagger's scores need not come to 1: what is left is for nothing, where that may hold."""
    whole = sum(scores.values())
    shared = {option: score / max(whole, 1.0) for option, score in scores.items()}
    if group.nothing and whole < 1:
        shared[""] = shared.get("", 0.0) + 1 - whole
    return shared


def _elected(votes: Mapping[str, Mapping[str, float]], group: Group) -> Elected:
    sums = {option: sum(vote.get(option, 0.0) for vote in votes.values()) / len(votes) for option in group.options}
    best = max(sums, key=lambda option: sums[option])
    phrase, sure, options = best, sums[best], (best,)
    if sure < group.least:
        phrase, sure, options = _colour_alone(sums, group)
    voices = tuple(by for by, vote in votes.items() if max(vote, key=lambda one: vote[one], default="") in options)
    return Elected(phrase, sure, voices, tuple(votes))


def _colour_alone(sums: Mapping[str, float], group: Group) -> tuple[str, float, tuple[str, ...]]:
    """Where the thing is not sure, its colour may be; else nothing is said."""
    of_colour = {one: [option for option in sums if group.colour_of(option) == one] for one in group.colours}
    shares = {one: sum(sums[option] for option in options) for one, options in of_colour.items()}
    best = max(shares, key=lambda one: shares[one], default="")
    if best and group.unsure and shares[best] >= group.least:
        return f"{best} {group.unsure}", shares[best], tuple(of_colour[best])
    return "", max(sums.values()), ()


def _seconded(tag: str, by: Said, said: Sequence[Said]) -> bool:
    others = [one for one in said if one is not by]
    return any(tag in one.tags or mentions(one.sentence, tag) for one in others)


def mentions(text: str, words: str) -> bool:
    """Whether a text has the words, as such."""
    return bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE))
