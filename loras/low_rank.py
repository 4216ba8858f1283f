"""Linear algebra of low-rank products: norms, singular values and the best approximation, never the full matrix.

For delta = U D with U (out, R) and D (R, columns), all of it follows from the Gram matrices U'U and D D', R by R, in
float64. With D D' = L L', the rows of inv(L) D are orthonormal, so delta has the singular values of U L, whose squares
are the eigenvalues of L' U'U L. (Eckart & Young 1936 say that the leading ones give the best approximation.)
Squaring costs half the digits: singular values below 1e-7 of the largest are noise, and are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from foundation.typed.typed_torch import cholesky_ex, eigh, solve_triangular
from loras.lora_file import LoraModule
from loras.low_rank_norm import squared_norm

NOISE = 1e-14  # of the largest eigenvalue: what float64 leaves of a squared singular value
PIECE, FEWEST_COLUMNS = 2**17, 256  # numbers that are turned into another type at a time: 1 MiB of float64
IS_SURE = 1e-3  # of a distance: what float32 may be off by, where float32 is taken
ILL_CONDITIONED = 1e-6  # smallest to largest of a Cholesky factor's diagonal


@dataclass(frozen=True)
class Spectrum:
    """A product's singular values (float64, descending, above the noise), and its best approximations."""

    values: Tensor
    _root: Tensor  # (R, r), L: L L' = D D'
    _inverse: Tensor  # (r, R): _inverse @ L is 1
    _vectors: Tensor  # (r, n): U L _vectors is orthogonal, its columns' norms are the singular values
    _product: Product

    def _leading(self, rank: int) -> tuple[Tensor, Tensor]:
        """Of the leading `rank`, (R, rank) that U is multiplied by, and (rank, R) that makes D orthonormal."""
        vectors = self._vectors[:, :rank]
        return self._root @ vectors, vectors.T @ self._inverse

    def truncated(self, rank: int) -> LoraModule:
        """The best approximation of at most `rank`, alpha = its rank, the singular values' roots on both factors."""
        rank = max(1, min(rank, len(self.values)))
        if not len(self.values):
            return self._product.zero_module()
        roots = self.values[:rank].sqrt()
        left, right = self._leading(rank)
        up = (left / roots).to(self._product.up.dtype)
        down = (roots[:, None] * right).to(self._product.up.dtype)
        return self._product.module(self._product.up @ up, down @ self._product.down)

    def directions(self, rank: int) -> tuple[Tensor, Tensor]:
        """The leading `rank` left and right singular vectors, (out, n) and (n, columns), orthonormal, float64."""
        left, right = self._leading(rank)
        return self._product.up.double() @ (left / self.values[:rank]), right @ self._product.down.double()

    def halves(self) -> tuple[Tensor, Tensor]:
        """All left singular vectors (out, n), and the right ones times the singular values (n, columns), float64."""
        up, down = self.directions(len(self.values))
        return up, self.values[:, None] * down


