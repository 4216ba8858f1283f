"""The rules about the quality of single pictures."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import KOHYA, STORY, Rule

QUALITY, MEND, NOTE = Group.QUALITY, Severity.MEND, Severity.NOTE

ENLARGED = Rule(
    "enlarged",
    QUALITY,
    MEND,
    say("smaller than it is trained at: it is blown up, and blur is learned"),
    say("use a larger original, or train at a lower resolution"),
    STORY,
    "quality.enlarged",
)
SMALL_SOURCES = Rule(
    "small_sources",
    QUALITY,
    NOTE,
    say("the originals are hardly larger than they are trained at"),
    say("take originals of two to three times the training size: scaled down, they are sharp"),
    STORY,
    "quality.source",
)
SOFT = Rule(
    "soft",
    QUALITY,
    MEND,
    say("not sharp anywhere"),
    say("replace it by a sharp one"),
    say("edge width after Zhuo and Sim 2011; ordered rightly on photographs (docs/checking.md)"),
    "quality.blur",
)
SOFT_FACE = Rule(
    "soft_face",
    QUALITY,
    MEND,
    say("the face is not sharp"),
    say("replace it by one with the focus on the face"),
    say("edge width after Zhuo and Sim 2011, in the face's box"),
    "quality.face_blur",
)
DARK = Rule(
    "dark",
    QUALITY,
    MEND,
    say("too dark: nothing in it is bright"),
    say("brighten or replace it"),
    STORY,
    "quality.bright_end",
)
BURNT = Rule(
    "burnt_out",
    QUALITY,
    MEND,
    say("burnt out: much of it is white alone"),
    say("replace it by one that was exposed less"),
    STORY,
    "quality.clipped",
)
FLAT = Rule(
    "flat",
    QUALITY,
    MEND,
    say("hardly any contrast"),
    say("raise its contrast or replace it"),
    STORY,
    "quality.contrast",
)
NOISY = Rule(
    "noisy",
    QUALITY,
    MEND,
    say("noise, which is learned as skin"),
    say("denoise it gently, scale it down or replace it"),
    say("Immerkaer 1996, in the quiet parts"),
    "quality.noise",
)
COMPRESSED = Rule(
    "compressed",
    QUALITY,
    MEND,
    say("strongly compressed: its blocks are learned"),
    say("use the original"),
    say("JPEG's own tables (ITU T.81), or blocks after Wang, Sheikh and Bovik 2002"),
    "quality.jpeg_quality",
)
FRAMED = Rule(
    "framed",
    QUALITY,
    MEND,
    say("a frame of one colour, which is learned"),
    say("crop it off"),
    STORY,
)
WATERMARK = Rule(
    "watermark",
    QUALITY,
    MEND,
    say("the same mark in the same corner of several pictures, which is learned"),
    say("crop it off or paint it out"),
    STORY,
    "quality.watermark",
)
LONE_BUCKET = Rule(
    "lone_bucket",
    QUALITY,
    NOTE,
    say("the only picture of its bucket: its batches are never full"),
    say("crop it to another picture's aspect"),
    KOHYA,
)
FACE_CUT = Rule(
    "face_cut",
    QUALITY,
    MEND,
    say("training cuts its face off: the bucket's crop goes through it"),
    say("crop it around the face yourself, or set enable_bucket"),
    KOHYA,
)
MUCH_CUT = Rule(
    "much_cut",
    QUALITY,
    NOTE,
    say("training cuts much of it off"),
    say("crop it yourself, or set enable_bucket"),
    KOHYA,
    "quality.cut_off",
)

ROWS = (
    ENLARGED, SMALL_SOURCES, SOFT, SOFT_FACE, DARK, BURNT, FLAT, NOISY, COMPRESSED, FRAMED, WATERMARK, LONE_BUCKET,
    FACE_CUT, MUCH_CUT,
)  # fmt: skip
