"""`eval report`: the ranking with curves and pictures as one file, and a sheet to share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eval.store.store_argument import StoreFolder


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report")(report_command)


def report_command(
    store: StoreFolder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The HTML file to write.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML file with ranking, curves and pictures, that opens offline, and a sheet to share beside it."""
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from eval.reporting.contact_sheet import write_sheet
        from eval.reporting.ranked_grid import open_ranked, report_data
        from eval.reporting.report import write_report

    sheet = output.with_suffix(".png")
    with terminal() as reporter, reporter.waiting("writing the report"):
        ranked = open_ranked(store)
        write_report(report_data(ranked), output)
        write_sheet(ranked, sheet)
    print_lines([f"wrote {output} and {sheet}"])