@dataclass(frozen=True)
class Product:
    """`up` (out, R) @ `down` (R, columns), float32, and the kernel that the columns stand for."""

    up: Tensor
    down: Tensor
    kernel: tuple[int, ...] | None

    @classmethod
    def of(cls, module: LoraModule) -> Product:
        """The module's delta as a product, the scale folded into the shorter factor."""
        up, down = module.up.float().flatten(1), module.down.float().flatten(1)
        kernel = tuple(module.down.shape[2:]) if module.down.dim() == 4 else None
        if module.scale == 1.0:
            return cls(up, down, kernel)
        return (
            cls(up * module.scale, down, kernel) if up.numel() < down.numel() else cls(up, down * module.scale, kernel)
        )

    @classmethod
    def dense(cls, delta: Tensor) -> Product:
        """A whole delta (out, in[, k, k]) times an identity on its shorter side."""
        kernel = tuple(delta.shape[2:]) if delta.dim() == 4 else None
        flat = delta.flatten(1)
        rows, columns = flat.shape
        if rows <= columns:
            return cls(torch.eye(rows, dtype=flat.dtype), flat, kernel)
        return cls(flat, torch.eye(columns, dtype=flat.dtype), kernel)

    def module(self, up: Tensor, down: Tensor) -> LoraModule:
        """Factors of this product's sides as a LoRA module with alpha = rank."""
        if self.kernel is not None:
            up, down = up.reshape(*up.shape, 1, 1), down.reshape(len(down), -1, *self.kernel)
        return LoraModule(down.float(), up.float(), float(down.shape[0]))

    def zero_module(self) -> LoraModule:
        """A delta of zero, of rank 1: tools want all four of an attention's projections, so none is left out."""
        return self.module(torch.zeros(self.up.shape[0], 1), torch.zeros(1, self.down.shape[1]))

    @cached_property
    def grams(self) -> tuple[Tensor, Tensor]:
        """U'U and D D', (R, R), float64."""
        return _gram(self.up.T, torch.float64), _gram(self.down, torch.float64)

    def squared_norm(self) -> float:
        """The squared Frobenius norm of the delta."""
        return float(squared_norm(*self.grams))

    def inner(self, other: Product) -> float:
        """The Frobenius inner product with another delta of the same shape."""
        ups, downs = self.up.double().T @ other.up.double(), self.down.double() @ other.down.double().T
        return _dot(ups, downs)

    def squared_distance(self, other: Product) -> float:
        """|self - other|^2, Frobenius: by float32 where that is sure to a thousandth, else by float64.

        |a - b|^2 = |a|^2 - 2 <a, b> + |b|^2 takes what is alike away from what is alike. What float32 rounds off is at
        most its precision times the sums of its terms' own norms, which for factors that nearly cancel are far above
        the delta's: so it is asked before it is trusted.
        """
        norm = self.squared_norm()
        ups, downs = self.up.T @ other.up, self.down @ other.down.T
        other_up, other_down = _gram(other.up.T, torch.float32), _gram(other.down, torch.float32)
        inner, there = _dot(ups, downs), _dot(other_up, other_down)
        found = norm - 2 * inner + there
        own, others = _terms(*self.grams), _terms(other_up, other_down)
        doubt = 2 * torch.finfo(torch.float32).eps * others * (own + others)
        if not doubt <= IS_SURE * found:  # nor where float32 overflows and there is no number
            found = norm - 2 * self.inner(other) + other.squared_norm()
        return max(0.0, found)

    def rounded_to(self, cast: Product) -> tuple[float, float]:
        """Squared norms of this delta, and of what is lost where `cast` holds the same factors in a coarser type.

        U D - U' D' = (U - U') D + U' (D - D'): differences are taken of the factors, so float32 does.
        """
        up, down = self.up - cast.up, self.down - cast.down
        ups = up.T @ up, up.T @ cast.up, cast.up.T @ cast.up
        downs = self.down @ self.down.T, self.down @ down.T, down @ down.T
        whole = ups[0] + ups[1] + ups[1].T + ups[2]
        lost = sum(float((a.double() * b.double()).sum()) * k for a, b, k in zip(ups, downs, (1, 2, 1), strict=True))
        return float((whole.double() * downs[0].double()).sum()), max(0.0, lost)

    def narrowed(self) -> Product:
        """The same delta with R at most its shorter side: wider factors are multiplied out."""
        outputs, columns = self.up.shape[0], self.down.shape[1]
        if self.up.shape[1] <= min(outputs, columns):
            return self
        whole = Product.dense(self.up.double() @ self.down.double())
        return Product(whole.up, whole.down, self.kernel)

    def spectrum(self) -> Spectrum:
        """All singular values, by two Gram matrices, one Cholesky factorisation and one symmetric eigenproblem."""
        product = self.narrowed()
        gram_up, gram_down = product.grams
        root, inverse = _root_of(gram_down)
        squared, vectors = eigh(root.T @ gram_up @ root)
        squared, vectors = squared.flip(0), vectors.flip(1)
        kept = squared > NOISE * squared[:1].clamp_min(torch.finfo(torch.float64).tiny) if len(squared) else squared > 0
        return Spectrum(squared[kept].sqrt(), root, inverse, vectors[:, kept], product)


def _gram(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """X X' of X (R, columns) in `dtype`, which columns are turned into a piece at a time: it stays in the cache.

    numpy sees that each product is symmetric, and works out half of it.
    """
    count, columns = rows.shape
    at_once = max(FEWEST_COLUMNS, PIECE // max(1, count))
    gram = torch.zeros(count, count, dtype=dtype)
    for start in range(0, columns, at_once):
        piece = rows[:, start : start + at_once].to(dtype).numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # as torch, which gives infinity without a word
            gram += torch.as_tensor(piece.dot(piece.T))  # `@` would keep Python's lock
    return gram


def _dot(one: Tensor, other: Tensor) -> float:
    """The sum of the products of two matrices' elements, each in float64."""
    return float((one.double() * other.double()).sum())


def _terms(gram_up: Tensor, gram_down: Tensor) -> float:
    """The sum of the norms of a product's R terms, columns of U times rows of D, from its Gram matrices."""
    return float((gram_up.diagonal().double() * gram_down.diagonal().double()).clamp(min=0).sqrt().sum())


def _root_of(gram: Tensor) -> tuple[Tensor, Tensor]:
    """L (R, r) and its left inverse (r, R) with L L' = gram; r < R where the factor is rank-deficient."""
    root, failed = cholesky_ex(gram)
    diagonal = root.diagonal()
    if not failed and diagonal.min() > ILL_CONDITIONED * diagonal.max():
        one = torch.eye(len(root), dtype=root.dtype)
        return root, solve_triangular(root, one, upper=False)
    values, vectors = eigh(gram)
    kept = values > NOISE * values[-1].clamp_min(torch.finfo(torch.float64).tiny)
    roots, vectors = values[kept].sqrt(), vectors[:, kept]
    return vectors * roots, (vectors / roots).T
