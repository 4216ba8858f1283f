"""What a grid's kind of subject is called, for all that is said to a user: a person with a face, or any other thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foundation.path_fields import DINOV2


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
    judges: str

    def filled_in(self, text: str) -> str:
        """`text` with the words in the place of their names in braces."""
        return text.format_map(vars(self))

    def judged_by(self, likeness: str, clip: str) -> str:
        """Which models judged, by their names and hashes."""
        return self.judges.format(likeness=likeness, clip=clip)


COUNTS_AS = "counts as the base model's own picture of that prompt and seed. Leaving it out would flatter a broken file"

FACE = SubjectWords(
    others="other people",
    looks="the face",
    seen="face",
    several_seen="faces",
    shown="a face",
    likeness="cosine of the largest face",
    counted_at_floor="a picture without a face, or with one less alike,",
    lost="faceless pictures",
    lost_mark="no face",
    lost_heading="Pictures without a face, and failed ones",
    lost_rule=f"A picture without a face {COUNTS_AS}; counting it 0 would punish one for a prompt that hides faces.",
    models="face models or CLIP models",
    judges="Faces: {likeness}. CLIP: {clip}.",
)
IMAGE = SubjectWords(
    others="other subjects",
    looks="its looks",
    seen="picture that shows anything",
    several_seen="pictures",
    shown="anything",
    likeness="CLIP's cosine of the whole picture",
    counted_at_floor="a failed picture, or one less alike,",
    lost="failed pictures",
    lost_mark="failed",
    lost_heading="Failed pictures",
    lost_rule=f"A failed picture {COUNTS_AS}.",
    models="CLIP models",
    judges="Likeness and prompt by CLIP: {clip}.",
)
BY_DINOV2 = replace(
    IMAGE,
    likeness="DINOv2's cosine of the whole picture",
    models="DINOv2 or CLIP models",
    judges="Likeness: {likeness}. Prompt by CLIP: {clip}.",
)
WORDS = {"face": FACE, "image": IMAGE}


def words_of(subject: str, model: str) -> SubjectWords:
    """The words of a kind of subject whose likeness a model of that name measured."""
    return BY_DINOV2 if subject == "image" and model.startswith(DINOV2) else WORDS[subject]


def of_whole_pictures(model: str) -> str:
    """What a model of whole pictures is called, by its name."""
    return f"DINOv2 {model.removeprefix(DINOV2)}" if model.startswith(DINOV2) else f"CLIP {model}"
