"""Reg pictures of the shipped subject, drawn by the miniature, and whether any of them matches her.

    python benchmarks/before_training/regularize.py [--count 24]

As `trainer regularize` does it. It is looked at by other pictures than those that the command knows: the held-out
references. A picture matches where it is as like them as the least like of the subject's own training pictures is. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from base_models.drawing.png import read_picture
from base_models.vision.faces import load_faces
from base_models.vision.likeness import centroid
from foundation.progress import terminal
from miniature.paths import SUBJECT
from trainer.config.config import parse_config
from trainer.regularizing.regularize import regularize
from trainer.regularizing.request import RegOptions, settle

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words


def main() -> None:
    """Draw, then look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=24)
    count = parser.parse_args().count
    values: dict[str, object] = {
        "preset": "miniature",
        "model": {"base": "miniature", "device": "cpu"},
        "data": {"train": str(SUBJECT / "Train")},
        "output": {"folder": "runs", "name": "mira"},
    }
    with tempfile.TemporaryDirectory() as folder, terminal() as reporter:
        config = parse_config(values, Path(folder) / "train.toml")
        done = regularize(settle(config, RegOptions(count, Path(folder) / "Reg")), reporter)
        faces = load_faces("miniature", device="cpu")

        def read(paths: list[Path]) -> list[np.ndarray]:
            found = [faces.read(read_picture(path)).embedding for path in paths]
            return [one for one in found if one is not None]

        subject = centroid(np.array(read(sorted(SUBJECT.glob("references/*.png")))))
        own = [float(one @ subject) for one in read(sorted(SUBJECT.glob("Train/7_*/*.png")))]
        drawn = [float(one @ subject) for one in read(list(done.kept))]
    print(
        json.dumps(
            {
                "pictures": len(done.kept),
                "faces": len(drawn),
                "matches": sum(one >= min(own) for one in drawn),
                "likeness_highest": max(drawn),
                "subject_least": min(own),
                "drawn": done.drawn,
                "rejected": done.rejected,
                "seconds_a_picture": done.seconds / done.drawn,
                "machine": machine_in_words(),
            }
        )
    )


if __name__ == "__main__":
    main()
