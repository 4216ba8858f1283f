"""What captions say: the trigger as they write it, how they open, and what varies between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from trainer.starting.request import TriggerError

# Of the captions: a phrase that more of them say is part of the subject; as many must agree for their order to count.
CONSTANT, IN_STEP = 0.8, 0.6
PHRASES_AT_MOST, OPENING_AT_MOST = 4, 6  # phrases of a prompt, words of an opening
DEFAULT_OPENING = "photo of "


@dataclass(frozen=True)
class CaptionWords:
    """`opening` is what stands before the trigger ("photo of a "), `joint` what follows it (", " or " ").

    `slots`: phrases that vary, those that stand in one another's place together; `together`: which of them a caption
    says at once. `without`: captions that lack the trigger.
    """

    trigger: str
    class_word: str
    opening: str
    joint: str
    slots: tuple[tuple[str, ...], ...]
    together: frozenset[frozenset[str]]
    captions: int
    without: int


def guessed_trigger(folders: Sequence[str]) -> tuple[str, str] | None:
    """Trigger and class word as the commonest kohya folder's name has them: `10_ohwx person` -> `ohwx person`,
    `person`; None for a name that has no two words."""
    names = Counter(name.partition("_")[2].strip() for name in folders)
    words = names.most_common(1)[0][0].split() if names else []
    return (" ".join(words), words[-1]) if len(words) > 1 else None


def read_captions(captions: Sequence[str], trigger: str, class_word: str) -> CaptionWords:
    """Raises TriggerError for a trigger that no caption has, or that is the class word itself."""
    if trigger.casefold() == class_word.casefold():
        raise TriggerError(f"the trigger and the class word are both `{trigger}`; give a trigger of its own")
    whole = _as_captions_write_it(captions, trigger, class_word)
    pattern = as_word(whole)
    found = [(caption, at) for caption in captions if (at := pattern.search(caption))]
    if not found:
        raise TriggerError(
            f"no caption has the trigger `{trigger}` as a word; one says `{captions[0]}` (its folder's name, "
            "where it has none): name what they say with --trigger, or write the trigger into them"
        )
    openings = Counter(_opening(caption[: at.start()]) for caption, at in found)
    behind = Counter(caption[at.end() :].lstrip()[:1] for caption, at in found)
    said = [_phrases(caption, at) for caption, at in found]
    joint = ", " if behind.most_common(1)[0][0] in (",", "") else " "
    slots = _slots(said)
    known = {phrase for slot in slots for phrase in slot}
    return CaptionWords(
        trigger=whole,
        class_word=class_word,
        opening=openings.most_common(1)[0][0],
        joint=joint,
        slots=slots,
        together=frozenset(frozenset(known.intersection(phrases)) for phrases in said),
        captions=len(captions),
        without=len(captions) - len(found),
    )


def _as_captions_write_it(captions: Sequence[str], trigger: str, class_word: str) -> str:
    """With the class word behind it where most captions say it so: the base model is then shown the class alone."""
    whole = f"{trigger} {class_word}"
    if as_word(class_word).search(trigger):
        return trigger
    having = [caption for caption in captions if as_word(trigger).search(caption)]
    with_class = [caption for caption in having if as_word(whole).search(caption)]
    return whole if having and 2 * len(with_class) > len(having) else trigger


def as_word(text: str) -> re.Pattern[str]:
    """What finds words as such: in capitals or not, with any blanks between them, and not within others."""
    words = r"\s+".join(re.escape(word) for word in text.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _opening(before: str) -> str:
    """What stands before the trigger, unless it says more than of which medium the picture is."""
    ours = before.rpartition(",")[2].lstrip()
    return ours if ours and len(ours.split()) <= OPENING_AT_MOST else DEFAULT_OPENING


def _phrases(caption: str, trigger: re.Match[str]) -> list[str]:
    before = caption[: trigger.start()].rpartition(",")[0]
    parts = [*before.split(","), *caption[trigger.end() :].split(",")]
    return [phrase for part in parts if (phrase := part.strip(" .;"))]


def _slots(said: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Where most captions say as many things, in their order; else by how often a thing is said."""
    often = Counter(phrase for phrases in said for phrase in set(phrases))
    varying = [[one for one in phrases if often[one] <= max(1, CONSTANT * len(said))] for phrases in said]
    lengths = [len(phrases) for phrases in varying if phrases]
    if not lengths:
        return ()
    length, count = Counter(lengths).most_common(1)[0]
    if count >= IN_STEP * len(said) and length <= PHRASES_AT_MOST:
        columns = zip(*(phrases for phrases in varying if len(phrases) == length), strict=True)
        return tuple(tuple(dict.fromkeys(column)) for column in columns)
    known = [phrase for phrase, _ in often.most_common() if any(phrase in phrases for phrases in varying)]
    width = min(PHRASES_AT_MOST, max(1, round(median(lengths))))
    return tuple(slot for at in range(width) if (slot := tuple(known[at::width])))
