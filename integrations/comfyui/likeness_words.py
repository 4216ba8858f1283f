"""What a likeness is worth: the number beside the real pictures' own and the base model's, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .studio_door import NodeError

if TYPE_CHECKING:
    import numpy as np

FEW_PICTURES, FEW_REFERENCES = 8, 8


@dataclass(frozen=True)
class SeenPictures:
    """Unit vectors of what a judging model saw, NaN where it saw nothing: of pictures (N, D), of the base model's own
    (M, D; M may be 0), of references (R, D), of which only those that show something."""

    pictures: np.ndarray
    base: np.ndarray
    references: np.ndarray
    model: str
    licence: str


@dataclass(frozen=True)
class ToldLikeness:
    """The mean cosine to the references, each picture's, and what to make of them."""

    likeness: float
    each: tuple[float, ...]
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def told_likeness(seen: SeenPictures) -> ToldLikeness:
    """As a grid counts it: by the centroid, a picture without a face at what the base model shows. Raises NodeError."""
    import numpy as np

    from base_models.vision.likeness import LEAST_COSINE, NO_OTHERS, at_the_floor, ceiling, centroid, stand_in

    if not len(seen.references):
        raise NodeError(
            "no reference shows a face: put pictures of the subject, that were not trained on, into the folder"
        )
    direction = centroid(seen.references)
    raw = np.asarray(seen.pictures, dtype=np.float64) @ direction
    floor = stand_in(np.asarray(seen.base, dtype=np.float64) @ direction, NO_OTHERS)
    least = LEAST_COSINE if np.isnan(floor) else floor
    counted = at_the_floor(raw[None], np.full(len(raw), least))[0]
    figures = _Figures(counted, int(np.isnan(raw).sum()), floor, least, ceiling(seen.references))
    return ToldLikeness(float(counted.mean()), tuple(float(one) for one in counted), tuple(_sentences(seen, figures)))


@dataclass(frozen=True)
class _Figures:
    """`counted` (N,); how many are `faceless`; `floor` NaN where unknown, `least` what stands for it; `ceiling`."""

    counted: np.ndarray
    faceless: int
    floor: float
    least: float
    ceiling: float


def _sentences(seen: SeenPictures, figures: _Figures) -> Iterator[str]:
    import numpy as np

    from base_models.vision.likeness import mean_interval
    from foundation.printing import how_many

    mean, count = float(figures.counted.mean()), len(figures.counted)
    between = mean_interval(figures.counted)
    wide = f", {between[0]:.3f} to {between[1]:.3f} for others like these (95 %)" if between else ""
    shown = f"{how_many(count, 'picture')}, {how_many(len(seen.references), 'reference')}"
    yield f"likeness {mean:.3f}{wide}: {shown}, by {seen.model}"
    if figures.faceless:
        yield f"no face in {figures.faceless} of {count}: counted as {figures.least:.3f}, never left out"
    if np.isnan(figures.ceiling):
        yield "one reference: nothing tells how alike real pictures are; give 8 or more"
    else:
        yield f"real pictures of the subject are at {figures.ceiling:.3f}: as high as can be expected"
    yield _beside_base(figures, mean)
    if len(seen.references) < FEW_REFERENCES:
        yield f"{how_many(len(seen.references), 'reference')} are few: with {FEW_REFERENCES} or more the number is firm"
    if count < FEW_PICTURES:
        yield "few pictures: seeds differ by more than checkpoints do; `eval grid` compares over many"
    yield "compare it only with numbers by the same model and the same references"
    if seen.licence:
        yield f"the model's licence: {seen.licence}"


def _beside_base(figures: _Figures, mean: float) -> str:
    import math

    span = figures.ceiling - figures.floor
    if math.isnan(figures.floor):
        return (
            "where strangers are is not known, so it says little by itself: connect base_images, drawn without the "
            "LoRA and with the class word for the trigger"
        )
    if math.isnan(span) or span <= 0:
        return f"the base model's own pictures are at {figures.floor:.3f}"
    return f"the base model's own pictures are at {figures.floor:.3f}: {(mean - figures.floor) / span:.0%} of the way"
