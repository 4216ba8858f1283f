"""Small repositories for the tests of the plan of the code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from code_plan.modules import SCRIPTS, Code, read_code


def write_code(root: Path, files: Mapping[str, str]) -> Code:
    """Write files by their path below `root`, make packages of all folders but those of scripts, and read them."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        for folder in path.relative_to(root).parents[:-1]:
            if folder.parts[0] not in SCRIPTS:
                (root / folder / "__init__.py").touch()
    return read_code(root)
