"""The ways to merge LoRAs that disagree, never of A and B separately. A further one is a row here.

Order: every delta is multiplied by its weight first, then trimmed or dropped, then signs are elected (mergekit's order;
PEFT elects before weighting), so that a LoRA at a small weight has a small vote. Methods of whole deltas leave one of
full rank; those of factors (`loras.blending.low_rank_methods`) stay of low rank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from foundation.errors import UserError

if TYPE_CHECKING:  # the command line shows this table, and waits for no library
    from torch import Generator, Tensor

    from loras.blend import Term
    from loras.low_rank import Product

EXACT_SUM = "sum"  # the method that merges nothing: factors are put side by side
WINDOW = 0.1  # how far DELLA's chances of staying lie from their mean, at most


class MergeMethodError(UserError):
    """A name that no method has, or what no method can do."""


@dataclass(frozen=True)
class WeighedDeltas:
    """One module's whole deltas, each times its weight: float32, all of one shape, in the files' order.

    `density` is the share (0..1] of entries that is kept; `draws` a generator for each delta, which neither the order
    of the files nor other modules change.
    """

    deltas: Sequence[Tensor]
    density: float
    draws: Sequence[Generator]


@dataclass(frozen=True)
class WeighedFactors:
    """One module's deltas as products of low rank, each times its weight, in the files' order.

    `places` are those of their files among all that are blended: a file may lack the module.
    """

    products: Sequence[Product]
    places: Sequence[int]
    density: float


Option = Literal["density", "seed"]


@dataclass(frozen=True)
class MergeMethod:
    """A way to make one delta of several whole ones: the function, what it reads besides the deltas and what that
    means there, whose it is, what it does, and the `density` that it has where none is asked for."""

    merged: Callable[[WeighedDeltas], Tensor]
    needs: Mapping[Option, str]
    source: str
    says: str
    density: float = 0.5


@dataclass(frozen=True)
class FactorMethod:
    """The same of products of low rank, which stays of low rank."""

    merged: Callable[[WeighedFactors], Product]
    needs: Mapping[Option, str]
    source: str
    says: str
    density: float = 0.5


@dataclass(frozen=True)
class Merge:
    """A row of MERGE_METHODS by its name, the share of entries (0..1] that it keeps, and the seed of its draws.

    Raises MergeMethodError for a name that no row has, and for a share of entries that is none.
    """

    method: str
    density: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in MERGE_METHODS:
            raise MergeMethodError(_unknown(self.method, list(MERGE_METHODS)))
        # The command line's own bounds let nan through, which is neither below nor above anything.
        if not 0 < self.density <= 1:
            raise MergeMethodError(f"--density {self.density:g}: a share is above 0 and at most 1")

    @property
    def keeps_low_rank(self) -> bool:
        """Whether what it makes of plain factors is written without compressing."""
        return isinstance(MERGE_METHODS[self.method], FactorMethod)

    def product(self, terms: Sequence[Term], name: str, labels: Sequence[str]) -> Product:
        """The merged delta, float32, of the module called `name`. `labels` tell the terms apart for their draws."""
        from loras.blending.low_rank_methods import weighed_products
        from loras.low_rank import Product

        row = MERGE_METHODS[self.method]
        if isinstance(row, FactorMethod):
            return row.merged(WeighedFactors(weighed_products(terms), [term.place for term in terms], self.density))
        deltas = [term.weight * term.module.delta() for term in terms]
        deltas = [delta.reshape(deltas[0].shape) for delta in deltas]
        draws = [_draw(self.seed, label, name) for label in labels]
        return Product.dense(row.merged(WeighedDeltas(deltas, self.density, draws)))

    def __str__(self) -> str:
        """As a blend's recipe has it. The seed is told of methods without draws too, as it ever was."""
        density = f" density={self.density:g}" if "density" in MERGE_METHODS[self.method].needs else ""
        return f"{self.method}{density} seed={self.seed}"


def merge_called(name: str, density: float | None, seed: int) -> Merge | None:
    """What `--method` asks for, its own density where None; None is the exact sum. Raises MergeMethodError for a name
    that no method has."""
    if name == EXACT_SUM:
        return None
    if name not in MERGE_METHODS:
        raise MergeMethodError(f"--method: {_unknown(name, method_names())}")
    return Merge(name, MERGE_METHODS[name].density if density is None else density, seed)


def method_names() -> list[str]:
    """What `--method` takes."""
    return [EXACT_SUM, *MERGE_METHODS]


def meaning_of(option: Option) -> str:
    """What an option means to each method that reads it, in words."""
    by_meaning: dict[str, list[str]] = {}
    for name, row in MERGE_METHODS.items():
        if option in row.needs:
            by_meaning.setdefault(row.needs[option], []).append(name)
    return "; ".join(f"{', '.join(names)}: {meaning}" for meaning, names in by_meaning.items())


def densities_in_words() -> str:
    """The density that each method has where none is asked for."""
    reading = {name: row.density for name, row in MERGE_METHODS.items() if "density" in row.needs}
    return ", ".join(f"{name} {density:g}" for name, density in reading.items())


def methods_of_whole_deltas() -> list[str]:
    """Those that leave a delta of full rank, so that a rank must be said."""
    return [name for name, row in MERGE_METHODS.items() if isinstance(row, MergeMethod)]


def methods_in_words() -> str:
    """Every method with what it does and whose it is, for a command's help."""
    rows = (f"{name}: {row.says} ({row.source})" for name, row in MERGE_METHODS.items())
    return "; ".join((f"{EXACT_SUM}: the exact weighted sum", *rows))


