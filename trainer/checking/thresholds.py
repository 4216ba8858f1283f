"""What values are compared with: a TOML file of thresholds, all of which have defaults.

Where a default comes from stands with its rule (`trainer check --rules`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from foundation.key_reference.key_facts import KeyFact, keys_of
from foundation.key_reference.units import PICTURES, PIXELS, SHARE, TOKENS, Unit
from foundation.path_fields import AnchoredPath
from foundation.toml_config import Section, read_toml, validate

DEGREES, LEVELS = Unit("degrees"), Unit("levels of 255")
Share = Annotated[float, SHARE]


class FilesLimits(Section):
    """Files and folders."""

    aspect: float = Field(default=2.5, ge=1, allow_inf_nan=False)
    """The longer side by the shorter, above which much of a picture is cut off or squeezed."""
    most_compared: Annotated[int, PICTURES] = Field(default=1500, ge=0)
    """Copies with changes are looked for among so many pictures of a folder; above, copies of whole pictures alone."""


class QualityLimits(Section):
    """Single pictures, as they are once they are brought to the training size."""

    enlarged: float = Field(default=1.05, ge=1, allow_inf_nan=False)
    """How much a picture is enlarged to its bucket, above which it is named."""
    source: float = Field(default=1.5, ge=0, allow_inf_nan=False)
    """The pictures' median side by the training size, below which the set is said to have no reserve."""
    blur: Annotated[float, PIXELS] = Field(default=2.2, gt=0, allow_inf_nan=False)
    """How wide a picture's sharpest edges are at the training size (a deviation), above which it is soft."""
    face_blur: Annotated[float, PIXELS] = Field(default=2.6, gt=0, allow_inf_nan=False)
    """The same of the sharpest edges of the face."""
    blur_by_median: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    """Edges are soft only where they are also so many times as wide as the set's median."""
    bright_end: Share = Field(default=0.26, ge=0, le=1)
    """Of white: what a picture's brightest twentieth reaches; below, it is too dark."""
    clipped: Share = Field(default=0.45, ge=0, le=1)
    """Of a face: what is white alone, burnt out."""
    contrast: Share = Field(default=0.16, ge=0, le=1)
    """Of white: between a picture's darkest and brightest hundredth; below, it is flat."""
    noise: Annotated[float, LEVELS] = Field(default=7.0, ge=0, allow_inf_nan=False)
    """The deviation of the noise in a picture's quiet parts at the training size."""
    jpeg_quality: int = Field(default=45, ge=0, le=100)
    """Of a JPEG file, by its tables; below, its blocks are learned."""
    blocks: float = Field(default=1.5, ge=1, allow_inf_nan=False)
    """Steps at every eighth pixel by those between, above which a picture was once compressed strongly."""
    cut_off: Share = Field(default=0.3, ge=0, le=1)
    """Of a picture, what its bucket's crop cuts off."""
    watermark: Share = Field(default=0.25, ge=0, le=1)
    """Of the pictures, those that have the same mark in the same corner; four at least."""


class FacesLimits(Section):
    """Faces, where a face pack reads them."""

    small: Share = Field(default=0.08, ge=0, le=1)
    """A face's side by the shorter side of the training picture; below, it is too small to be learned from."""
    rivals: int = Field(default=0, ge=0)
    """Other faces of at least half the size that a picture may have."""
    edge: Share = Field(default=0.02, ge=0, le=1)
    """Of its own size: how near a face may come to the picture's edge."""
    below_chin: float = Field(default=0.12, ge=0, allow_inf_nan=False)
    """Of the face's height: what a picture shows below the chin, so that shoulders are seen."""
    side_view: Annotated[float, DEGREES] = Field(default=35.0, ge=0, le=90)
    """A turn of the head from which on the picture is a side view."""
    side_views: Share = Field(default=0.25, ge=0, le=1)
    """Of the pictures with a face: side views."""
    far: Share = Field(default=0.22, ge=0, le=1)
    """The face's height by the picture's, below which the picture shows half or all of the body."""
    far_views: Share = Field(default=0.15, ge=0, le=1)
    """Of the pictures with a face: those of half or all of the body."""
    angle: Annotated[float, DEGREES] = Field(default=18.0, ge=0, le=90)
    """A turn from which on a picture counts as from the left or from the right."""
    other_person: Share = Field(default=0.5, ge=0, le=1)
    """On the way from strangers to the set's own likeness: below it, a face that stands apart is somebody else's."""
    one_look: Share = Field(default=0.97, ge=0, le=1)
    """How alike faces look to each other (the median correlation), above which they were retouched to one."""


class BackgroundLimits(Section):
    """What lies beside and above the person."""

    busy: Share = Field(default=0.3, ge=0, le=1)
    """Of what lies outside the person: edges and texture, above which a background is busy."""
    busy_pictures: Share = Field(default=0.5, ge=0, le=1)
    """Of the pictures: busy ones, above which the set should have plainer ones."""
    same_pictures: Share = Field(default=0.6, ge=0, le=1)
    """Of the pictures: those with one and the same background, above which it is learned as part of the subject."""


class CaptionsLimits(Section):
    """Captions. `phrases` is a file of words of your own, in the form of `trainer/checking/phrases/en.toml`."""

    phrases: AnchoredPath | None = None
    """A TOML file of phrases that captioners invent and of words for what captions should say; without it, English."""
    tokens: Annotated[int, TOKENS] = Field(default=0, ge=0)
    """The most a caption may have; 0: as `data.max_token_length` of the run, or 75."""
    identical: Share = Field(default=0.2, ge=0, le=1)
    """Of the pictures: those that share one caption, above which it is to be mended."""
    unsaid: Share = Field(default=0.5, ge=0, le=1)
    """Of the captions: those that say nothing of expression, gaze or background, above which that is to be mended."""


class RegLimits(Section):
    """Reg pictures."""

    few: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Different reg pictures by train pictures, below which there are too few."""
    likeness: Share = Field(default=0.65, ge=0, le=1)
    """On the way from the other reg pictures to the subject's own: from here on a face is the subject's."""
    likeness_near: Share = Field(default=0.57, ge=0, le=1)
    """The same way, from which on a face is named as like the subject's."""
    faceless: Share = Field(default=0.2, ge=0, le=1)
    """Of the reg pictures of a class of people: those without a face, above which that is to be mended."""


class Thresholds(Section):
    """All of them. `off`: rules that are not asked, by their keys."""

    off: tuple[str, ...] = ()
    """Rules that are not asked, by their keys (`trainer check --rules` lists them)."""
    files: FilesLimits = FilesLimits()
    quality: QualityLimits = QualityLimits()
    faces: FacesLimits = FacesLimits()
    background: BackgroundLimits = BackgroundLimits()
    captions: CaptionsLimits = CaptionsLimits()
    reg: RegLimits = RegLimits()


def read_thresholds(path: Path | None) -> Thresholds:
    """Those of a file, or the defaults. Raises ConfigurationError that names every fault with its key."""
    return Thresholds() if path is None else validate(Thresholds, read_toml(path), path)


def threshold_keys() -> list[KeyFact]:
    """Every key of the file, for `--explain` and the docs."""
    return keys_of(Thresholds)
