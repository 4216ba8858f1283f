"""What tables in a terminal have in common."""

from __future__ import annotations

NOT_MEASURED = "-"
PIPE_WIDTH = 200  # characters a line where the output is no terminal
