"""How often the CLIP captioner says the truth of drawn people: glasses, expression, colours of clothes and background.

    python benchmarks/before_training/captions.py [--pictures 300] [--clip miniature]

People and scenes of which no model saw any, drawn from a seed that nothing was tuned on, captioned as `trainer caption`
does with the vocabulary of `miniature/subject`. The last line is one JSON object: of each, the share of all pictures of
which the right thing is said, `*_wrong` the share of which another thing is said (of the rest nothing is), and the
least of them all.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from base_models.vision.faces import load_faces
from miniature.paths import SUBJECT
from miniature.recipe.draw import draw_person
from miniature.recipe.world import CLASS_WORD, GLASSES, MOUTHS, Scene, draw_identity_where, draw_scene
from trainer.captioning.clip_captioner import ClipCaptioner, load_describing_clip
from trainer.captioning.said import Description, elect
from trainer.captioning.vocabulary import read_vocabulary

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

SEED = 90_210
# Of a scene what is to be said, and what was said of it.
Truth = Callable[[Scene], str]
Answer = Callable[[Description], str]
ASKED: dict[str, tuple[Truth, Answer]] = {
    "expression": (lambda scene: MOUTHS[scene.mouth], lambda found: found.slots["expression"].phrase),
    "glasses": (
        lambda scene: f"wearing {GLASSES[scene.glasses]}" if scene.glasses else "",
        lambda found: found.slots["accessories"].phrase,
    ),
    "worn": (
        lambda scene: "something" if scene.glasses else "",
        lambda found: "something" if found.slots["accessories"].phrase else "",
    ),
    "clothes_colour": (lambda scene: scene.clothes_colour, lambda found: _first(found.slots["clothes"].phrase)),
    "background_colour": (lambda scene: scene.background, lambda found: _first(found.slots["background"].phrase)),
}


def _first(words: str) -> str:
    return words.partition(" ")[0]


def described(scenes: Sequence[Scene], rng: random.Random, clip: str, faces: str | None) -> list[Description]:
    """The captioner's vote on a picture of each scene, of an identity that was never drawn for training."""
    vocabulary = read_vocabulary(SUBJECT / "vocabulary.toml")
    model = load_faces(faces, device="cpu") if faces else None
    captioner = ClipCaptioner(load_describing_clip(clip, "cpu"), vocabulary, CLASS_WORD, model)
    pictures = [draw_person(draw_identity_where(rng, held_out=True), scene).pixels for scene in scenes]
    return [elect([said], vocabulary) for said in captioner.describe(pictures)]


def main() -> None:
    """Draw, caption, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--clip", default="miniature")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--no-faces", action="store_true")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    scenes = [draw_scene(rng) for _ in range(asked.pictures)]
    found = described(scenes, rng, asked.clip, None if asked.no_faces else "miniature")
    figures: dict[str, float] = {}
    for name, (truth, answer) in ASKED.items():
        pairs = [(truth(scene), answer(one)) for scene, one in zip(scenes, found, strict=True)]
        figures[name] = sum(right == said for right, said in pairs) / len(pairs)
        figures[f"{name}_wrong"] = sum(said not in (right, "") for right, said in pairs) / len(pairs)
    named = ("expression", "glasses", "clothes_colour", "background_colour")
    least = min(figures[name] for name in named)
    print(json.dumps({**figures, "least": least, "pictures": asked.pictures, "machine": machine_in_words()}))


if __name__ == "__main__":
    main()
