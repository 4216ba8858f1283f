"""Planted faults of a whole set, or of a face: one mood, one odd shape, busy places, a face out of focus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from planted_faults.good_sets import TRIGGER, caption_of, person
from planted_faults.planting import PEOPLE, Bench, Expected, Fault, opened, saved, say

# Of a drawn person, in shares of the picture's height: head and neck end above, the chin at about.
HEAD, CHIN = 0.78, 0.56


def _soft_face(bench: Bench) -> Expected:
    """The focus lies on the clothes."""
    one = bench.one()
    picture = opened(one)
    blurred = picture.filter(ImageFilter.GaussianBlur(picture.width / 14))
    high = round(HEAD * picture.height)
    picture.paste(blurred.crop((0, 0, picture.width, high)), (0, 0))
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
    """In streets and shops: signs and windows behind the person everywhere, and never the same."""
    for path in bench.take(len(bench.free)):
        pixels = np.asarray(opened(path)).copy()
        side = len(pixels)
        ground = np.abs(pixels.astype(int) - pixels[2, 2].astype(int)).max(-1) < 8
        behind = np.zeros_like(pixels)
        for _ in range(400):
            left, top = (bench.rng.randrange(-side // 8, side) for _ in range(2))
            wide, high = (bench.rng.randrange(side // 16, side // 5) for _ in range(2))
            colour = [bench.rng.randrange(40, 240) for _ in range(3)]
            behind[max(0, top) : top + high, max(0, left) : left + wide] = colour
        pixels[ground] = behind[ground]
        saved(Image.fromarray(pixels), path)
    return [("mostly_busy", None)]


UNSEEN = ("no_face", "other_person")
FAULTS = (
    Fault("face out of focus", _soft_face, kinds=PEOPLE, brings=UNSEEN),
    Fault("no shoulders", _no_shoulders, kinds=PEOPLE, brings=(*UNSEEN, "near_same", "enlarged")),
    Fault("one expression", _one_expression, kinds=PEOPLE, alone=True, brings=("near_same", "same_caption")),
    Fault("alone in its bucket", _lone_bucket, kinds=PEOPLE, alone=True, brings=(*UNSEEN, "much_cut", "face_cut")),
    Fault("busy everywhere", _mostly_busy, kinds=PEOPLE, alone=True, brings=(*UNSEEN, "busy_background")),
)
