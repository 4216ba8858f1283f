"""What draws and judges in place of models: tiny pictures made in advance, vectors that follow from a picture's id."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from tempfile import gettempdir

import numpy as np

SIDE = 64
PALETTE = 32  # pictures made in advance; each that is drawn is one of them with its id in it
FACE, LOOK, CLIP = 512, 588, 512  # numbers of a vector, as real judges give
HEADER = 33  # bytes of a PNG before its second chunk
LINE = 21  # bytes of a line of what was drawn: an id and its end


def png_with(picture_id: str) -> bytes:
    """The picture of that id, to the byte the same each time."""
    plain = _palette()[zlib.crc32(picture_id.encode()) % PALETTE]
    text = b"tEXt" + b"id\0" + picture_id.encode()
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return plain[:HEADER] + chunk + plain[HEADER:]


@cache
def _palette() -> list[bytes]:
    from PIL import Image

    found, draw = list[bytes](), np.random.default_rng(0)
    for _ in range(PALETTE):
        file = BytesIO()
        small = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE)).save(file, format="PNG")
        found.append(file.getvalue())
    return found


def vector_of(name: str, size: int, likeness: float) -> np.ndarray:
    """A unit vector that follows from `name`, and has about that cosine with the first axis."""
    vector = np.random.default_rng(zlib.crc32(name.encode())).normal(size=size).astype(np.float32)
    vector[0] = 0
    vector *= (1 - likeness**2) ** 0.5 / np.linalg.norm(vector)
    vector[0] = likeness
    return vector


class StandInWorker:
    """In the place of `eval.executors.worker.Worker`. Each picture that it draws is a line of the file `drawn`."""

    def __init__(self, job: object, drawn: Path) -> None:
        from base_models.drawing.batch_size import DeviceFacts
        from eval.judging.picture_readers import Models
        from eval.store.picture_files import picture_place

        self._place = picture_place(job.pictures, Path(gettempdir()))
        self._faces, self._clip = (reader.facts.sha256 for reader in Models.load(job.score).readers)
        self._drawn = os.open(drawn, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.device = DeviceFacts("cpu", "a stand-in", 2**34)
        self.renderer = self

    def check(self, checkpoints: Iterable[object]) -> None:
        """Every file fits."""

    def work(self, batches: Iterable[object]) -> Generator[object]:
        """Each batch with its readings, as a worker with a GPU hands it over."""
        from eval.executors.executor import FinishedBatch, WrittenFile

        for batch in batches:
            ids = [planned.id for planned in batch.pictures]
            os.write(self._drawn, "".join(f"{one}\n" for one in ids).encode())
            files = list[WrittenFile]()
            for one in ids:
                png = png_with(one)
                self._place.write(one, png)
                files.append(WrittenFile(hashlib.sha256(png).hexdigest(), len(png)))
            yield FinishedBatch(batch, tuple(files), (None,) * len(ids), self._readings(batch.pictures))

    def _readings(self, pictures: Sequence[object]) -> dict[str, dict[str, object]]:
        from eval.judging.judge_facts import appearance_key
        from eval.store.tables import Reading

        likeness = {one.id: 0.1 if one.cell is None else _likeness_of(one.cell.id) for one in pictures}
        return {
            key: {one: Reading(vector_of(f"{key} {one}", size, near)) for one, near in likeness.items()}
            for key, size in ((self._faces, FACE), (appearance_key(self._faces), LOOK), (self._clip, CLIP))
        }


def _likeness_of(cell_id: str) -> float:
    return 0.3 + 0.5 * (zlib.crc32(cell_id.encode()) % 1000) / 1000


class StandInFaces:
    """In the place of a loaded face pack, for the references: all of one person."""

    name, sha256, licence, input_side = "stand-in faces", "f" * 64, "", SIDE

    def read_all(self, pictures: Sequence[np.ndarray]) -> list[object]:
        from base_models.vision.face_model import FaceReading

        names = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]
        found = [(vector_of(one, FACE, 0.9), vector_of(f"look {one}", LOOK, 0.5)) for one in names]
        return [FaceReading(1, face, 1.0, look, SIDE, 0) for face, look in found]


class StandInClip:
    """In the place of a loaded CLIP, for the texts."""

    name, sha256 = "stand-in CLIP", "c" * 64

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([vector_of(text, CLIP, 0.9) for text in texts])

    def parts_of_texts(self, texts: Sequence[str]) -> list[int]:
        return [1] * len(texts)


def put_in_place(drawn: Path) -> None:
    """From now on this process draws and judges by the stand-ins; all else is the product's own."""
    from eval.executors import in_process
    from eval.judging import picture_readers

    in_process.Worker = partial(StandInWorker, drawn=drawn)
    picture_readers.load_faces = lambda _: StandInFaces()
    picture_readers.load_clip = lambda _: StandInClip()


def drawing_by_stand_ins(run: Callable[[Path], None], drawn: Path) -> Callable[[Path], None]:
    """A command's `run`, by them."""

    def by_stand_ins(folder: Path) -> None:
        put_in_place(drawn)
        run(folder)

    return by_stand_ins
