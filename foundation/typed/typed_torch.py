"""What torch annotates in part or not at all, under its own names and with types; every call is torch's own.

Matrices are (rows, columns) of one floating type, and answers are of that type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Generator, Tensor, nn

from foundation.typed.untyped import untyped

_LINALG = untyped(torch.linalg)


def manual_seed(seed: int) -> Generator:
    """Seed torch's own generators, on every device; gives the CPU's."""
    return untyped(torch).manual_seed(seed)


def fork_rng(devices: Iterable[torch.device] | None = None) -> AbstractContextManager[None]:
    """Inside, torch's generators may be drawn from; after it they are as before. `devices`: None means all GPUs."""
    return untyped(torch.random).fork_rng(devices)


def backward(loss: Tensor) -> None:
    """Add the gradients of a loss of one element to the parameters' own."""
    untyped(loss).backward()


def listed(tensor: Tensor) -> list[Any]:
    """The tensor's numbers (float, int or bool by its type), in lists nested as deep as it has axes: at least one."""
    return untyped(tensor).tolist()


def modules_of(model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """Every module of the model by its dotted path, itself first ("")."""
    return untyped(model).named_modules()


def block_diag(matrices: Sequence[Tensor]) -> Tensor:
    """One matrix with these along its diagonal, and 0 elsewhere."""
    return untyped(torch).block_diag(*matrices)


def vector_norm(tensor: Tensor, dim: Sequence[int] | None = None, *, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over the axes `dim` (None: over all)."""
    return _LINALG.vector_norm(tensor, dim=dim, keepdim=keepdim)


def matrix_norm(matrix: Tensor) -> Tensor:
    """Frobenius' norm, over the last two axes."""
    return _LINALG.matrix_norm(matrix)


def inv(matrix: Tensor) -> Tensor:
    """The inverse of square matrices (..., N, N). Raises torch.linalg.LinAlgError for one that has none."""
    return _LINALG.inv(matrix)


def qr(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Q (M, K) of orthonormal columns and R (K, N), upper triangular; K is the smaller of M and N."""
    return _LINALG.qr(matrix)


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Of a symmetric matrix (N, N): its eigenvalues (N,), ascending, and unit eigenvectors as columns (N, N).

    Raises torch.linalg.LinAlgError where they are not found.
    """
    return _LINALG.eigh(matrix)


def cholesky_ex(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The lower root L of a symmetric matrix, L @ L.T, and 0, or the order of the minor that is not positive."""
    return _LINALG.cholesky_ex(matrix)


def solve_triangular(matrix: Tensor, right: Tensor, *, upper: bool) -> Tensor:
    """X of `matrix` @ X = `right`; of the matrix only its upper, or lower, triangle is read."""
    return _LINALG.solve_triangular(matrix, right, upper=upper)
