"""Does `copy` tell the truth in grids as users make them: one prompt the trigger and no more, three that say much?

    python benchmarks/honesty_copies.py            # the figures, from the recorded readings: a minute
    python benchmarks/honesty_copies.py --record   # trains nine copies and renders them anew: half an hour on one core

Twenty drawn people with planted LoRAs (clean, far too long, one picture repeated) and empty ones: `copy_auc_mixed` is
the chance that a copy's figure is above that of a LoRA that copies nothing, `false_copy` how many of these the default
limit accuses (`known_truth/mixed_prompts.py`). `--record` keeps its state in `runs/truth` and goes on where it stopped.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import pandas as pd

from foundation.files import whole_file
from known_truth.mixed_prompts import MIXED, figures, mixed_sheets

WORK = Path(__file__).resolve().parent.parent / "runs" / "truth"


def record() -> None:
    """Make what is missing; once every sheet is there, write their rendered pictures as one file."""
    from foundation.progress import terminal
    from known_truth.judge import load_judge
    from known_truth.recording import record_sheet

    judge = load_judge()
    with terminal() as reporter:
        parts = [record_sheet(sheet, WORK, judge, reporter) for sheet in mixed_sheets()]
    rows = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    with whole_file(MIXED) as beside:
        rows[rows["role"] == "subject"].to_parquet(beside, compression="zstd", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="make the readings anew")
    if parser.parse_args().record:
        record()
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({**figures(), "machine": machine}))


if __name__ == "__main__":
    main()
