"""A blend as a grid beside the files that it was made of, which says how good it is; and as a search for the best
weights. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from foundation.errors import UserError
from foundation.files import write_text
from foundation.text_files import read_text
from foundation.toml_config import in_toml, read_toml
from studio.languages.translation import tr
from studio.shared.file_names import numbered

# Weights that people try: the main file about 1, what is blended in below it.
UNET, TEXT, OTHERS = (0.6, 0.8, 1.0), (0.5, 1.0), (0.3, 0.6)
MOST_OTHERS = 2


class TooManyFilesError(UserError):
    """More files than a search can try all weights of."""


def write_scoring_spec(spec: Path, blend: Path, parents: Sequence[Path]) -> Path:
    """Write a specification as `spec` with these files alone, each at weight 1, and give back its path.

    It stands beside `spec`, for paths in a specification are told from there; its store stands beside that one's.
    Raises what reading a TOML file raises.
    """
    files = [str(path.resolve()) for path in dict.fromkeys([blend, *parents])]
    lora = {"checkpoints": files, "unet": [1.0], "te": [1.0]}
    said = f"{spec.name} of a blend and the files that it was made of, each at weight 1."
    return _write(spec, blend.stem, ("grid", "eval"), lora, said)


def write_search_spec(spec: Path, name: str, parents: Sequence[Path]) -> Path:
    """Write a specification as `spec` of the first file at several weights, alone and with the others at several of
    theirs, and give back its path. `name`: what the blend is called. Raises as `write_scoring_spec`, and
    TooManyFilesError where cells would be too many to be searched."""
    first, *others = dict.fromkeys(path.resolve() for path in parents)
    if len(others) > MOST_OTHERS:
        raise TooManyFilesError(
            tr(
                "{count} files: a search of the best weights takes {most} at most; take the least important one out",
                count=len(others) + 1,
                most=MOST_OTHERS + 1,
            )
        )
    beside = [
        [
            {"file": str(path), "unet": weight, "te": weight}
            for path, weight in zip(others, weights, strict=True)
            if weight
        ]
        for weights in product([0.0, *OTHERS], repeat=len(others))
    ]
    lora: dict[str, object] = {"checkpoints": [str(first)], "unet": list(UNET), "te": list(TEXT)}
    if others:
        lora["also"] = [one or {} for one in beside]
    said = f"{spec.name}: a search of the best weights of {1 + len(others)} files."
    return _write(spec, name, ("search", "search"), lora, said)


def _write(spec: Path, name: str, ends: tuple[str, str], lora: Mapping[str, object], said: str) -> Path:
    """Beside `spec`, by the first name that is free or has these very words: no other specification is replaced.

    `ends`: how the names of the file and of its store end.
    """
    offered = (
        (spec.with_name(f"{stem}-{ends[0]}.toml"), _text(spec, f"{stem}-{ends[1]}", lora, said))
        for stem in numbered(name)
    )
    written, text = next((file, text) for file, text in offered if not file.exists() or read_text(file) == text)
    write_text(written, text)
    return written


def _text(spec: Path, store: str, lora: Mapping[str, object], said: str) -> str:
    """`spec` as it is written anew."""
    tables = {**read_toml(spec), "lora": lora, "store": {"path": store}}
    return "\n".join([f"# {said}", *(f"{key} = {in_toml(value)}" for key, value in tables.items())]) + "\n"
