"""How large a module's delta is, and over how many directions it spreads, without the full matrix where factors allow.

Both follow from two sums over the singular values s of the delta as a matrix (out, in * k * k): sum s^2 is its squared
Frobenius norm, and (sum s^2)^2 / sum s^4 the participation ratio of the s^2, here called *effective rank*: n where n
directions carry equal energy and the others none, 1 where one carries all. For delta = U D both are traces of R by R
matrices, tr(A B) and tr(A B A B) with A = U'U and B = D D', so no singular value is ever computed.

A delta of more than WIDE directions on its narrowest way (a LoHa of rank 32 on 1280 x 1280) has its norm measured only:
the second sum would take a second a module.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from foundation.typed.typed_torch import vector_norm
from loras.low_rank import Product
from loras.low_rank_norm import squared_norm
from loras.module_kinds import Additive, FullModule, LohaModule, LokrModule

WIDE = 256


@dataclass(frozen=True)
class DeltaSize:
    """A delta's shape as a matrix, and its sums of squared and fourth powers of singular values (None: too wide)."""

    outputs: int
    columns: int
    squares: float
    fourths: float | None

    @property
    def elements(self) -> int:
        """How many numbers the delta as a whole matrix has."""
        return self.outputs * self.columns

    @property
    def effective_rank(self) -> float | None:
        """The participation ratio, or None where the delta is 0, beyond float64 or too wide."""
        return self.squares**2 / self.fourths if self.fourths and self.fourths < float("inf") else None


def size_of(module: Additive) -> DeltaSize:
    """The size of a module's delta at strength 1. Values that are not finite come out as such; nothing is judged."""
    if isinstance(module, LokrModule):
        return _of_kronecker(module)
    if isinstance(module, FullModule):
        return _of_matrix(module.diff.float().reshape(len(module.diff) if module.diff.dim() else 1, -1))
    if isinstance(module, LohaModule) and module.first.rank * module.second.rank > WIDE:
        return _of_matrix(module.delta().flatten(1))
    return _of_product(Product.of(module.low_rank()))


def _of_kronecker(module: LokrModule) -> DeltaSize:
    """The singular values of a Kronecker product are all products of the halves' own."""
    first, second = (_of_product(Product(*half.factors(), None)) for half in (module.first, module.second))
    return DeltaSize(
        first.outputs * second.outputs,
        first.columns * second.columns,
        first.squares * second.squares * module.scale**2,
        None if first.fourths is None or second.fourths is None else first.fourths * second.fourths * module.scale**4,
    )


def _of_product(product: Product) -> DeltaSize:
    outputs, columns = product.up.shape[0], product.down.shape[1]
    if product.up.shape[1] > min(outputs, columns, WIDE):
        return _of_matrix(product.up @ product.down)
    up, down = product.grams
    both = up @ down
    fourths = (both * both.T).sum()
    return DeltaSize(outputs, columns, float(squared_norm(up, down)), max(0.0, float(fourths)))


def _of_matrix(delta: Tensor) -> DeltaSize:
    outputs, columns = delta.shape
    squares = vector_norm(delta.double()).item() ** 2
    if min(outputs, columns) > WIDE:
        return DeltaSize(outputs, columns, squares, None)
    wide = (delta if outputs <= columns else delta.T).double()
    return DeltaSize(outputs, columns, squares, (wide @ wide.T).square().sum().item())
