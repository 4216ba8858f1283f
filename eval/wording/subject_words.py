"""What a grid's kind of subject is called, for all that is said to a user: a person with a face, or any other thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foundation.path_fields import DINOV2
from foundation.wording.said import PLACE, Said, say


@dataclass(frozen=True)
class SubjectWords:
    """Words and sentences that hang on whether likeness is that of faces (`FACE`) or of whole pictures (`IMAGE`).

    `others`: what bleed prompts show, and `looks` what they take on. `seen`, `several_seen`: what likeness is read
    from, `shown`: what a picture shows where it is, `likeness`: what it is, `counted_at_floor`: what counts so. `lost`:
    pictures in which nothing is seen, with `lost_mark` below one, `lost_heading` over them, and `lost_rule`, why they
    stay. `models`: whose figures do not compare; `judges`: who judged.
    """

    others: str
    looks: str
    seen: str
    several_seen: str
    shown: str
    likeness: str
    counted_at_floor: str
    lost: str
    lost_mark: str
    lost_heading: str
    lost_rule: str
    models: str
    judges: Said

    def filled_in(self, text: str) -> Said:
        """`text` with the words in the place of their names in braces."""
        words, said = vars(self), text if isinstance(text, Said) else Said(text, "", 1, {})
        return said.with_values(**{name: words[name] for name in PLACE.findall(text) if name in words})

    def judged_by(self, likeness: str, clip: str) -> Said:
        """Which models judged, by their names and hashes."""
        return self.judges.with_values(likeness=likeness, clip=clip)


FACE = SubjectWords(
    others=say("other people"),
    looks=say("the face"),
    seen=say("face"),
    several_seen=say("faces"),
    shown=say("a face"),
    likeness=say("cosine of the largest face"),
    counted_at_floor=say("a picture without a face, or with one less alike,"),
    lost=say("faceless pictures"),
    lost_mark=say("no face"),
    lost_heading=say("Pictures without a face, and failed ones"),
    lost_rule="A picture without a face counts as the base model's own picture of that prompt and seed. Leaving it out "
    "would flatter a broken file; counting it 0 would punish one for a prompt that hides faces.",
    models=say("face models or CLIP models"),
    judges=say("Faces: {likeness}. CLIP: {clip}."),
)
IMAGE = SubjectWords(
    others=say("other subjects"),
    looks=say("its looks"),
    seen=say("picture that shows anything"),
    several_seen=say("pictures"),
    shown=say("anything"),
    likeness=say("CLIP's cosine of the whole picture"),
    counted_at_floor=say("a failed picture, or one less alike,"),
    lost=say("failed pictures"),
    lost_mark=say("failed"),
    lost_heading=say("Failed pictures"),
    lost_rule="A failed picture counts as the base model's own picture of that prompt and seed. Leaving it out would "
    "flatter a broken file.",
    models=say("CLIP models"),
    judges=say("Likeness and prompt by CLIP: {clip}."),
)
BY_DINOV2 = replace(
    IMAGE,
    likeness=say("DINOv2's cosine of the whole picture"),
    models=say("DINOv2 or CLIP models"),
    judges=say("Likeness: {likeness}. Prompt by CLIP: {clip}."),
)
WORDS = {"face": FACE, "image": IMAGE}


def words_of(subject: str, model: str) -> SubjectWords:
    """The words of a kind of subject whose likeness a model of that name measured."""
    return BY_DINOV2 if subject == "image" and model.startswith(DINOV2) else WORDS[subject]


def of_whole_pictures(model: str) -> str:
    """What a model of whole pictures is called, by its name."""
    return f"DINOv2 {model.removeprefix(DINOV2)}" if model.startswith(DINOV2) else f"CLIP {model}"
