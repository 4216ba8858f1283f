"""Planted faults of files and folders."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from planted_faults.good_sets import thing
from planted_faults.planting import Bench, Expected, Fault, captioned, opened, saved, say


def _skipped(bench: Bench) -> Expected:
    one = bench.one()
    place = bench.good.train.parent / bench.rng.choice(["more pictures", "x_ohwx person", "0_ohwx person"])
    place.mkdir(exist_ok=True)
    for path in (one, one.with_suffix(".txt")):
        shutil.move(path, place / path.name)
    return [("folder_skipped", place)]


def _empty(bench: Bench) -> Expected:
    place = bench.good.train.parent / "3_ohwx person empty"
    place.mkdir()
    return [("folder_empty", place)]


def _nested(bench: Bench) -> Expected:
    one, place = bench.one(), bench.good.train / "more"
    place.mkdir(exist_ok=True)
    for path in (one, one.with_suffix(".txt")):
        shutil.move(path, place / path.name)
    return [("nested_pictures", place)]


def _loose(bench: Bench) -> Expected:
    one, place = bench.one(), bench.good.train.parent
    for path in (one, one.with_suffix(".txt")):
        shutil.move(path, place / path.name)
    return [("loose_pictures", place)]


def _unseen(bench: Bench) -> Expected:
    one = bench.one()
    other = one.with_suffix(bench.rng.choice([".gif", ".tiff"]))
    opened(one).save(other)
    one.unlink()
    return [("unseen_picture", other)]


def _broken(bench: Bench) -> Expected:
    one = bench.one()
    whole = one.read_bytes()
    one.write_bytes(bench.rng.choice([whole[: len(whole) // 2], b"this is no picture", b"", whole[:30]]))
    return [("unreadable_picture", one)]


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def _odd_size(bench: Bench) -> Expected:
    one = bench.one()
    one.write_bytes(png_header(*bench.rng.choice([(1, 65535), (50_000, 50_000)])))
    return [("impossible_size", one)]


def _long(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    ground = picture.getpixel((2, 2))
    wide = Image.new("RGB", (picture.width * 3, picture.height), ground)
    wide.paste(picture, (picture.width, 0))
    saved(wide, one)
    return [("long_picture", one)]


def _turned(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    tags = Image.Exif()
    tags[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(one, exif=tags)
    return [("turned", one)]


def _transparent(bench: Bench) -> Expected:
    one = bench.one()
    pixels = np.asarray(opened(one))
    clear = (np.abs(pixels.astype(int) - pixels[2, 2].astype(int)).max(-1) < 12) & (np.arange(len(pixels)) < 30)[
        :, None
    ]
    alpha = np.where(clear, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([np.where(clear[..., None], 0, pixels), alpha]).astype(np.uint8)).save(one)
    return [("transparent", one)]


def _grey(bench: Bench) -> Expected:
    one = bench.one()
    saved(ImageOps.grayscale(opened(one)), one)
    return [("grey_picture", one)]


def _deep(bench: Bench) -> Expected:
    one = bench.one()
    grey = np.asarray(ImageOps.grayscale(opened(one))).astype(np.uint16) * 257
    Image.fromarray(grey).save(one)
    return [("deep_picture", one)]


def _animated(bench: Bench) -> Expected:
    one = bench.one()
    picture = opened(one)
    other = one.with_suffix(".webp")
    picture.save(other, save_all=True, append_images=[ImageOps.mirror(picture)], duration=100, lossless=True)
    one.unlink()
    return [("animated", other)]


def _same(bench: Bench) -> Expected:
    one, other = bench.take(2)
    shutil.copy(one, other)
    return [("same_file", other)]


def _near(bench: Bench) -> Expected:
    one, other = bench.take(2)
    picture = opened(one)
    width, height = picture.size
    edge = round(0.08 * width)
    changed = {
        "mirrored": ImageOps.mirror(picture),
        "cropped": picture.crop((edge, edge // 2, width - edge // 2, height)).resize(
            picture.size, Image.Resampling.LANCZOS
        ),
        "brighter": picture.point(lambda level: min(255, round(level * 1.08))),
    }
    saved(changed[bench.rng.choice(sorted(changed))], other)
    return [("near_same", other)]


def _reference_trained(bench: Bench) -> Expected:
    one = bench.one()
    reference = sorted(bench.good.references.glob("*.png"))[0]
    saved(opened(one).point(lambda level: min(255, round(level * 1.04))), reference)
    return [("reference_trained", reference)]


def _caption_alone(bench: Bench) -> Expected:
    lone = bench.good.train / "nobody.txt"
    lone.write_text(captioned(bench.good.pictures()[0]), encoding="utf-8")
    return [("caption_alone", lone)]


def _no_caption(bench: Bench) -> Expected:
    one = bench.one()
    one.with_suffix(".txt").unlink()
    return [("no_caption", one)]


def _no_captions(bench: Bench) -> Expected:
    for path in bench.good.train.glob("*.txt"):
        path.unlink()
    return [("no_captions", None)]


def _shared(bench: Bench) -> Expected:
    one = bench.one()
    other = one.with_suffix(".jpg")
    thing_or_more = opened(one) if bench.good.kind != "thing" else thing(f"shared {one}")
    ImageOps.mirror(thing_or_more).save(other, quality=95)
    return [("shared_caption", one.with_suffix(".txt"))]


def _two_captions(bench: Bench) -> Expected:
    one = bench.one()
    one.with_suffix(".caption").write_text(captioned(one), encoding="utf-8")
    return [("two_captions", one)]


def _capitals(bench: Bench) -> Expected:
    one = bench.one()
    words = captioned(one)
    one.with_suffix(".txt").unlink()
    loud = Path(str(one.with_suffix("")) + ".TXT")
    loud.write_text(words, encoding="utf-8")
    return [("caption_capitals", loud)]


def _lone_words(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one) + "\nand a second line of it")
    return [("several_lines", one.with_suffix(".txt"))]


FAULTS = (
    Fault("folder skipped", _skipped),
    Fault("folder empty", _empty),
    Fault("pictures in a folder below", _nested),
    Fault("pictures beside folders", _loose),
    Fault("kind that is not read", _unseen, brings=("caption_alone",)),
    Fault("unreadable", _broken),
    Fault("impossible size", _odd_size),
    Fault("strip", _long, brings=("face_cut", "much_cut", "small_face", "many_far_views", "busy_background")),
    Fault("turned by EXIF", _turned),
    Fault("transparent", _transparent),
    Fault("grey", _grey),
    Fault("sixteen bits", _deep, brings=("grey_picture",)),
    Fault("animated", _animated),
    Fault("same file", _same),
    Fault("changed copy", _near, brings=("enlarged",)),
    Fault("reference trained on", _reference_trained),
    Fault("caption of no picture", _caption_alone),
    Fault("no caption", _no_caption),
    Fault("no captions at all", _no_captions, alone=True),
    Fault("shared caption", _shared, brings=("near_same", "compressed")),
    Fault("two captions", _two_captions),
    Fault("capitals", _capitals),
    Fault("several lines", _lone_words),
)
