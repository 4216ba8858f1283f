"""Planted faults that a whole set has, or a face: one mood, one look, one odd shape, busy places, a face out of focus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from miniature.recipe.world import BEARDS, BROWS, Identity
from planted_faults.good_sets import TRIGGER, caption_of, person
from planted_faults.planting import PEOPLE, Bench, Expected, Fault, opened, saved, say

# Of a drawn person at scale 1, in shares of the side: from the brows to the chin, and where the chin ends.
FACE = (0.3, 0.24, 0.7, 0.66)
CHIN = 0.66
LIKENESSES = ("reg_like_subject", "reg_is_subject")


def _soft_face(bench: Bench) -> Expected:
    """The focus lies behind the person: a sharp pattern around a blurred face."""
    one = bench.one()
    picture = opened(one)
    side = picture.width
    blurred = picture.filter(ImageFilter.GaussianBlur(side / 22))
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, tuple(round(share * side) for share in FACE))
    picture.paste(blurred, (0, 0), mask.filter(ImageFilter.GaussianBlur(side / 30)))
    saved(picture, one)
    return [("soft_face|soft|no_face", one)]


def _no_shoulders(bench: Bench) -> Expected:
    """Cropped at the chin."""
    one = bench.one()
    picture = opened(one)
    high = round(CHIN * picture.height)
    left = (picture.width - high) // 2
    close = picture.crop((left, 0, left + high, high)).resize(picture.size, Image.Resampling.LANCZOS)
    saved(close, one)
    # A detector that wants a neck below the face sees none.
    return [("no_shoulders|face_at_edge|no_face", one)]


def _one_expression(bench: Bench) -> Expected:
    assert bench.good.identity is not None
    for path in bench.take(len(bench.free)):
        scene = replace(bench.good.scenes[int(path.stem)], mouth="smile")
        saved(person(bench.good.identity, scene, bench.good.side), path)
        say(path, caption_of(TRIGGER, scene))
    return [("one_expression", None)]


def _one_look(bench: Bench) -> Expected:
    """As after a beauty filter: one face, whatever stands around it."""
    assert bench.good.identity is not None
    paths = bench.take(len(bench.free))
    face = bench.good.scenes[int(paths[0].stem)]
    for path in paths:
        own = bench.good.scenes[int(path.stem)]
        scene = replace(
            own, mouth=face.mouth, eyes=face.eyes, glasses=face.glasses, scale=face.scale, turn=0.0, shift=face.shift
        )
        saved(person(bench.good.identity, scene, bench.good.side), path)
        say(path, caption_of(TRIGGER, scene))
    return [("one_look", None)]


def _lone_bucket(bench: Bench) -> Expected:
    """One tall picture among squares, where several are to go into a batch."""
    one = bench.one()
    picture = opened(one)
    tall = Image.new("RGB", (picture.width, picture.height * 3 // 2), picture.getpixel((2, 2)))
    tall.paste(picture, (0, picture.height // 2))
    saved(tall, one)
    run = bench.good.folder / "train.toml"
    text = run.read_text(encoding="utf-8")
    step = (
        f"enable_bucket = true\nbucket_reso_steps = {bench.good.side // 4}\nmin_bucket_reso = {bench.good.side // 2}\n"
    )
    text = text.replace("[output]", f"{step}[training]\nbatch_size = 8\n[output]")
    run.write_text(text, encoding="utf-8")
    return [("lone_bucket", one)]


def _mostly_busy(bench: Bench) -> Expected:
    """In the street, in shops, in woods: something behind the person everywhere, and never the same."""
    for path in bench.take(len(bench.free)):
        pixels = np.asarray(opened(path)).copy()
        side = len(pixels)
        rows, columns = np.indices((side, side))
        tile, lean = max(2, side // bench.rng.randrange(10, 16)), bench.rng.choice([0, 1, 2])
        squares = (rows // tile + (columns + lean * rows // 4) // tile) % 2 == 0
        dark, light = ([bench.rng.randrange(low, high) for _ in range(3)] for low, high in ((60, 130), (160, 230)))
        ground = np.abs(pixels.astype(int) - pixels[2, 2].astype(int)).max(-1) < 8
        pixels[ground] = np.where(squares[..., None], dark, light)[ground]
        saved(Image.fromarray(pixels.astype(np.uint8)), path)
    return [("mostly_busy", None)]


def _reg_like(bench: Bench) -> Expected:
    """A sister: the subject's hair and skin under other brows, with or without a beard."""
    one = sorted(bench.good.reg.glob("*.png"))[7]
    own = bench.good.identity
    assert own is not None
    sister = Identity(
        own.hair_style,
        own.hair_colour,
        own.skin,
        next(name for name in BROWS if name != own.brows),
        None if own.beard else next(iter(BEARDS)),
    )
    saved(person(sister, bench.good.scenes[-1], bench.good.side), one)
    return [("|".join(LIKENESSES), one)]


UNSEEN = ("no_face", "other_person")
FAULTS = (
    Fault("face out of focus", _soft_face, kinds=PEOPLE, brings=UNSEEN),
    Fault("no shoulders", _no_shoulders, kinds=PEOPLE, brings=(*UNSEEN, "near_same", "enlarged")),
    Fault("one expression", _one_expression, kinds=PEOPLE, alone=True, brings=("near_same", "same_caption")),
    Fault("one look", _one_look, kinds=PEOPLE, alone=True, brings=("near_same", "same_caption", "one_expression")),
    Fault("alone in its bucket", _lone_bucket, kinds=PEOPLE, alone=True, brings=(*UNSEEN, "much_cut", "face_cut")),
    Fault("busy everywhere", _mostly_busy, kinds=PEOPLE, alone=True, brings=(*UNSEEN, "busy_background")),
    Fault("reg like the subject", _reg_like, kinds=PEOPLE),
)
