"""The Frobenius norm of a low-rank product from Gram matrices, R by R: the full matrix is never built."""

from __future__ import annotations

from torch import Tensor


def grams(up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """U'U and D D', (R, R) each, in the type of U = `up` (out, R) and D = `down` (R, columns)."""
    return up.T @ up, down @ down.T


def squared_norm(gram_up: Tensor, gram_down: Tensor) -> Tensor:
    """The squared Frobenius norm of U D (0-dim), tr(U'U D D'), from what `grams` returns.

    Rounding may leave a small negative number where it is 0; that is taken for 0.
    """
    return (gram_up * gram_down).sum().clamp(min=0)
