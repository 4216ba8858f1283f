"""One blend from files to a file: read module by module, sum or merge, compress, measure, write, read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from base_models.architecture import Architecture
from base_models.kohya_names import block_of, part_of
from foundation.files import check_is_no_input, sha256_of
from foundation.progress import Advance, Reporter, Silent
from loras.blend import BlendError, NothingLeftError, Term, common_alphas, plain_factors, summed
from loras.blending.blend_metadata import blend_metadata
from loras.blending.block_weights import BlockWeights
from loras.blending.merge_methods import EXACT_SUM, Merge
from loras.blending.rank_rule import RankRule
from loras.blending.side_by_side import side_by_side
from loras.blending.weighted_lora import WeightedLora
from loras.blending.written_lora import BlockDistance, WrittenLora
from loras.lora_family import LoraFamily, common_family
from loras.lora_file import (
    LoraFile,
    LoraModule,
    OpenedLora,
    check_nothing_is_lost,
    open_lora,
    write_diffusers,
    write_lora,
)
from loras.low_rank import Product
from loras.value_checks import check_values
from loras.weights import recipe_weights

Alphas = Callable[[str, int], float]


@dataclass(frozen=True)
class BlendRequest:
    """What is asked for. `rank` None keeps the exact concatenation; `merge` None is the exact sum.

    `names`: the model whose diffusers names are written; None writes kohya's.
    """

    parts: tuple[WeightedLora, ...]
    output: Path
    rank: RankRule | None = None
    merge: Merge | None = None
    dtype: torch.dtype = torch.float16
    names: Architecture | None = None


@dataclass(frozen=True)
class Blend:
    """A blend before it is written: its modules, the files as their families' blocks have them, and their headers."""

    made: dict[str, BlendedModule]
    parts: list[WeightedLora]
    parents: list[Mapping[str, str]]
    family: LoraFamily

    @property
    def modules(self) -> dict[str, LoraModule]:
        """As the file holds them."""
        return {name: one.module for name, one in self.made.items()}


@dataclass(frozen=True)
class BlendedModule:
    """One module as the file will hold it, and squared Frobenius norms: of the exact sum, and of what is missing."""

    module: LoraModule
    norm: float
    distance: float


def write_blend(request: BlendRequest, reporter: Reporter, hash_of: Callable[[Path], str] = sha256_of) -> WrittenLora:
    """Blend and write; `hash_of` tells a parent's sha256, which the recipe names. Raises BlendError, DamagedFileError,
    InputOverwrittenError, LoraFileError, MixedFamiliesError or WeightsError; then nothing is left written.

    Errors are those of the factors as the file holds them: it was read back and has them bit for bit.
    """
    check_is_no_input(request.output, (part.path for part in request.parts))
    # The parents are closed by now: a blend of large files then fits where either of them and itself do.
    blend = blended(request, reporter)
    blocks, error = _errors(blend.made)
    ranks = [module.rank for module in blend.modules.values()]
    recipe = _recipe(request, _parents(blend.parts, hash_of), max(ranks), error)
    lora = LoraFile(blend.modules, {})
    metadata = blend_metadata(lora, blend.parents, blend.family, request.output.stem, recipe)
    sha256 = _write(request, LoraFile(lora.modules, metadata))
    return WrittenLora(request.output, sha256, len(ranks), (min(ranks), max(ranks)), error, blocks)


def blended(request: BlendRequest, reporter: Reporter) -> Blend:
    """What `write_blend` writes. Raises the same, but for what only a file can be."""
    if request.merge is not None and request.rank is None and not request.merge.keeps_low_rank:
        raise BlendError(f"{request.merge.method} merges whole deltas, which are of full rank; say --rank N or auto")
    with ExitStack() as stack:
        opened = [stack.enter_context(open_lora(part.path)) for part in request.parts]
        for one in opened:
            check_nothing_is_lost(one)
        for part, one in zip(request.parts, opened, strict=True):
            part.check_parts(one.names)
        family = common_family([(one.path, one.family) for one in opened])
        terms = BlendTerms(request.parts, opened)
        names = terms.names()
        if not names:
            raise NothingLeftError(f"{request.output}: nothing is left at these weights; nothing was written")
        made = _all_blended(request, terms, names, reporter.task("blending", len(names)))
        return Blend(made, terms.parts, [one.metadata for one in opened], family)


def _all_blended(
    request: BlendRequest, terms: BlendTerms, names: Sequence[str], advance: Advance
) -> dict[str, BlendedModule]:
    """All modules by name, several at a time; one after another where whole deltas, gigabytes of them, are merged."""
    alpha = _alphas(request, terms, names)
    if request.merge is None or request.merge.keeps_low_rank:
        sizes = {name: terms.numbers(name) for name in names}
        return side_by_side(lambda name: _blended(request, terms, name, alpha), sizes, advance)
    made: dict[str, BlendedModule] = {}
    for name in names:
        made[name] = _blended(request, terms, name, alpha)
        advance(1)
    return made


def _alphas(request: BlendRequest, terms: BlendTerms, names: Sequence[str]) -> Alphas:
    """The alpha that each module gets (see `with_one_alpha`), by its name and rank.

    Files in diffusers' spelling have no alpha tensors: there it is the rank, so that readers which miss the adapter's
    configuration (ComfyUI, A1111) take the right strength, too.
    """
    if request.names is not None:
        return lambda _, rank: float(rank)
    if request.rank is not None or len(request.parts) > 1:
        alpha = float(max(1, terms.greatest_rank())) if request.rank is None else request.rank.alpha
        return lambda _, rank: alpha
    common = common_alphas({name: summed(terms.of(name)[0], name) for name in names})
    return lambda name, rank: common[part_of(name)]


