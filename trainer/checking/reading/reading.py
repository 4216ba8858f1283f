"""Pictures -> measured values, several at once and within bounds of memory; what is kept is not read again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from base_models.pictures.picture_file import READING, UnreadablePictureError, opened_picture
from foundation.files import sha256_of, why_unopenable
from foundation.progress import Reporter
from trainer.checking.measures.measured import Measured, Pictured
from trainer.checking.measures.picture_measures import ReadFace, measure
from trainer.checking.models_asked import FacePack
from trainer.checking.reading.kept_values import KeptValues
from trainer.checking.reading.packed import VERSION, packed, packed_array, unpacked
from trainer.config.data_section import DataSection

if TYPE_CHECKING:
    from base_models.vision.face_model import FaceReading

MOST_WORKERS = 4
# Pictures of more pixels are decoded one at a time: two of the largest would take gigabytes.
LARGE = 30_000_000
COMMIT_EVERY = 32


@dataclass(frozen=True)
class ReadSet:
    """What was measured of each path, and the key that it is kept under."""

    measured: dict[Path, Measured]
    keys: dict[Path, str]


class PictureReader:
    """Measures pictures for one training size and face model."""

    def __init__(self, data: DataSection, faces: FacePack | None, kept: KeptValues, reporter: Reporter) -> None:
        self._data, self._faces, self._kept, self._reporter = data, faces, kept, reporter
        self._face_lock, self._large_lock = threading.Lock(), threading.Lock()
        buckets = (data.resolution, data.enable_bucket, data.bucket_range, data.bucket_no_upscale)
        self._manner = f"{VERSION} {READING} {buckets} {faces.identity if faces else ''}"

    def read(self, paths: Sequence[Path]) -> ReadSet:
        """All of them. What cannot be opened, a pipe or a link to nothing, is never opened."""
        unique = list(dict.fromkeys(paths))
        found = {path: Measured(fault=fault) for path in unique if (fault := why_unopenable(path)) is not None}
        openable = [path for path in unique if path not in found]
        hashes = self._kept.hashes(openable)
        keys = {path: self._key(sha256) for path, sha256 in hashes.items()}
        known = self._kept.measured(list(dict.fromkeys(keys.values())))
        for path, key in keys.items():
            if key in known and (one := unpacked(known[key])) is not None:
                found[path] = one
        left = [path for path in openable if path not in found]
        if left and self._faces is not None:
            with self._reporter.waiting("loading the face pack"):
                self._faces.load()
        advance = self._reporter.task("looking at pictures", len(left))
        for number, (path, seen) in enumerate(self._measured(left), 1):
            found[path] = seen.measured
            if seen.measured.sha256:
                keys[path] = self._key(seen.measured.sha256)
                self._kept.keep_hash(path, seen.measured.sha256)
                self._kept.keep(keys[path], packed(seen.measured), packed_array(seen.sketch), seen.thumbnail)
            if number % COMMIT_EVERY == 0:
                self._kept.commit()
            advance(1)
        self._kept.commit()
        return ReadSet(found, keys)

    def _measured(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Pictured]]:
        """In their order; never more in hand than twice the workers."""
        workers = min(MOST_WORKERS, _cpus())
        with ThreadPoolExecutor(workers) as pool:
            pending: list[tuple[Path, Future[Pictured]]] = []
            try:
                for path in paths:
                    pending.append((path, pool.submit(self._one, path)))
                    if len(pending) >= 2 * workers:
                        first, future = pending.pop(0)
                        yield first, future.result()
                for path, future in pending:
                    yield path, future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, path: Path) -> Pictured:
        try:
            sha256 = sha256_of(path)
        except OSError as error:
            return Pictured(Measured(fault=f"cannot be read ({error.strerror})"))
        if _pixels(path) > LARGE:
            with self._large_lock:
                return measure(path, sha256, self._data, self._read_face())
        return measure(path, sha256, self._data, self._read_face())

    def _read_face(self) -> ReadFace | None:
        """Face packs hold the size that they were last used at, so one picture is looked at at a time."""
        pack = self._faces
        if pack is None:
            return None

        def read(pixels: np.ndarray) -> FaceReading:
            with self._face_lock:
                return pack.model.read(pixels)

        return read

    def _key(self, sha256: str) -> str:
        return hashlib.sha256(f"{self._manner} {sha256}".encode()).hexdigest()


def _pixels(path: Path) -> int:
    try:
        with opened_picture(path) as picture:
            return picture.width * picture.height
    except UnreadablePictureError:
        return 0


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
