"""A written blend beside the files that it was made of, as a grid: what says how good it is. No Streamlit here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foundation.files import write_text
from foundation.toml_config import in_toml, read_toml


def write_scoring_spec(spec: Path, blend: Path, parents: Sequence[Path]) -> Path:
    """Write a specification as `spec` with these files alone, each at weight 1, and give back its path.

    It stands beside `spec`, for paths in a specification are told from there; its store stands beside that one's.
    Raises what reading a TOML file raises.
    """
    tables = read_toml(spec)
    files = [str(path.resolve()) for path in dict.fromkeys([blend, *parents])]
    tables["lora"] = {"checkpoints": files, "unet": [1.0], "te": [1.0]}
    tables["store"] = {"path": f"{blend.stem}-eval"}
    said = f"# {spec.name} of a blend and the files that it was made of, each at weight 1."
    lines = [said, *(f"{key} = {in_toml(value)}" for key, value in tables.items())]
    written = spec.with_name(f"{blend.stem}-grid.toml")
    write_text(written, "\n".join(lines) + "\n")
    return written