def ties(deltas: Sequence[Tensor], density: float) -> Tensor:
    """Trim each delta to its largest entries, elect the sign of the greater total, take the mean of those that agree.

    Yadav et al. 2023, "TIES-Merging"; deltas of one shape, and the answer's.
    """
    import torch

    return _elected(torch.stack([_trimmed(delta, density) for delta in deltas]))


def _elected(stack: Tensor) -> Tensor:
    """Of deltas along the first side, the mean of those whose sign is that of their sum, entry by entry."""
    agreeing = (stack.sign() == stack.sum(0).sign()) & (stack != 0)
    return (stack * agreeing).sum(0) / agreeing.sum(0).clamp_min(1)


def _trimmed(delta: Tensor, density: float) -> Tensor:
    """The delta with all but the `density` share of largest entries set to 0."""
    kept = max(1, round(density * delta.numel()))
    if kept == delta.numel():
        return delta
    limit = delta.abs().flatten().kthvalue(delta.numel() - kept + 1).values
    return delta.where(delta.abs() >= limit, 0.0)


def dropped(delta: Tensor, density: float, draw: Generator) -> Tensor:
    """Drop entries at random and divide those that stay by `density`, which leaves the mean as it was.

    Yu et al. 2023, "DARE".
    """
    import torch

    kept = torch.rand(delta.shape, generator=draw) < density
    return delta * kept / density


def kept_by_size(delta: Tensor, density: float, draw: Generator) -> Tensor:
    """Drop entries at random, small ones of a row sooner than large ones, and divide each that stays by its chance.

    Deep et al. 2024, "DELLA" (MAGPRUNE): chances rise evenly with an entry's place by size in its row, from
    `density` - w to `density` + w, where w is WINDOW or what keeps them within 0..1.
    """
    import torch

    rows = delta.flatten(1)
    width = rows.shape[1]
    window = min(WINDOW, density / 2, 1 - density)
    places = rows.abs().argsort(dim=1, stable=True).argsort(dim=1) / max(1, width - 1)
    chances = density + window * (2 * places - 1)
    kept = torch.rand(rows.shape, generator=draw) < chances
    return (rows * kept / chances).reshape(delta.shape)


def _ties(given: WeighedDeltas) -> Tensor:
    return ties(given.deltas, given.density)


def _dare(given: WeighedDeltas) -> Tensor:
    import torch

    pairs = zip(given.deltas, given.draws, strict=True)
    return torch.stack([dropped(delta, given.density, draw) for delta, draw in pairs]).sum(0)


def _della(given: WeighedDeltas) -> Tensor:
    import torch

    pairs = zip(given.deltas, given.draws, strict=True)
    return _elected(torch.stack([kept_by_size(delta, given.density, draw) for delta, draw in pairs]))


def _knots(given: WeighedFactors) -> Product:
    from loras.blending.low_rank_methods import in_common_basis

    return in_common_basis(given.products, lambda parts: ties(parts, given.density))


def _tsv(given: WeighedFactors) -> Product:
    from loras.blending.low_rank_methods import orthogonalised

    return orthogonalised(given.products, given.density)


def _project(given: WeighedFactors) -> Product:
    from loras.blending.low_rank_methods import kept_out

    subjects = [one for one, place in zip(given.products, given.places, strict=True) if place == 0]
    styles = [one for one, place in zip(given.products, given.places, strict=True) if place > 0]
    return kept_out(subjects, styles, given.density)


_ENTRIES = "the share of entries kept"
_DRAWS = "which entries are dropped"
MERGE_METHODS: dict[str, MergeMethod | FactorMethod] = {
    "ties": MergeMethod(
        _ties,
        {"density": _ENTRIES},
        "Yadav et al. 2023, arXiv:2306.01708",
        "keeps each delta's largest entries and averages those whose sign wins",
    ),
    "dare": MergeMethod(
        _dare,
        {"density": _ENTRIES, "seed": _DRAWS},
        "Yu et al. 2023, arXiv:2311.03099",
        "drops entries at random, scales up the rest and adds up",
    ),
    "della": MergeMethod(
        _della,
        {"density": _ENTRIES, "seed": _DRAWS},
        "Deep et al. 2024, arXiv:2406.11617",
        "drops small entries sooner than large ones, scales up the rest and averages those whose sign wins",
    ),
    "knots": FactorMethod(
        _knots,
        {"density": _ENTRIES},
        "Stoica et al. 2024, arXiv:2410.19735",
        "brings all LoRAs into one basis and does there what ties does",
    ),
    "tsv": FactorMethod(
        _tsv,
        {"density": "the share of each LoRA's singular directions kept"},
        "Gargiulo et al. 2024, arXiv:2412.00081",
        "makes the LoRAs' singular directions orthogonal to each other and adds up",
        density=1.0,
    ),
    "project": FactorMethod(
        _project,
        {"density": "the share of the styles' energy that the first LoRA is kept out of"},
        "Chen et al. 2025, arXiv:2511.11051",
        "takes the first LoRA, a subject, out of the principal directions of the others, styles, and adds up",
        density=0.9,
    ),
}


def _draw(seed: int, label: str, name: str) -> Generator:
    """A generator of its own for each file and module, so that neither order nor other modules change a draw."""
    import torch

    digest = hashlib.sha256(f"{seed}\n{label}\n{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"unknown method `{name}` (did you mean `{near}`?); known: {', '.join(known)}"
