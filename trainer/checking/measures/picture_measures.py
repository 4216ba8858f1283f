"""A picture file -> everything that is measured of it, at the size that training sees it at."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from base_models.pictures.colours import DEEP, alpha_of
from base_models.pictures.near_duplicates import sketch_of
from base_models.pictures.picture_file import (
    MOST_ASPECT,
    MOST_PIXELS,
    ONE_PICTURE,
    ORIENTATION,
    TURNS,
    UnreadablePictureError,
    load_picture,
    opened_picture,
)
from base_models.vision.face_model import FaceReading
from foundation.wording.said import say
from trainer.checking.measures.background import backdrop_of, busyness
from trainer.checking.measures.compression import blocks_of, jpeg_quality
from trainer.checking.measures.edges_of_picture import corners_of, frame_of
from trainer.checking.measures.exposure import burnt_share, clipped_share, exposure_of
from trainer.checking.measures.measured import NO_VECTOR, FaceMeasured, Measured, Pictured
from trainer.checking.measures.noise import noise_of
from trainer.checking.measures.sharpness import edge_width
from trainer.config.data_section import DataSection
from trainer.data.buckets import frames_of_sizes

THUMBNAIL, THUMBNAIL_QUALITY = 112, 70
MOST_BLOCKS = 1024  # pixels of the side of the middle in which blocks are looked for
COLOURLESS = 2  # levels of 255 between a pixel's channels: a grey wall's differ by more
LIGHT = np.array([0.299, 0.587, 0.114], dtype=np.float32)
ReadFace = Callable[[np.ndarray], FaceReading]


@dataclass(frozen=True)
class _Header:
    """What a file says of itself before its pixels are looked at."""

    size: tuple[int, int]
    kind: str
    is_turned: bool
    is_animated: bool
    transparent: float
    beneath: str
    is_deep: bool
    quality: int | None


def measure(path: Path, sha256: str, data: DataSection, read_face: ReadFace | None) -> Pictured:
    """All of it; what cannot be read has its fault. `data`: how training brings pictures to size."""
    try:
        header = _header_of(path)
        frame = frames_of_sizes([header.size], data)[0]
        picture = load_picture(path, least=max(frame.resized))
    except UnreadablePictureError as error:
        is_size = (
            str(MOST_PIXELS) in error.fault or f"{MOST_ASPECT} times" in error.fault or "more than can" in error.fault
        )
        return Pictured(Measured(sha256=sha256, fault=error.fault, is_odd_size=is_size))
    except MemoryError:
        return Pictured(Measured(sha256=sha256, fault="needs more memory than there is", is_odd_size=True))
    pixels = np.asarray(picture.resize(frame.resized, Image.Resampling.LANCZOS))
    # Blowing up adds nothing to a face, and small ones are found where they are as large as they were taken.
    own = pixels if frame.resized[0] <= picture.width else np.asarray(picture)
    face = None if read_face is None else _read(read_face, own, pixels)
    turn = _turn_to_a_face(read_face, own) if read_face is not None and face is False else 0
    seen = (sketch_of(picture).pixels * 255).round().astype(np.uint8)
    return Pictured(replace(_measured(sha256, header, picture, pixels, face), turn=turn), seen, _thumbnail(picture))


def _measured(
    sha256: str, header: _Header, picture: Image.Image, pixels: np.ndarray, face: FaceMeasured | bool | None
) -> Measured:
    levels = (pixels @ LIGHT / 255).astype(np.float32)
    found = face if isinstance(face, FaceMeasured) else None
    box = None if found is None else found.box
    light = exposure_of(levels)
    return Measured(
        sha256=sha256,
        size=header.size,
        kind=header.kind,
        is_turned=header.is_turned,
        is_animated=header.is_animated,
        transparent=header.transparent,
        beneath=header.beneath,
        is_grey=_is_grey(pixels),
        is_deep=header.is_deep,
        quality=header.quality,
        blocks=blocks_of(_middle(picture)),
        blur=edge_width(levels),
        noise=noise_of(levels),
        bright_end=light.bright_end,
        contrast=light.contrast,
        border=frame_of(pixels),
        busy=busyness(levels, box),
        backdrop=backdrop_of(pixels, box),
        corners=corners_of(levels),
        face=found,
        faces_read=face is not None,
        burnt=burnt_share(levels),
    )


def _header_of(path: Path) -> _Header:
    with opened_picture(path) as picture:
        kind = picture.format or ""
        tables: dict[int, Any] = getattr(picture, "quantization", None) or {}
        turn = _orientation(picture)
        width, height = picture.size
        animated = kind != ONE_PICTURE and bool(getattr(picture, "is_animated", False))
        transparent, beneath = _transparency(picture)
        return _Header(
            size=(height, width) if turn >= 5 and kind != "TIFF" else (width, height),
            kind=kind,
            is_turned=turn in TURNS,
            is_animated=animated,
            transparent=transparent,
            beneath=beneath,
            is_deep=picture.mode in DEEP,
            quality=jpeg_quality(tables) if kind == "JPEG" else None,
        )


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF raises anything, and leaves a picture that can be read
        return 1


def _transparency(picture: Image.Image) -> tuple[float, str]:
    """How much is transparent, and the colour that lies beneath, which other trainers see."""
    if not picture.has_transparency_data:
        return 0.0, ""
    alpha = alpha_of(picture)
    if alpha is None:
        return 0.0, ""
    clear = np.asarray(alpha) < 128
    if not clear.any() or picture.mode in DEEP:
        return float((np.asarray(alpha) < 255).mean()), ""
    beneath = np.asarray(picture.convert("RGBA"))[..., :3][clear]
    return float(clear.mean()), _colour_name(beneath)


def _colour_name(colours: np.ndarray) -> str:
    if float(colours.std(0).max()) > 24:
        return say("colours of all kinds")
    mean = colours.mean(0)
    if float(np.ptp(mean)) < 24:
        return say("black") if mean.mean() < 40 else say("white") if mean.mean() > 215 else say("grey")
    return "#" + "".join(f"{round(float(one)):02x}" for one in mean)


def _is_grey(pixels: np.ndarray) -> bool:
    small = pixels[:: max(1, pixels.shape[0] // 128), :: max(1, pixels.shape[1] // 128)].astype(np.int16)
    return bool((np.ptp(small, axis=-1) <= COLOURLESS).mean() > 0.995)


def _middle(picture: Image.Image) -> np.ndarray:
    width, height = picture.size
    left, top = max(0, (width - MOST_BLOCKS) // 2 // 8 * 8), max(0, (height - MOST_BLOCKS) // 2 // 8 * 8)
    middle = picture.crop((left, top, min(width, left + MOST_BLOCKS), min(height, top + MOST_BLOCKS)))
    return np.asarray(middle.convert("L"))


def _thumbnail(picture: Image.Image) -> bytes:
    scale = min(1.0, THUMBNAIL / max(picture.size))
    small = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BOX
    )
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=THUMBNAIL_QUALITY)
    return file.getvalue()


def _turn_to_a_face(read_face: ReadFace, pixels: np.ndarray) -> int:
    """By how many degrees, against the clock, a picture without a face is to be turned to show one; 0 where none."""
    for quarters in (2, 1, 3):
        if read_face(np.ascontiguousarray(np.rot90(pixels, quarters))).box is not None:
            return 90 * quarters
    return 0


def _read(read_face: ReadFace, own: np.ndarray, pixels: np.ndarray) -> FaceMeasured | bool:
    """The face of `own` pixels, measured in `pixels` of the training size; False where none was found."""
    found = read_face(own)
    if found.box is None or found.embedding is None:
        return False
    height, width = pixels.shape[:2]
    levels = (pixels @ LIGHT / 255).astype(np.float32)
    scale = width / own.shape[1], height / own.shape[0]
    x0, y0, x1, y1 = (float(one) * scale[at % 2] for at, one in enumerate(found.box))
    inside = levels[max(0, int(y0)) : max(1, int(np.ceil(y1))), max(0, int(x0)) : max(1, int(np.ceil(x1)))]
    points = (
        ()
        if found.points is None
        else tuple((float(x) * scale[0] / width, float(y) * scale[1] / height) for x, y in found.points)
    )
    return FaceMeasured(
        count=found.count,
        rivals=found.rivals,
        score=found.detection_score,
        box=(x0 / width, y0 / height, x1 / width, y1 / height),
        points=points,
        embedding=found.embedding,
        look=NO_VECTOR if found.look is None else found.look,
        blur=edge_width(inside) if min(inside.shape) > 8 else None,
        clipped=clipped_share(inside),
        light=float(inside.mean()) if inside.size else 0.0,
    )
