"""The prompts of a first grid: what captions vary, varied otherwise; the trigger alone; others of the class."""

from __future__ import annotations

from dataclasses import dataclass

from base_models.prompts.prompt_syntax import fault_of_prompt
from trainer.starting.caption_words import CaptionWords
from trainer.starting.request import Subject

VARIED, BLEED = 4, 2
# Said where the captions say nothing that varies.
ORDINARY: dict[Subject, tuple[tuple[str, ...], ...]] = {
    "face": (
        ("smiling", "serious", "looking away", "laughing"),
        ("in a park", "indoors", "on a street at night", "plain white background"),
    ),
    "image": (
        ("seen from the side", "close-up", "from above", "in the distance"),
        ("outdoors", "indoors", "on a table", "plain white background"),
    ),
}
# A prompt of others leaves looks unsaid: where hair and skin are told, the words win over what the LoRA has learned.
LOOKS = ("hair", "haired", "skin", "eyes", "eyed", "beard", "bearded", "freckles", "bald", "brows", "tattoo", "fur")


@dataclass(frozen=True)
class ChosenPrompts:
    """`bare` is the trigger and no more; `varied` show the subject, `bleed` others of its class."""

    bare: str
    varied: tuple[str, ...]
    bleed: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """In the file's order."""
        return (self.bare, *self.varied, *self.bleed)


def choose_prompts(words: CaptionWords, subject: Subject) -> ChosenPrompts:
    """Prompts whose phrases captions have, each in another company than there, as far as there is one."""
    own = _of_words_alone(words.slots)
    slots = own or ORDINARY[subject]
    joint = words.joint if own else ", "
    said = list(dict.fromkeys(_new_company(slots, at, words) for at in range(VARIED)))
    opening = f"{words.opening}{words.trigger}"
    of_others = f"{words.opening}{words.class_word}"
    without_looks = list(dict.fromkeys(tuple(phrase for phrase in one if not is_look(phrase)) for one in said))
    others = [_joined(of_others, joint, one) for one in without_looks if one] or [of_others]
    ordinary = [_joined(of_others, ", ", _phrases(ORDINARY[subject], at)) for at in range(BLEED)]
    bleed = list(dict.fromkeys([*others[::2], *others[1::2], *ordinary]))[:BLEED]
    return ChosenPrompts(opening, tuple(_joined(opening, joint, one) for one in said), tuple(bleed))


def _of_words_alone(slots: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Captions are learned as words, whatever they hold; prompts with what means more elsewhere are refused."""
    return tuple(kept for slot in slots if (kept := tuple(one for one in slot if not fault_of_prompt(one))))


def _new_company(slots: tuple[tuple[str, ...], ...], at: int, words: CaptionWords) -> tuple[str, ...]:
    tries = [_phrases(slots, at, shift) for shift in range(1, 1 + max(map(len, slots)))]
    return next((one for one in tries if frozenset(one) not in words.together), tries[0])


def _phrases(slots: tuple[tuple[str, ...], ...], at: int, shift: int = 1) -> tuple[str, ...]:
    """One of each slot, each `shift` further along than the one before it; no two of one kind, as two backgrounds."""
    found: dict[str, str] = {}
    for number, slot in enumerate(slots):
        phrase = slot[(at * len(slot) // VARIED + shift * number) % len(slot)]
        found.setdefault(phrase.split()[-1].casefold(), phrase)
    return tuple(found.values())


def is_look(phrase: str) -> bool:
    """Whether a phrase tells what somebody looks like for good: hair, skin, eyes."""
    return any(word.casefold() in LOOKS for word in phrase.split())


def _joined(opening: str, joint: str, phrases: tuple[str, ...]) -> str:
    return opening + joint + ", ".join(phrases) if phrases else opening