class BlendTerms:
    """The terms of each module of a blend, read from opened files when asked for."""

    def __init__(self, parts: Sequence[WeightedLora], opened: Sequence[OpenedLora]) -> None:
        self._parts = [(part.for_family(one.family), one) for part, one in zip(parts, opened, strict=True)]

    @property
    def parts(self) -> list[WeightedLora]:
        """The files with their weights, as their families' blocks have them."""
        return [part for part, _ in self._parts]

    def names(self) -> list[str]:
        """Modules that anything moves, sorted."""
        return sorted({name for part, one in self._parts for name in one.names if part.on_module(name)})

    def greatest_rank(self) -> int:
        """The greatest rank that plain factors add up to, read off the headers."""
        greatest = 0
        for name in self.names():
            keys = [(one, one.spelling.modules.get(name, {}).get("lora_down.weight")) for _, one in self._parts]
            greatest = max(greatest, sum(one.header.shapes[key][0] for one, key in keys if key is not None))
        return greatest

    def numbers(self, name: str) -> int:
        """How many numbers the files have of a module, read off the headers."""
        keys = ((one, key) for _, one in self._parts for key in one.spelling.modules.get(name, {}).values())
        return sum(prod(one.header.shapes[key]) for one, key in keys)

    def of(self, name: str) -> tuple[list[Term], list[str]]:
        """A module's terms, and for each the name of its file."""
        terms: list[Term] = []
        labels: list[str] = []
        for place, (part, one) in enumerate(self._parts):
            weight = part.on_module(name)
            if weight and name in one.spelling.modules:
                module = check_values(one.module(name), name, one.path)
                terms.append(Term(plain_factors(module, name), weight, place))
                labels.append(part.path.name)
        return terms, labels


def _blended(request: BlendRequest, terms: BlendTerms, name: str, alpha: Alphas) -> BlendedModule:
    found, labels = terms.of(name)
    exact = summed(found, name)
    if request.rank is None and request.merge is None:
        exact = exact.with_alpha(alpha(name, exact.rank))
        module = _cast(exact, request.dtype)
        return BlendedModule(module, *Product.of(exact).rounded_to(Product.of(module)))
    product = Product.of(exact)
    wanted = product if request.merge is None else request.merge.product(found, name, labels)
    if request.rank is None:
        norm = product.squared_norm()
        module = wanted.module(wanted.up, wanted.down) if len(wanted.down) else wanted.zero_module()
    else:
        spectrum = wanted.spectrum()
        norm = float(spectrum.values.square().sum()) if request.merge is None else product.squared_norm()
        module = spectrum.truncated(request.rank.of(spectrum.values))
    module = _cast(module.with_alpha(alpha(name, module.rank)), request.dtype)
    return BlendedModule(module, norm, product.squared_distance(Product.of(module)))


def _cast(module: LoraModule, dtype: torch.dtype) -> LoraModule:
    """In the file's type, so that a blend is no bigger in memory than on the disk. Writing refuses infinities."""
    return LoraModule(module.down.to(dtype), module.up.to(dtype), module.alpha)


def _write(request: BlendRequest, lora: LoraFile[LoraModule]) -> str:
    if request.names is None:
        return write_lora(lora, request.output, request.dtype)
    return write_diffusers(lora, request.output, request.names, request.dtype)


def _errors(made: Mapping[str, BlendedModule]) -> tuple[tuple[BlockDistance, ...], float]:
    by_block: dict[str, list[BlendedModule]] = {}
    for name, one in made.items():
        by_block.setdefault(block_of(name), []).append(one)
    blocks = tuple(BlockDistance(block, len(found), _relative(found)) for block, found in sorted(by_block.items()))
    return blocks, _relative(list(made.values()))


def _relative(made: Sequence[BlendedModule]) -> float:
    norm = sum(one.norm for one in made)
    return (sum(one.distance for one in made) / norm) ** 0.5 if norm > 0 else 0.0


def _recipe(request: BlendRequest, parents: list[dict[str, object]], rank: int, error: float) -> dict[str, object]:
    """What makes the file again: parents by content, weights, method, and how exact it is."""
    merge = request.merge
    return {
        "parents": parents,
        "method": EXACT_SUM if merge is None else str(merge),
        "rank": rank,
        "rule": "exact" if request.rank is None else str(request.rank),
        "dtype": str(request.dtype).removeprefix("torch."),
        "error": error,
    }


def _parents(parts: Sequence[WeightedLora], hash_of: Callable[[Path], str]) -> list[dict[str, object]]:
    sizes = {part.path: part.path.stat().st_size for part in parts}
    contents = side_by_side(hash_of, sizes, Silent().task("", len(sizes)))
    return [_parent(part, contents[part.path]) for part in parts]


def _parent(part: WeightedLora, sha256: str) -> dict[str, object]:
    said: dict[str, object] = {"name": part.name, "sha256": sha256, **recipe_weights(part.weights)}
    if part.blocks != BlockWeights():
        said["blocks"] = part.blocks.said
    return said
