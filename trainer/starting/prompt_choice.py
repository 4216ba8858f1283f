"""The prompts of a first grid: what captions vary, varied otherwise; the trigger alone; others of the class."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
MOODS = (
    "smile smiles smiling grin grinning laugh laughing serious sad angry neutral frown frowning surprised crying pout "
    "pouting smirk smirking screaming shouting grimacing grimace tongue expressionless happy calm worried scared "
    "embarrassed yawning bored thoughtful"
)
GARMENTS = (
    "hoodie sweater overalls shirt t-shirt tshirt tee dress jacket coat blouse suit cardigan vest sweatshirt gown robe "
    "uniform jumper tunic kimono"
)
PLACES = (
    "background backdrop wall sky street room beach forest park city indoors outdoors garden kitchen office bedroom "
    "studio field mountain sea"
)
# Of each of these a picture has one: two of them in a prompt contradict each other, whatever slots they come from.
ONE_EACH = {
    "mood": frozenset(MOODS.split()),
    "garment": frozenset(GARMENTS.split()),
    "place": frozenset(PLACES.split()),
}


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
    ordinary = [_joined(of_others, ", ", phrases_at(ORDINARY[subject], at)) for at in range(BLEED)]
    bleed = list(dict.fromkeys([*others[::2], *others[1::2], *ordinary]))[:BLEED]
    return ChosenPrompts(opening, tuple(_joined(opening, joint, one) for one in said), tuple(bleed))


def _of_words_alone(slots: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Captions are learned as words, whatever they hold; prompts with what means more elsewhere are refused."""
    return tuple(kept for slot in slots if (kept := tuple(one for one in slot if not fault_of_prompt(one))))


def _new_company(slots: tuple[tuple[str, ...], ...], at: int, words: CaptionWords) -> tuple[str, ...]:
    tries = [phrases_at(slots, at, shift, words.together) for shift in range(1, 1 + max(map(len, slots)))]
    return next((one for one in tries if frozenset(one) not in words.together), tries[0])


def phrases_at(
    slots: tuple[tuple[str, ...], ...], at: int, shift: int = 1, together: Iterable[frozenset[str]] = ()
) -> tuple[str, ...]:
    """One of each slot, each `shift` further along than the one before it; no two of one kind, as two backgrounds,
    but for those that a caption says at once.
    """
    found: dict[str, str] = {}
    for number, slot in enumerate(slots):
        phrase = slot[(at * len(slot) // VARIED + shift * number) % len(slot)]
        kind = kind_of(phrase)
        beside = found.get(kind)
        if beside is None:
            found[kind] = phrase
        elif any({beside, phrase} <= said for said in together):
            found[phrase] = phrase
    return tuple(found.values())


def kind_of(phrase: str) -> str:
    """What a phrase tells, of which a picture has one: a mood, a garment; else its last word, as in `brown hair`."""
    words = {word.casefold() for word in re.findall(r"[\w-]+", phrase)}
    return next((kind for kind, own in ONE_EACH.items() if words & own), phrase.rsplit(maxsplit=1)[-1].casefold())


def is_look(phrase: str) -> bool:
    """Whether a phrase tells what somebody looks like for good: hair, skin, eyes."""
    return any(word.casefold() in LOOKS for word in phrase.split())


def _joined(opening: str, joint: str, phrases: tuple[str, ...]) -> str:
    return opening + joint + ", ".join(phrases) if phrases else opening
