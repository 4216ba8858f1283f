"""The argument of commands that read a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreFolder = Annotated[Path, typer.Argument(metavar="STORE", help="The folder that a grid wrote.")]
