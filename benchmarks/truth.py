"""Do the scores mean something? In the miniature the truth is known, so the figures themselves are put to the test.

    python benchmarks/truth.py             # the figures, from the recorded readings: seconds
    python benchmarks/truth.py --record    # draws, trains, renders and reads it all anew: an hour on one core
    python benchmarks/truth.py --judge     # draws for and trains the judge anew: ten minutes on one core

`cells`, `rank_correlation`: our identity against the share of identity attributes that a judge, who shares nothing
with the face pack, reads right off the same pictures; Spearman's over cells of several subjects, runs and weights.
`bleed_auc`: LoRAs trained without reg pictures and far too long, told from clean ones by `bleed`. `copy_auc`: LoRAs
of one picture repeated, by `copy`. `--record` keeps its state in `runs/truth` and goes on where it stopped. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

import pandas as pd

from foundation.files import whole_file
from known_truth.cases import sheets
from known_truth.figures import figures_of, summary
from this_machine.words import machine_in_words

HERE = Path(__file__).resolve().parent
RECORDED, WORK = HERE / "known_truth" / "readings.parquet", HERE.parent / "runs" / "truth"


def train_the_judge() -> None:
    """Train it, keep it, and say how often it is right on people that it never saw."""
    from known_truth.judge import accuracy, load_judge, train_judge, write_judge

    write_judge(train_judge(lambda line: print(line, file=sys.stderr, flush=True)))
    print(json.dumps(accuracy(load_judge()), indent=1))


def record(only: str) -> None:
    """Make what is missing; once every sheet is there, write them as one file."""
    from foundation.progress import terminal
    from known_truth.judge import load_judge
    from known_truth.recording import record_sheet

    judge = load_judge()
    with terminal() as reporter:
        wanted = [sheet for sheet in sheets() if sheet.name.startswith(only)]
        for number, sheet in enumerate(wanted, 1):
            record_sheet(sheet, WORK, judge, reporter)
            reporter.say(f"{sheet.name}: recorded, {number} of {len(wanted)}")
    parts = [WORK / f"{sheet.name}.parquet" for sheet in sheets()]
    if all(part.exists() for part in parts):
        with whole_file(RECORDED) as beside:
            pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True).to_parquet(
                beside, compression="zstd", index=False
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="make the readings anew")
    parser.add_argument("--only", default="", help="with --record: sheets whose names begin so (weights, cases-03)")
    parser.add_argument("--judge", action="store_true", help="train the judge anew")
    parser.add_argument("--readings", type=Path, nargs="+", default=[RECORDED], help="Parquet files to judge")
    asked = parser.parse_args()
    if asked.judge:
        train_the_judge()
    if asked.record:
        record(asked.only)
    if absent := [path for path in asked.readings if not path.is_file()]:
        sys.exit(f"{absent[0]}: no readings there; make them with --record, or name others with --readings")
    rows = pd.concat([pd.read_parquet(path) for path in asked.readings], ignore_index=True)
    table = pd.concat([figures_of(sheet) for _, sheet in rows.groupby("sheet", sort=False)], ignore_index=True)
    print(table.round(3).to_string(index=False))
    machine = machine_in_words(f"Python {platform.python_version()}")
    print(json.dumps({**summary(table), "against": "a judge trained on drawn truth", "machine": machine}))


if __name__ == "__main__":
    main()
