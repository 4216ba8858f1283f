"""Planted faults of pictures: quality, faces, backgrounds."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from planted_faults.good_sets import TRAIN, person, stranger, thing
from planted_faults.planting import ALL, PEOPLE, Bench, Expected, Fault, opened, saved


def _enlarged(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    saved(picture.resize((picture.width * 5 // 8, picture.height * 5 // 8), Image.Resampling.LANCZOS), one)
    return [("enlarged", one)]


def _soft(bench: Bench) -> Expected:
    one = bench.one()
    saved(opened(one).filter(ImageFilter.GaussianBlur(3.2)), one)
    return [("soft", one)]


def _dark(bench: Bench) -> Expected:
    one = bench.one()
    saved(opened(one).point(lambda level: round(level * 0.24)), one)
    return [("dark", one)]


def _flat(bench: Bench) -> Expected:
    one = bench.one()
    saved(opened(one).point(lambda level: round(128 + (level - 128) * 0.1)), one)
    return [("flat", one)]


def _burnt(bench: Bench) -> Expected:
    one = bench.one()
    saved(opened(one).point(lambda level: min(255, level * 6)), one)
    return [("burnt_out", one)]


def _noisy(bench: Bench) -> Expected:
    one = bench.one()
    pixels = np.asarray(opened(one)).astype(float)
    noise = np.random.default_rng(bench.rng.randrange(2**32)).normal(0, 26, (*pixels.shape[:2], 1))
    saved(Image.fromarray(np.clip(pixels * 0.7 + 38 + noise, 0, 255).astype(np.uint8)), one)
    return [("noisy", one)]


def _compressed(bench: Bench) -> Expected:
    one = bench.one()
    other = one.with_suffix(".jpg")
    opened(one).save(other, quality=bench.rng.choice([12, 20, 30]))
    one.unlink()
    return [("compressed", other)]


def _recompressed(bench: Bench) -> Expected:
    one = bench.one()
    file = io.BytesIO()
    pixels = np.asarray(opened(one)).astype(float)
    grain = np.random.default_rng(3).normal(0, 4, pixels.shape)
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=10)
    saved(Image.open(file).convert("RGB"), one)
    return [("compressed", one)]


def _framed(bench: Bench) -> Expected:
    """Above and below, or all around."""
    one = bench.one()
    picture = opened(one)
    high = picture.height // 9
    wide = bench.rng.choice([0, high])
    pixels = np.asarray(picture).astype(int)
    edges = np.concatenate([pixels[[0, -1]].reshape(-1, 3), pixels[:, [0, -1]].reshape(-1, 3)])
    colours = [(0, 0, 0), (255, 255, 255), (12, 60, 120), (0, 90, 20), (120, 0, 60), (200, 120, 255)]
    framed = Image.new("RGB", picture.size, max(colours, key=lambda one: np.abs(edges - one).max(1).min()))
    inner = picture.resize((picture.width - 2 * wide, picture.height - 2 * high), Image.Resampling.LANCZOS)
    framed.paste(inner, (wide, high))
    saved(framed, one)
    return [("framed", one)]


def _watermark(bench: Bench) -> Expected:
    chosen = bench.take(6)
    for path in chosen:
        picture = opened(path)
        side = picture.width
        mark = Image.new("L", (64, 20), 0)
        ImageDraw.Draw(mark).text((3, 3), "(c) SHOP", fill=255)
        mark = mark.resize((round(0.28 * side), round(0.1 * side)), Image.Resampling.LANCZOS)
        picture.paste((255, 255, 255), (side - mark.width - 1, 1), mark)
        picture.paste((0, 0, 0), (side - mark.width, 2), mark)
        saved(picture, path)
    return [("watermark", None)]


def _face_cut(bench: Bench) -> Expected:
    """A tall picture with the head at its top, which the square leaves out."""
    one = bench.one()
    picture = opened(one)
    ground = picture.getpixel((picture.width // 2, picture.height - 2))
    tall = Image.new("RGB", (picture.width, round(picture.height * 2.2)), ground)
    tall.paste(picture, (0, 0))
    saved(tall, one)
    return [("face_cut", one)]


def _much_cut(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    wide = Image.new("RGB", (picture.width * 2, picture.height), picture.getpixel((2, 2)))
    wide.paste(picture, (picture.width // 2, 0))
    saved(wide, one)
    return [("much_cut", one)]


def _no_face(bench: Bench) -> Expected:
    one = bench.one()
    saved(thing(f"landscape {one.name} {bench.rng.random()}").resize((bench.good.side,) * 2, Image.Resampling.BOX), one)
    return [("no_face", one)]


def _scene_of(bench: Bench, name: str) -> int:
    return int(name) % TRAIN


def _several(bench: Bench) -> Expected:
    one = bench.one()
    own = opened(one)
    assert bench.good.identity is not None
    other = stranger(bench.good.identity, bench.rng)
    beside = person(other, bench.good.scenes[_scene_of(bench, one.stem)], bench.good.side)
    both = Image.new("RGB", (own.width * 2, own.height))
    both.paste(own, (0, 0))
    both.paste(beside, (own.width, 0))
    saved(both, one)
    return [("several_faces", one)]


def _at_edge(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    side = picture.width
    moved = Image.new("RGB", picture.size, picture.getpixel((2, 2)))
    moved.paste(picture, (-round(0.5 * side), 0))
    saved(moved, one)
    # The miniature's detector sees no half faces; others see their box beyond the edge.
    return [("face_at_edge|no_face", one)]


def _other(bench: Bench) -> Expected:
    one = bench.one()
    assert bench.good.identity is not None
    other = stranger(bench.good.identity, bench.rng)
    saved(person(other, bench.good.scenes[_scene_of(bench, one.stem)], bench.good.side), one)
    return [("other_person", one)]


def _several_people(bench: Bench) -> Expected:
    assert bench.good.identity is not None
    other = stranger(bench.good.identity, bench.rng)
    for path in bench.take(6):
        saved(person(other, bench.good.scenes[_scene_of(bench, path.stem)], bench.good.side), path)
    return [("several_people", None)]


def _other_reference(bench: Bench) -> Expected:
    reference = sorted(bench.good.references.glob("*.png"))[-1]
    assert bench.good.identity is not None
    other = stranger(bench.good.identity, bench.rng)
    saved(person(other, bench.good.scenes[-1], bench.good.side), reference)
    return [("other_reference", reference)]


def _small_face(bench: Bench) -> Expected:
    """Far away in a large picture, of which training sees the whole."""
    one = bench.one()
    own = opened(one)
    small = own.resize((own.width // 6, own.height // 6), Image.Resampling.LANCZOS)
    ground = own.getpixel((2, 2))
    wide = Image.new("RGB", own.size, ground)
    wide.paste(small, (own.width // 2 - small.width // 2, own.height - small.height))
    saved(wide, one)
    return [("small_face|no_face", one)]


def _far(bench: Bench) -> Expected:
    assert bench.good.identity is not None
    for path in bench.take(5):
        own = opened(path)
        small = own.resize((own.width * 2 // 5, own.height * 2 // 5), Image.Resampling.LANCZOS)
        wide = Image.new("RGB", own.size, own.getpixel((2, 2)))
        wide.paste(small, (own.width * 3 // 10, own.height - small.height))
        saved(wide, path)
    return [("many_far_views", None)]


def _busy(bench: Bench) -> Expected:
    one = bench.one()
    pixels = np.asarray(opened(one)).copy()
    side = len(pixels)
    tile = max(2, side // 12)
    rows, columns = np.indices((side, side)) // tile
    pattern = np.where(((rows + columns) % 2 == 0)[..., None], [140, 170, 215], [205, 190, 160])
    ground = np.abs(pixels.astype(int) - pixels[2, 2].astype(int)).max(-1) < 8
    pixels[ground] = pattern[ground]
    saved(Image.fromarray(pixels.astype(np.uint8)), one)
    return [("busy_background", one)]


def _same_background(bench: Bench) -> Expected:
    assert bench.good.identity is not None
    for path in bench.take(len(bench.free)):
        scene = replace(bench.good.scenes[int(path.stem)], background="green")
        saved(person(bench.good.identity, scene, bench.good.side), path)
    return [("same_background", None)]


CUT = (
    "other_person",
    "face_cut",
    "much_cut",
    "long_picture",
    "no_face",
    "no_shoulders",
    "many_far_views",
    "small_face",
)
FAULTS = (
    Fault("too small", _enlarged, brings=("no_face", "other_person")),
    Fault("out of focus", _soft, brings=("no_face", "other_person")),
    Fault("too dark", _dark, brings=("no_face", "other_person")),
    Fault("flat", _flat, brings=("no_face", "other_person", "grey_picture")),
    Fault("burnt out", _burnt, brings=("no_face", "other_person", "flat", "grey_picture"), kinds=PEOPLE),
    Fault("noisy", _noisy, brings=("no_face", "other_person", "busy_background")),
    Fault("JPEG", _compressed, brings=("no_face", "other_person", "soft", "noisy", "busy_background")),
    Fault("recompressed", _recompressed, kinds=("thing",)),
    Fault("framed", _framed, brings=("no_face", "other_person", "busy_background")),
    Fault("watermark", _watermark, brings=("no_face", "other_person", "busy_background")),
    Fault("face cut by the crop", _face_cut, kinds=PEOPLE, brings=CUT),
    Fault("much cut", _much_cut, kinds=ALL, brings=CUT),
    Fault("no face", _no_face, kinds=PEOPLE),
    Fault("several faces", _several, kinds=PEOPLE, brings=("face_cut", "much_cut", "other_person", "busy_background")),
    Fault("face at the edge", _at_edge, kinds=PEOPLE, brings=("other_person", "no_face")),
    Fault("somebody else", _other, kinds=PEOPLE),
    Fault("several people", _several_people, kinds=PEOPLE, alone=True),
    Fault("reference of another", _other_reference, kinds=PEOPLE),
    Fault("face too small", _small_face, kinds=("large person",), brings=("no_face", "other_person", "many_far_views")),
    Fault("far views", _far, kinds=("large person",), brings=("no_face", "other_person", "small_face"), alone=True),
    Fault("busy background", _busy, kinds=PEOPLE, brings=("no_face", "other_person")),
    Fault("same background", _same_background, kinds=PEOPLE, alone=True, brings=("near_same", "reference_trained")),
)
