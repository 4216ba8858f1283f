"""A LoRA file -> a report: what it holds, how far it moves the base, and whether it is worth rendering.

Modules are read one at a time, so a file of any size needs the memory of its largest module. A file that cannot be read
gets a report too, with the verdict "broken".
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from base_models.kohya_names import part_of
from foundation.errors import MissingFileError, UserError
from foundation.safetensors_header import PICKLES, UnreadableNameError
from loras.checkpoints.base_weights import OpenBase
from loras.families.family import DENOISER
from loras.families.known import READABLE
from loras.inspecting.header_in_words import metadata_in_words, printable
from loras.inspecting.health import Name as VerdictName
from loras.inspecting.health import Verdict, by_block, judge, pooled
from loras.inspecting.module_reading import ModuleReading, read_module
from loras.inspecting.unreadable_file import reason_unreadable
from loras.inspecting.yardsticks import yardstick_for
from loras.lora_family import LoraFamily, contradicted_header
from loras.lora_file import OpenedLora, open_lora
from loras.spelling.spelling import ForeignKindError, NotUnderstoodError, UnknownFamilyError
from loras.spelling.transformer_family import TransformerFamily

Number = TypeVar("Number", int, float)
SUFFIXES = frozenset([".safetensors", *PICKLES])


class EmptyFolderError(UserError):
    """A folder in which there is no LoRA file."""


@dataclass(frozen=True)
class BlockReport:
    """A block: its modules and how many are dead, |delta|, its root mean square an element, |delta| / |W| against the
    base or typical weights, and the mean effective rank. None where nothing was measured."""

    block: str
    modules: int
    dead: int
    norm: float | None
    rms: float | None
    relative: float | None
    effective_rank: float | None


@dataclass(frozen=True)
class LoraContents:
    """What a readable file holds. Counts are of modules; `ranks`, `alphas` and `scales` by their value.

    `total` is over all blocks. `against` is the base's name, or None where sizes are against the yardstick's weights;
    `misfits` are the modules for which that base has no weight of their shape. `embeddings` are words that OneTrainer
    bundled; `other_alphas` counts, by part, the modules whose alpha is not the one that most have.
    """

    family: LoraFamily
    dialect: str
    kinds: Mapping[str, int]
    parts: Mapping[str, int]
    ranks: Mapping[int, int]
    alphas: Mapping[float, int]
    scales: Mapping[float, int]
    total: BlockReport
    blocks: tuple[BlockReport, ...]
    non_finite: tuple[str, ...]
    dead: tuple[str, ...]
    against: str | None
    yardstick: str
    misfits: tuple[str, ...]
    hash_check: str
    metadata: Mapping[str, str]
    embeddings: tuple[str, ...]
    other_alphas: Mapping[str, int]


@dataclass(frozen=True)
class LoraReport:
    """One file's report; `contents` is None where it cannot be read."""

    path: Path
    bytes: int
    verdict: Verdict
    notes: tuple[str, ...]
    contents: LoraContents | None

    def as_json(self) -> dict[str, object]:
        """Plain values that JSON can hold: nothing infinite, keys as text."""
        found: dict[str, object] = {
            "file": str(self.path),
            "bytes": self.bytes,
            "verdict": self.verdict.name,
            "reason": self.verdict.reason,
            "notes": list(self.notes),
        }
        return found if self.contents is None else found | _contents_as_json(self.contents)


def lora_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are asked for; a folder stands for those in it, pickles too, for they are named as such.

    Raises MissingFileError, and EmptyFolderError for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and not one.name.startswith("."))
            if not inside:
                raise EmptyFolderError(f"{path}: no .safetensors file in this folder; name another folder, or files")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise MissingFileError(f"{path}: no such LoRA file or folder")
    return found


