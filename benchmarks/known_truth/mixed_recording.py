"""The recording of copies on prompts that say much: nine trained and rendered anew, half an hour on one core."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from foundation.files import whole_file
from known_truth.mixed_prompts import MIXED, mixed_sheets

WORK = Path(__file__).resolve().parents[2] / "runs" / "truth"


def record_mixed() -> None:
    """Make what is missing, going on where it stopped; once every sheet is there, write their pictures as one file."""
    from foundation.progress import terminal
    from known_truth.judge import load_judge
    from known_truth.recording import record_sheet

    judge = load_judge()
    with terminal() as reporter:
        parts = [record_sheet(sheet, WORK, judge, reporter) for sheet in mixed_sheets()]
    rows = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    with whole_file(MIXED) as beside:
        rows[rows["role"] == "subject"].to_parquet(beside, compression="zstd", index=False)
