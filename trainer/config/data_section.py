"""The table [data] of a run's configuration: folders, resolution, buckets, and what is done to captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from foundation.key_reference.units import EPOCHS, PIXELS, SHARE, TOKENS
from foundation.path_fields import AnchoredPath
from foundation.toml_config import Section

BUCKET_KEYS = ("min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale")


# How a caption file's name ends, its dot included: `.txt`. It is no path.
CaptionExtension = Annotated[str, Field(pattern=r"^\.[^/\\\x00-\x1f]+$", max_length=60)]


def _them(keys: Sequence[str]) -> str:
    return "it" if len(keys) == 1 else "them"


class FolderSection(Section):
    """A folder of pictures of any name, `[[data.folders]]`: sd-scripts' `[[datasets.subsets]]`.

    An epoch shows each picture `repeats` times; one without a caption file has the `class_words`. `reg`: its pictures
    show the class, not the subject.
    """

    path: AnchoredPath
    """A folder of pictures, captions beside them."""
    repeats: int = Field(default=1, ge=1)
    """How often an epoch shows each of its pictures."""
    class_words: str = ""
    """The caption of its pictures that have no caption file."""
    reg: bool = False
    """Its pictures show the class, not the subject."""
    caption_extension: CaptionExtension | None = None
    """How its caption files' names end; without it, as `data.caption_extension`."""


class DataSection(Section):
    """`train`, `reg`: the parents of kohya's `<repeats>_<words>` folders; `resolution`: a square's side in pixels.

    `folders` are others, each by its own path. `caption_extension` is how caption files' names end; without, `.txt` or
    `.caption`. `max_token_length`: captions are read up to so many tokens, in chunks of 75.

    With `enable_bucket`, pictures keep their aspect and only their area is that square's. `held_out` is a folder of
    captioned pictures that are never trained on; without it, `held_out_share` of the train pictures are set aside.
    """

    # An editor is told what `_shows_the_subject` asks for.
    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["train"]}, {"required": ["folders"]}]})

    train: AnchoredPath | None = None
    """The parent of kohya's `<repeats>_<words>` folders of the subject; `folders` may stand in its place."""
    reg: AnchoredPath | None = None
    """The parent of such folders of others of the class; without it, none are shown."""
    folders: tuple[FolderSection, ...] = ()
    """Folders of pictures of any name, each a table `[[data.folders]]`, beside `train` or in its place."""
    held_out: AnchoredPath | None = None
    """A folder of captioned pictures that are never trained on."""
    held_out_share: Annotated[float, SHARE] = Field(default=0.05, ge=0, le=0.5)
    """Without that folder, this share of the train pictures is set aside, 8 at most."""
    cache: AnchoredPath | None = None
    """A folder that keeps latents between runs, and texts where no text encoder is trained."""
    resolution: Annotated[int, PIXELS] = Field(ge=32, le=2048, multiple_of=8)
    """The side of a square that has the area pictures are brought to."""
    enable_bucket: bool = False
    """Keep the aspect of each picture; without it, all are cut to the square."""
    min_bucket_reso: Annotated[int | None, PIXELS] = Field(default=None, ge=8)
    """The shortest side of a bucket; without it 256, less below a resolution of 512."""
    max_bucket_reso: Annotated[int | None, PIXELS] = Field(default=None, ge=8)
    """The longest side of a bucket; without it 1024, less below a resolution of 512."""
    bucket_reso_steps: Annotated[int | None, PIXELS] = Field(default=None, ge=8, multiple_of=8)
    """Between two sides of buckets; without it 64, less below a resolution of 512."""
    bucket_no_upscale: bool = False
    """Pictures only shrink, to a bucket of their own."""
    flip_aug: bool = False
    """A picture is mirrored every other time."""
    caption_extension: CaptionExtension | None = None
    """How caption files' names end, as ".txt"; without it, `.txt` or `.caption`."""
    max_token_length: Annotated[Literal[75, 150, 225], TOKENS] = 75
    """Captions are read up to so many, in chunks of 75."""
    shuffle_caption: bool = False
    """Tags, between commas, come in another order every time."""
    keep_tokens: int = Field(default=0, ge=0)
    """So many first tags stay where they are, and are never left out."""
    caption_dropout_rate: Annotated[float, SHARE] = Field(default=0.0, ge=0, le=1)
    """How often a whole caption is left out."""
    caption_dropout_every_n_epochs: Annotated[int, EPOCHS] = Field(default=0, ge=0)
    """All captions are left out in every epoch that this divides; 0: in none."""
    caption_tag_dropout_rate: Annotated[float, SHARE] = Field(default=0.0, ge=0, le=1)
    """How often a single tag is left out."""

    @property
    def bucket_range(self) -> tuple[int, int, int]:
        """Shortest and longest side, and the step between: kohya's 256, 1024 and 64, smaller below 512 px."""
        share = min(1.0, self.resolution / 512)
        steps = self.bucket_reso_steps or max(8, int(64 * share) // 8 * 8)
        low = self.min_bucket_reso or max(steps, int(256 * share) // steps * steps)
        return low, self.max_bucket_reso or max(int(1024 * share), self.resolution), steps

    @property
    def chunks(self) -> int:
        """How many chunks of 75 tokens a caption is read in."""
        return self.max_token_length // 75

    @property
    def captions_vary(self) -> bool:
        """Whether a picture's caption differs between steps."""
        rates = self.caption_dropout_rate + self.caption_tag_dropout_rate + self.caption_dropout_every_n_epochs
        return self.shuffle_caption or rates > 0

    @model_validator(mode="after")
    def _subject_and_class_lie_apart(self) -> DataSection:
        if self.train and self.reg and self.train.resolve() == self.reg.resolve():
            raise ValueError(
                "train and reg are one folder; reg pictures show the class without the subject, so name another, or "
                "leave reg out"
            )
        return self

    @model_validator(mode="after")
    def _shows_the_subject(self) -> DataSection:
        if self.train is None and all(folder.reg for folder in self.folders):
            raise ValueError('there is nothing to train on; give the parent of kohya\'s folders, train = "Train"')
        return self

    @model_validator(mode="after")
    def _buckets_hold_the_resolution(self) -> DataSection:
        low, high, steps = self.bucket_range
        if self.enable_bucket and not low <= self.resolution <= high:
            raise ValueError(
                f"resolution {self.resolution} is not within min_bucket_reso {low} and max_bucket_reso {high}"
            )
        if self.enable_bucket and low % steps:
            raise ValueError(f"min_bucket_reso {low} is no multiple of bucket_reso_steps {steps}")
        return self

    @model_validator(mode="after")
    def _what_is_asked_for_does_something(self) -> DataSection:
        idle = [key for key in BUCKET_KEYS if getattr(self, key)]
        if idle and not self.enable_bucket:
            raise ValueError(
                f"{', '.join(idle)}: nothing without buckets; set enable_bucket = true, or leave {_them(idle)} out"
            )
        if self.keep_tokens and not (self.shuffle_caption or self.caption_tag_dropout_rate):
            raise ValueError(
                "keep_tokens does nothing where captions keep their tags in order; set shuffle_caption = true or a "
                "caption_tag_dropout_rate, or leave it out"
            )
        return self