def inspect_lora(path: Path, base: OpenBase | None = None) -> LoraReport:
    """Read and judge one file. Whatever is wrong with the file is in the report; nothing is raised for it."""
    try:
        length = path.stat().st_size
        with open_lora(path) as opened:
            yardstick = yardstick_for(opened.family)
            readings = [read_module(name, opened.module(name), base, yardstick) for name in opened.names]
            contents = _contents(opened, readings, base)
    except UnknownFamilyError as error:
        return _unreadable(path, _of_no_family(printable(str(error)).removeprefix(f"{path}: ")), "unknown family")
    except (ForeignKindError, UnreadableNameError) as error:
        return _unreadable(path, printable(str(error).removeprefix(f"{path}: ")), "not understood")
    except NotUnderstoodError as error:
        reason = reason_unreadable(path, error)
        is_other = reason != printable(str(error)).removeprefix(f"{path}: ")
        return _unreadable(path, reason, "broken" if is_other else "not understood")
    except (UserError, OSError) as error:
        return _unreadable(path, reason_unreadable(path, error))
    except (IndexError, RuntimeError, ValueError) as error:
        # Shapes are a stranger's: what the readers' own checks let through fails in the arithmetic.
        return _unreadable(path, f"its tensors' shapes make no sense ({printable(str(error))}); save it again")
    verdict = judge(readings, yardstick)
    if verdict.name != "broken" and not contents.family.readable:
        verdict = Verdict("unknown family", _of_no_family(contents.family.because))
    return LoraReport(path, length, verdict, tuple(_notes(contents)), contents)


def _of_no_family(because: str) -> str:
    known = ", ".join(family.name for family in READABLE.values())
    return f"{because}; sound as far as it can be read, but for none of the families known here ({known})"


def _unreadable(path: Path, reason: str, name: VerdictName = "broken") -> LoraReport:
    try:
        length = path.stat().st_size
    except OSError:
        length = 0
    return LoraReport(path, length, Verdict(name, reason), (), None)


def _contents(opened: OpenedLora, readings: list[ModuleReading], base: OpenBase | None) -> LoraContents:
    misfits = [
        reading.name
        for reading in readings
        if base is not None and reading.movement is not None and not reading.movement.measured
    ]
    return LoraContents(
        family=opened.family,
        dialect=opened.spelling.dialect,
        kinds=Counter(kind for reading in readings for kind in reading.kinds),
        parts=Counter(_shown_part(reading.name, opened.family) for reading in readings),
        ranks=_counted(reading.rank for reading in readings),
        alphas=_counted(reading.alpha for reading in readings),
        scales=_counted(reading.scale for reading in readings),
        total=_block("all", readings),
        blocks=tuple(_block(name, inside) for name, inside in by_block(readings).items()),
        non_finite=tuple(reading.name for reading in readings if reading.fault),
        dead=tuple(reading.name for reading in readings if reading.is_dead),
        against=None if base is None else base.name,
        yardstick=yardstick_for(opened.family).words,
        misfits=tuple(misfits),
        hash_check=_hash_check(opened.path, opened.metadata),
        metadata=metadata_in_words(opened.metadata),
        embeddings=opened.spelling.embeddings,
        other_alphas=_other_alphas(readings),
    )


def _other_alphas(readings: Sequence[ModuleReading]) -> dict[str, int]:
    found: dict[str, Counter[float]] = {}
    for reading in readings:
        if reading.alpha is not None and not math.isnan(reading.alpha):
            found.setdefault(part_of(reading.name), Counter())[reading.alpha] += 1
    others = {part: alphas.total() - alphas.most_common(1)[0][1] for part, alphas in found.items()}
    return {part: count for part, count in others.items() if count}


def _counted(values: Iterable[Number | None]) -> dict[Number, int]:
    """How often each value is there, commonest first; None and NaN are left out."""
    return dict(Counter(value for value in values if value is not None and not math.isnan(value)).most_common())


def _block(name: str, readings: Sequence[ModuleReading]) -> BlockReport:
    moved = [reading.movement for reading in readings if reading.movement is not None]
    ranks = [reading.effective_rank for reading in readings if reading.effective_rank is not None]
    squares, elements = sum(movement.squares for movement in moved), sum(movement.elements for movement in moved)
    return BlockReport(
        name,
        len(readings),
        sum(reading.is_dead for reading in readings),
        squares**0.5 if moved else None,
        (squares / elements) ** 0.5 if elements else None,
        pooled(moved),
        sum(ranks) / len(ranks) if ranks else None,
    )


def _hash_check(path: Path, metadata: Mapping[str, str]) -> str:
    """Whether kohya's hash in the header is that of the bytes behind it: "matches", "absent" or "does not match"."""
    said = metadata.get("sshs_model_hash")
    if said is None:
        return "absent"
    with path.open("rb") as stream:
        stream.seek(8 + int.from_bytes(stream.read(8), "little"))
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return "matches" if found == said.removeprefix("0x").lower() else "does not match"


