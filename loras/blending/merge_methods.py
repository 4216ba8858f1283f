"""The ways to merge whole deltas, for LoRAs that disagree; never of A and B separately. A further one is a row here.

Order: every delta is multiplied by its weight first, then trimmed or dropped, then signs are elected (mergekit's order;
PEFT elects before weighting), so that a LoRA at a small weight has a small vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from foundation.errors import UserError

if TYPE_CHECKING:  # the command line shows this table, and waits for no library
    from torch import Generator, Tensor

    from loras.blend import Term

EXACT_SUM = "sum"  # the method that merges nothing: factors are put side by side


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
class MergeMethod:
    """A way to make one delta of several: the function, what it reads besides the deltas, whose it is, what it does."""

    merged: Callable[[WeighedDeltas], Tensor]
    needs: frozenset[Literal["density", "seed"]]
    source: str
    says: str


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
            raise MergeMethodError(f"--density {self.density:g}: the share of entries kept is above 0 and at most 1")

    def merged(self, terms: Sequence[Term], name: str, labels: Sequence[str]) -> Tensor:
        """The merged delta, float32, of the module called `name`. `labels` tell the terms apart for their draws."""
        deltas = [term.weight * term.module.delta() for term in terms]
        deltas = [delta.reshape(deltas[0].shape) for delta in deltas]
        draws = [_draw(self.seed, label, name) for label in labels]
        return MERGE_METHODS[self.method].merged(WeighedDeltas(deltas, self.density, draws))

    def __str__(self) -> str:
        """As a blend's recipe has it. The seed is told of methods without draws too, as it ever was."""
        density = f" density={self.density:g}" if "density" in MERGE_METHODS[self.method].needs else ""
        return f"{self.method}{density} seed={self.seed}"


def merge_called(name: str, density: float, seed: int) -> Merge | None:
    """What `--method` asks for; None is the exact sum. Raises MergeMethodError for a name that no method has."""
    if name == EXACT_SUM:
        return None
    if name not in MERGE_METHODS:
        raise MergeMethodError(f"--method: {_unknown(name, method_names())}")
    return Merge(name, density, seed)


def method_names() -> list[str]:
    """What `--method` takes."""
    return [EXACT_SUM, *MERGE_METHODS]


def names_that_need(what: Literal["density", "seed"]) -> str:
    """The methods that read it, as a list in words."""
    return ", ".join(name for name, row in MERGE_METHODS.items() if what in row.needs)


def methods_in_words() -> str:
    """Every method with what it does and whose it is, for a command's help."""
    rows = (f"{name}: {row.says} ({row.source})" for name, row in MERGE_METHODS.items())
    return "; ".join((f"{EXACT_SUM}: the exact weighted sum", *rows))


def ties(deltas: Sequence[Tensor], density: float) -> Tensor:
    """Trim each delta to its largest entries, elect the sign of the greater total, take the mean of those that agree.

    Yadav et al. 2023, "TIES-Merging"; deltas of one shape, and the answer's.
    """
    import torch

    trimmed = torch.stack([_trimmed(delta, density) for delta in deltas])
    elected = trimmed.sum(0).sign()
    agreeing = (trimmed.sign() == elected) & (trimmed != 0)
    return (trimmed * agreeing).sum(0) / agreeing.sum(0).clamp_min(1)


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


def _ties(given: WeighedDeltas) -> Tensor:
    return ties(given.deltas, given.density)


def _dare(given: WeighedDeltas) -> Tensor:
    import torch

    pairs = zip(given.deltas, given.draws, strict=True)
    return torch.stack([dropped(delta, given.density, draw) for delta, draw in pairs]).sum(0)


MERGE_METHODS = {
    "ties": MergeMethod(
        _ties,
        frozenset(["density"]),
        "Yadav et al. 2023, arXiv:2306.01708",
        "keeps each delta's largest entries and averages those whose sign wins",
    ),
    "dare": MergeMethod(
        _dare,
        frozenset(["density", "seed"]),
        "Yu et al. 2023, arXiv:2311.03099",
        "drops entries at random, scales up the rest and adds up",
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
