"""The command `eval search`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from eval.servers.server_options import A1111, AllowRemote, Comfy
from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("search")(search)


def search(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The grid's specification, a TOML file.")],
    certify: Annotated[
        bool,
        typer.Option(
            "--certify", help="Drop a cell only when it is surely behind: dearer, and sure against all cells."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a reference was trained on or shows somebody else.")
    ] = False,
    comfy: Comfy = None,
    a1111: A1111 = None,
    allow_remote: AllowRemote = False,
    as_json: Json = False,
) -> None:
    """Find the best cell with a fraction of the grid's pictures, confirmed on fresh seeds.

    The table [search] of SPEC sets the finalists, the pictures for each, and a budget. What is rendered is shared with
    `eval grid`, and a search that was interrupted goes on where it stopped.
    """
    from foundation.printing import print_lines
    from foundation.progress import starting, terminal

    with starting():
        from eval.reporting.ranked_grid import open_ranked
        from eval.reporting.ranking_table import print_ranking
        from eval.reporting.run_scores import write_run_scores
        from eval.reporting.search_sentences import in_sentences
        from eval.request.spec import forced, read_spec
        from eval.search.run_search import run_search
        from eval.search.search_summary import as_document
        from eval.servers.drawn_elsewhere import drawn_elsewhere

    asked = drawn_elsewhere(forced(read_spec(spec)) if force else read_spec(spec), comfy, a1111, remote=allow_remote)
    with terminal() as reporter:
        searched = run_search(asked, certify, reporter)
    ranked = open_ranked(searched.store)
    write_run_scores(ranked)
    if as_json:
        print(json.dumps(as_document(searched, ranked.rows)))
        return
    print_ranking(ranked.rows, ranked.evidence)
    print_lines([*in_sentences(searched.record), f"Next: python -m eval report {shlex.quote(str(searched.store))}"])