def _notes(contents: LoraContents) -> list[str]:
    """What is worth knowing beside the verdict."""
    modules, notes = contents.total.modules, list[str]()
    if contents.dead and len(contents.dead) < modules:
        notes.append(f"{len(contents.dead)} of {modules} modules move nothing, first `{contents.dead[0]}`")
    if (alone := _lone_denoiser(contents)) is not None:
        notes.append(alone)
    if contradicted := contradicted_header(contents.family):
        notes.append(contradicted)
    if contents.misfits:
        notes.append(
            f"{contents.against} has no weight that fits {len(contents.misfits)} of {modules} modules, first "
            f"`{contents.misfits[0]}`; those are held against typical weights. Is it the base that this file is for?"
        )
    if contents.other_alphas and "kohya" in contents.dialect and not isinstance(contents.family, TransformerFamily):
        where = " and ".join(
            f"{count} of {contents.parts[part]} in {part}" for part, count in contents.other_alphas.items()
        )
        notes.append(
            f"alphas differ ({where} are not the commonest): diffusers 0.42 takes them all for the commonest and "
            "renders another picture, A1111 and ComfyUI do not; `python -m eval blend FILE -o NEW` writes one that all "
            "read alike"
        )
    if contents.embeddings:
        words = ", ".join(f"`{printable(word)}`" for word in contents.embeddings)
        notes.append(
            f"has embeddings bundled with it ({words}); grids and blends refuse it, for these would be lost: save it "
            "once more without them (OneTrainer: untick bundling)"
        )
    if contents.hash_check == "does not match":
        notes.append("sshs_model_hash does not match: the tensors were changed after the trainer saved them")
    if not {"dora", "oft", "boft"}.isdisjoint(contents.kinds) and contents.against is None:
        notes.append("DoRA and OFT act through the base's weights; give --base to measure what they do")
    if not {"glora", "ia3"}.isdisjoint(contents.kinds):
        notes.append(
            "GLoRA and IA3 rescale or mix the base's weights: ComfyUI and LyCORIS apply them, diffusers and A1111 may "
            "not; they can be baked (`python -m eval bake`) and not be blended"
        )
    return notes


def _shown_part(name: str, family: LoraFamily) -> str:
    """A module's part as its family calls it; Stable Diffusion's text encoders by their numbers."""
    part = part_of(name)
    return family.readable[0].shown(part) if isinstance(family, TransformerFamily) else part


def _lone_denoiser(contents: LoraContents) -> str | None:
    """A note where a file moves the denoiser alone of a family that has text encoders."""
    if set(contents.parts) == {"unet"}:
        return "UNet only: the text encoder's weight does nothing"
    family = contents.family
    if not isinstance(family, TransformerFamily) or set(contents.parts) != {"transformer"}:
        return None
    others = [part.name for part in family.readable[0].parts if part.id != DENOISER]
    return f"transformer only: the weights of {' and '.join(others)} do nothing" if others else None


def _contents_as_json(contents: LoraContents) -> dict[str, object]:
    return {
        "family": contents.family.name,
        "family_because": contents.family.because,
        "families": [family.key for family in contents.family.readable],
        "family_parts": [part.name for part in contents.family.readable[0].parts] if contents.family.readable else [],
        "text_width": contents.family.text_width,
        "dialect": contents.dialect,
        "modules": contents.total.modules,
        "kinds": dict(contents.kinds),
        "parts": dict(contents.parts),
        "ranks": {str(rank): count for rank, count in contents.ranks.items()},
        "alphas": {f"{alpha:.6g}": count for alpha, count in contents.alphas.items()},
        "scales": {f"{scale:.6g}": count for scale, count in contents.scales.items()},
        "against": contents.against or contents.yardstick,
        **_block_as_json(contents.total),
        "blocks": {block.block: _block_as_json(block) for block in contents.blocks},
        "non_finite": list(contents.non_finite),
        "dead": list(contents.dead),
        "misfits": list(contents.misfits),
        "hash": contents.hash_check,
        "embeddings": list(contents.embeddings),
        "other_alphas": dict(contents.other_alphas),
        "metadata": dict(contents.metadata),
    }


def _block_as_json(block: BlockReport) -> dict[str, object]:
    figures = {
        "norm": block.norm,
        "rms": block.rms,
        "relative_norm": block.relative,
        "effective_rank": block.effective_rank,
    }
    finite = {name: value if value is not None and value < float("inf") else None for name, value in figures.items()}
    return {"modules": block.modules, "dead_modules": block.dead, **finite}
