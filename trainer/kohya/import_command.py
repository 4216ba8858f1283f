"""The command `trainer import-kohya`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.command_line import Json


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("import-kohya")(import_kohya)


def import_kohya(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="kohya_ss's .json, or sd-scripts' .toml.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write it; without, it is printed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a kohya_ss settings file into a configuration of ours, and list what could not be carried over and why."""
    from foundation.files import write_text
    from foundation.printing import complain
    from trainer.kohya.reading import read_settings
    from trainer.kohya.settings import as_toml, carry_over

    imported = carry_over(read_settings(file), file.parent)
    if out:
        write_text(out, as_toml(imported))
    for remark in imported.remarks:
        complain(remark)
    if as_json:
        told = {"settings": imported.tables, "not_carried": imported.not_carried, "notes": imported.notes}
        print(json.dumps(told))
    elif not out:
        print(as_toml(imported), end="")
