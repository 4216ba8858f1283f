"""Ranking with intervals: seconds for 300 cells x 96 units, and for 100,000 pictures, from arrays in memory.

Against the same figures by `scipy.stats.bootstrap`, a cell at a time, over some of the cells. Processor seconds stand
beside wall seconds, for a machine with other work. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fixtures"))

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.statistics.intervals import RESAMPLES
from synthetic_evidence import make_evidence
from this_machine.words import machine_in_words

SIZES = {"grid": (300, 12, 8), "large": (1042, 12, 8)}  # cells, prompts, seeds
PEER_CELLS = 10


@dataclass(frozen=True)
class Timed:
    """Seconds on the wall and of the processor."""

    wall: float
    processor: float


def timed(evidence: Evidence) -> Timed:
    wall, processor = time.perf_counter(), time.process_time()
    rank(evidence)
    return Timed(time.perf_counter() - wall, time.process_time() - processor)


def peer_seconds_a_cell(evidence: Evidence) -> float:
    """A paired interval to the best cell, by scipy."""
    counted = score(evidence).counted
    best = counted[counted.mean(1).argmax()]
    began = time.perf_counter()
    for cell in counted[:PEER_CELLS]:
        bootstrap((cell - best + 1e-9,), np.mean, n_resamples=RESAMPLES, method="percentile")
    return (time.perf_counter() - began) / PEER_CELLS


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    found: dict[str, object] = {}
    for name, (cells, prompts, seeds) in SIZES.items():
        evidence = make_evidence(list(np.linspace(0.1, 0.6, cells)), prompts=prompts, seeds=seeds)
        took = timed(evidence)
        pictures = evidence.failed.size
        print(f"{name}: {cells} cells, {pictures} pictures: {took.wall:.2f} s ({took.processor:.2f} s of processor)")
        found |= {f"{name}_pictures": pictures, f"{name}_s": took.wall, f"{name}_processor_s": took.processor}
        if name == "grid":
            found["peer_s"] = cells * peer_seconds_a_cell(evidence)
    against = "scipy.stats.bootstrap, a cell at a time"
    print(json.dumps({**found, "against": against, "machine": machine_in_words()}))


if __name__ == "__main__":
    main()
