"""How long it takes to read what ten thousand pictures tell, and in what memory: `eval import` before it copies.

Pictures are written by the tests' stand-ins for every tool, filled up to the size of real ones with a chunk that is
passed over. Read twice: the first tenth alone, then all, so that memory which grows with their number shows.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "fixtures" / "foreign")]

from eval.importing.collected import Ways, collect  # noqa: E402
from eval.importing.containers.picture_sources import find_pictures  # noqa: E402
from eval.importing.naming.trainer_samples import SampleNames  # noqa: E402
from foreign_kinds import Drawn  # noqa: E402
from picture_bytes import chunk  # noqa: E402
from this_machine.words import machine_in_words  # noqa: E402
from two_hundred import VARIANTS, wanted_by  # noqa: E402

IN_A_FOLDER = 500
FILLED = 100_000  # bytes that a PNG is longer by, in a chunk of no meaning


def write(folder: Path, pictures: int) -> dict[str, Drawn]:
    """Write pictures of every variant in turn; what each is of, by its place."""
    wanted: dict[str, Drawn] = {}
    rows = cycle([(variant, drawn) for variant in VARIANTS for drawn in wanted_by(variant)])
    filling = chunk(b"ruSt", os.urandom(FILLED))
    for number, (variant, asked) in zip(range(pictures), rows, strict=False):
        path = folder / f"{number // IN_A_FOLDER:03d}" / f"{number:06d}{variant.suffix}"
        path.parent.mkdir(exist_ok=True)
        drawn = replace(asked, number=number)
        data = variant.write(drawn)
        path.write_bytes(data[:33] + filling + data[33:] if variant.suffix == ".png" else data)
        if variant.beside:
            path.with_suffix(".txt").write_text(variant.beside(drawn), encoding="utf-8")
        wanted[str(path)] = drawn
    return wanted


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Write, read, compare; the last line is one JSON object."""
    asked = ArgumentParser(description=__doc__)
    asked.add_argument("--pictures", type=int, default=10_000)
    pictures = asked.parse_args().pictures
    ways = Ways(None, None, SampleNames((), None))
    with TemporaryDirectory() as place:
        folder = Path(place)
        wanted = write(folder, pictures)
        collect(find_pictures([folder / f"{at:03d}" for at in range(max(1, pictures // IN_A_FOLDER // 10))]), ways)
        first = peak_mib()
        began, used = time.perf_counter(), time.process_time()
        collected = collect(find_pictures([folder]), ways)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    right = sum(
        {(lora.stem, lora.unet, lora.te) for lora in one.told.loras} == set(wanted[str(one.source)].loras)
        and (one.told.prompt, one.told.seed) == (wanted[str(one.source)].prompt, wanted[str(one.source)].seed)
        for one in collected.read
    )
    figures = {
        "pictures": pictures,
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "peak_mib": round(peak_mib(), 1),
        "peak_mib_of_a_tenth": round(first, 1),
        "right": right,
        "machine": machine_in_words(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
