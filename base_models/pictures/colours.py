"""Pictures of every kind as sRGB of eight bits, as a screen shows them. PIL's own conversions leave out three things.

More than eight bits are cut off at 255, so that a grey PNG of sixteen bits is white; transparent parts show whatever
colour was left there; and the colours of another space than sRGB are taken for sRGB's.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from foundation.typed.untyped import untyped

WHITE = (255, 255, 255)
OPAQUE = 255
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Levels of 255. A profile that moves no colour further is sRGB's own, rounded otherwise, and leaves the bits alone.
SAME_COLOUR = 2
PROBED = np.linspace(0, 255, 18).round().astype(np.uint8)
KINDS_OF_PROFILES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
BITS_A_SAMPLE = 258  # the number of TIFF's tag


def as_srgb(picture: Image.Image) -> Image.Image:
    """RGB of eight bits, upright or not as it came; transparent parts over white.

    An ordinary picture (RGB or grey of eight bits, opaque, without a colour space of its own) keeps its bits.
    """
    alpha = alpha_of(picture)
    colours = _in_colour_space(_opaque(picture), picture.info.get("icc_profile"))
    if alpha is None:
        return colours
    ground = Image.new("RGB", colours.size, WHITE)
    ground.paste(colours, mask=alpha)
    return ground


def is_read_anew(picture: Image.Image) -> bool:
    """Whether `as_srgb` makes other pixels of it than PIL's own conversion, which earlier versions used."""
    return (
        picture.mode in DEEP
        or alpha_of(picture) is not None
        or _transform(picture.info.get("icc_profile"), _opaque_mode(picture)) is not None
    )


def alpha_of(picture: Image.Image) -> Image.Image | None:
    """How opaque each pixel is (mode L); None where all are."""
    if not picture.has_transparency_data:
        return None
    if picture.mode in DEEP:  # a grey PNG of sixteen bits, one value of which is transparent
        alpha = Image.fromarray(np.where(_array(picture) == picture.info["transparency"], 0, OPAQUE).astype(np.uint8))
    else:
        alpha = picture.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == OPAQUE else alpha


def _opaque_mode(picture: Image.Image) -> str:
    """The mode of the colours alone: what a colour space can be told of."""
    if picture.mode in ("1", "L", "LA", *DEEP):
        return "L"
    return "CMYK" if picture.mode == "CMYK" else "RGB"


def _opaque(picture: Image.Image) -> Image.Image:
    """The colours alone, as RGB, CMYK or L where a colour space may follow."""
    if picture.mode in DEEP:
        return Image.fromarray(_eight_bits(picture))
    return picture.convert(_opaque_mode(picture))


def _in_colour_space(colours: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _transform(profile, colours.mode)
    return colours.convert("RGB") if transform is None else _transformed(colours, transform)


def _transformed(colours: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    """A picture of its own: None comes only where it is changed in place."""
    return cast(Image.Image, ImageCms.applyTransform(colours, transform))


def _array(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


def _eight_bits(picture: Image.Image) -> np.ndarray:
    """(H, W) uint8 of grey that is deeper: white is the largest value that its kind can have."""
    values = np.nan_to_num(_array(picture).astype(np.float64), nan=0.0)
    return (values / _white_of(picture, float(values.max())) * 255).round().clip(0, 255).astype(np.uint8)


def _white_of(picture: Image.Image, largest: float) -> float:
    """Sixteen bits say themselves what white is; of wider numbers, whose files do not, the largest value tells."""
    if picture.mode.startswith("I;16") or picture.format in ("PNG", "PPM"):
        return 2.0 ** _bits(picture) - 1
    steps = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
    return next((white for white in steps if largest <= white), 2.0**31 - 1)


def _bits(picture: Image.Image) -> int:
    tags = getattr(picture, "tag_v2", {})  # TIFF has grey of twelve bits, too
    return int(tags.get(BITS_A_SAMPLE, (16,))[0])


@lru_cache(maxsize=64)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile's space to sRGB; None for none, sRGB's own, one of another kind of colours, or a damaged one."""
    if not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if KINDS_OF_PROFILES.get(str(untyped(opened).profile.xcolor_space)) != mode:
            return None
        transform = ImageCms.buildTransform(opened, untyped(ImageCms).createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # viewers show such a picture without it, too
        return None
    return transform if mode == "CMYK" or _moves_colours(transform, mode) else None


def _moves_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    grid = np.stack(np.meshgrid(PROBED, PROBED, PROBED), -1).reshape(len(PROBED), -1, 3)
    probe = Image.fromarray(grid if mode == "RGB" else grid[..., 0])
    moved = _array(_transformed(probe, transform)).astype(int)
    return bool(abs(moved - _array(probe.convert("RGB")).astype(int)).max() > SAME_COLOUR)
