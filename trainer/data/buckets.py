"""Aspect buckets: which size each picture is trained at, and how it is brought to it. As kohya's BucketManager."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

from base_models.pictures.picture_file import Size, UnreadablePictureError, size_of
from trainer.config.data_section import DataSection
from trainer.data.dataset import Dataset
from trainer.data.pictures import Frame, cover


def frames_of(dataset: Dataset, data: DataSection) -> tuple[Frame, ...]:
    """A frame for each of `dataset.samples`, from the sizes in the pictures' headers.

    A picture that cannot be read gets the square's frame: the encoding finds it again, with all others, and names it.
    """
    side = (data.resolution, data.resolution)
    return frames_of_sizes([_size_or(sample.path, side) for sample in dataset.samples], data)


def frames_of_sizes(sizes: Sequence[Size], data: DataSection) -> tuple[Frame, ...]:
    """A frame for a picture of each of these sizes."""
    if not data.enable_bucket:
        return tuple(cover(size, (data.resolution, data.resolution)) for size in sizes)
    low, high, steps = data.bucket_range
    if data.bucket_no_upscale:
        return tuple(shrunk(size, data.resolution, steps) for size in sizes)
    known = bucket_sizes(data.resolution, low, high, steps)
    return tuple(cover(size, nearest(size, known)) for size in sizes)


def _size_or(path: Path, side: Size) -> Size:
    try:
        return size_of(path)
    except UnreadablePictureError:
        return side


def bucket_sizes(resolution: int, low: int, high: int, steps: int) -> list[Size]:
    """Every size of sides in `low`..`high` by `steps` whose area is at most the square of `resolution`, sorted."""
    area, square = resolution**2, resolution // steps * steps
    sizes = {(square, square)}
    for width in range(low, high + 1, steps):
        height = min(high, area // width // steps * steps)
        if height >= low:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def nearest(size: Size, known: Sequence[Size]) -> Size:
    """The bucket of the nearest aspect (width / height), the first of equals; a size that is a bucket is its own."""
    if size in known:
        return size
    return min(known, key=lambda bucket: abs(bucket[0] / bucket[1] - size[0] / size[1]))


def shrunk(size: Size, resolution: int, steps: int) -> Frame:
    """The frame of a picture that may only shrink: to the area of `resolution` squared, sides in `steps`."""
    resized = size
    if size[0] * size[1] > resolution**2:
        resized = _to_area(size, resolution, steps)
    width, height = (max(steps, side - side % steps) for side in resized)
    if width > resized[0] or height > resized[1]:  # smaller than one step: it has to grow after all
        return cover(size, (width, height))
    return Frame(size, resized, (width, height))


def _to_area(size: Size, resolution: int, steps: int) -> Size:
    """One side in whole steps, whichever of the two leaves the aspect nearer to what it was."""
    aspect = size[0] / size[1]
    width, height = _in_steps(resolution * sqrt(aspect), steps), _in_steps(resolution / sqrt(aspect), steps)
    by_width, by_height = (width, _in_steps(width / aspect, steps)), (_in_steps(height * aspect, steps), height)
    if _distance(by_width, aspect) < _distance(by_height, aspect):
        return width, int(width / aspect + 0.5)
    return int(height * aspect + 0.5), height


def _in_steps(side: float, steps: int) -> int:
    whole = int(side + 0.5)
    return max(steps, whole - whole % steps)


def _distance(size: Size, aspect: float) -> float:
    return abs(size[0] / size[1] - aspect)
