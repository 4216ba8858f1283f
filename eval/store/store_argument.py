"""The argument that names a store, as every command of eval takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreFolder = Annotated[Path, typer.Argument(metavar="STORE", help="The folder that a grid wrote.")]
