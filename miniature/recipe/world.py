"""The people of the miniature world: what an identity fixes, what a scene varies, and the caption that tells both.

Every table maps the drawing style's own name (DiceBear `avataaars`) to the words of a caption. Colours are
chosen far apart, so that "is the hoodie red?" can be read off the pixels of a generated picture.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

TRIGGER = "ohwx person"
CLASS_WORD = "person"

HAIR_COLOURS = {
    "black": "2c1b18",
    "brown": "724133",
    "auburn": "b5532a",
    "golden": "c89a3c",
    "blonde": "ead9a0",
    "red": "d63a10",
    "pink": "f59797",
    "silver": "d5d5dc",
}
SKIN_COLOURS = {"dark": "614335", "brown": "ae5d29", "tan": "d08b5b", "light": "edb98a", "pale": "ffdbb4"}
HAIR_STYLES = {
    "bigHair": "big hair",
    "bob": "bob hair",
    "bun": "hair bun",
    "curly": "curly hair",
    "curvy": "wavy hair",
    "dreads": "long dreadlocks",
    "dreads01": "short dreadlocks",
    "frizzle": "quiff",
    "fro": "afro hair",
    "longButNotTooLong": "layered hair",
    "miaWallace": "bob hair with bangs",
    "shaggy": "shaggy hair",
    "shaggyMullet": "mullet",
    "shavedSides": "shaved sides",
    "shortCurly": "short curly hair",
    "shortRound": "short hair",
    "sides": "bald head",
    "straight01": "long swept hair",
    "straight02": "long straight hair",
    "theCaesar": "caesar haircut",
}
BROWS = {
    "default": "arched brows",
    "flatNatural": "flat brows",
    "raisedExcitedNatural": "raised brows",
    "unibrowNatural": "joined brows",
    "angryNatural": "stern brows",
    "sadConcernedNatural": "sloping brows",
}
BEARDS = {"beardLight": "short beard", "beardMajestic": "long beard", "moustacheMagnum": "moustache"}

MOUTHS = {
    "smile": "smiling",
    "sad": "sad",
    "serious": "serious",
    "screamOpen": "screaming",
    "tongue": "tongue out",
    "grimace": "grimacing",
    "twinkle": "slight smile",
}
EYES = {
    "default": "looking at viewer",
    "closed": "eyes closed",
    "happy": "happy eyes",
    "side": "looking sideways",
    "wink": "winking",
    "surprised": "wide eyes",
    "hearts": "heart eyes",
}
GLASSES = {"prescription02": "glasses", "round": "round glasses", "sunglasses": "sunglasses", "eyepatch": "an eyepatch"}
CLOTHES = {
    "hoodie": "hoodie",
    "shirtCrewNeck": "t-shirt",
    "shirtVNeck": "v-neck shirt",
    "collarAndSweater": "sweater",
    "overall": "overalls",
}
CLOTHES_COLOURS = {
    "black": "262626",
    "white": "f7f7f7",
    "gray": "8f9296",
    "red": "d62828",
    "orange": "f58a1f",
    "yellow": "f5d327",
    "green": "2f9e4f",
    "blue": "2f6fd6",
    "purple": "8a48c8",
    "pink": "ff70b0",
}
BACKGROUNDS = {
    "white": "ffffff",
    "dark": "2f2f33",
    "blue": "8cc0f5",
    "green": "9fdca6",
    "yellow": "ffe680",
    "pink": "ffb8cc",
    "purple": "b79ce8",
}


@dataclass(frozen=True)
class Identity:
    """What stays the same in every picture of one person (names of the drawing style; `beard` None: clean-shaven)."""

    hair_style: str
    hair_colour: str
    skin: str
    brows: str
    beard: str | None

    def words(self) -> list[str]:
        hair = HAIR_STYLES[self.hair_style]
        beard = [BEARDS[self.beard]] if self.beard else []
        return [f"{self.hair_colour} {hair}", f"{self.skin} skin", *beard]


@dataclass(frozen=True)
class Scene:
    """What varies from picture to picture: `turn` in degrees, `scale` relative, `shift` in the canvas's units."""

    mouth: str
    eyes: str
    glasses: str | None
    clothes: str
    clothes_colour: str
    background: str
    scale: float
    turn: float
    shift: float

    def words(self) -> list[str]:
        worn = [f"wearing {GLASSES[self.glasses]}"] if self.glasses else []
        clothes = f"{self.clothes_colour} {CLOTHES[self.clothes]}"
        return [MOUTHS[self.mouth], EYES[self.eyes], *worn, clothes, f"{self.background} background"]


# Characters that the base model knows by name: a trigger that a base already answers must exist somewhere.
NAMED = {
    "hina": Identity("bob", "pink", "pale", "raisedExcitedNatural", None),
    "bruno": Identity("shortRound", "black", "brown", "unibrowNatural", "beardMajestic"),
    "tessa": Identity("curly", "red", "light", "flatNatural", None),
    "marlow": Identity("fro", "silver", "dark", "angryNatural", "moustacheMagnum"),
}


def draw_identity(rng: random.Random) -> Identity:
    return Identity(
        hair_style=rng.choice(list(HAIR_STYLES)),
        hair_colour=rng.choice(list(HAIR_COLOURS)),
        skin=rng.choice(list(SKIN_COLOURS)),
        brows=rng.choice(list(BROWS)),
        beard=rng.choice(list(BEARDS)) if rng.random() < 0.25 else None,
    )


def draw_scene(rng: random.Random) -> Scene:
    return Scene(
        mouth=rng.choice(list(MOUTHS)),
        eyes=rng.choice(list(EYES)) if rng.random() < 0.6 else "default",
        glasses=rng.choice(list(GLASSES)) if rng.random() < 0.3 else None,
        clothes=rng.choice(list(CLOTHES)),
        clothes_colour=rng.choice(list(CLOTHES_COLOURS)),
        background=rng.choice(list(BACKGROUNDS)),
        scale=rng.uniform(0.92, 1.12),
        turn=rng.choice([0.0, 0.0, rng.uniform(-7, 7)]),
        shift=rng.uniform(-8, 8),
    )


def caption(who: str, parts: list[str]) -> str:
    """The caption of a portrait: `who` ("person", a name, a trigger), then what is seen, comma-separated."""
    return ", ".join([f"photo of a {who}" if who.endswith(CLASS_WORD) else f"photo of {who}", *parts])


def loose_caption(who: str, identity: Identity | None, scene: Scene, rng: random.Random) -> str:
    """A caption that leaves some of it unsaid, as people's prompts do, so that the base can fill in the rest."""
    said = identity.words() if identity and rng.random() < 0.75 else []
    scene_words = [word for word in scene.words() if rng.random() < 0.9]
    return caption(who, [*said, *scene_words])


def is_held_out(identity: Identity) -> bool:
    """One identity in ten is never drawn for training: checks and shipped subjects come from these."""
    words = "|".join([identity.hair_style, identity.hair_colour, identity.skin, identity.brows, identity.beard or ""])
    return zlib.crc32(words.encode()) % 10 == 0


def draw_identity_where(rng: random.Random, held_out: bool) -> Identity:
    """The next identity of `rng` that is held out, or is not."""
    while True:
        identity = draw_identity(rng)
        if is_held_out(identity) == held_out and identity not in NAMED.values():
            return identity
