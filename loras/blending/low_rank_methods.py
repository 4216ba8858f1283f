"""Merges that keep low rank, by the factors' Gram matrices: no delta is ever built whole.

With U_i D_i the deltas, each times its weight: KnOTS decomposes [U_1 D_1 .. U_n D_n], which is [U_1 .. U_n] times a
block-diagonal of the D_i; TSV makes singular vectors orthogonal by the polar factor of all of them side by side; and
NP-LoRA takes directions out of one D_i. What comes out has at most the sum of all ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from foundation.typed.typed_torch import block_diag, eigh
from loras.blend import Term, summed
from loras.low_rank import NOISE, Product

Merged = Callable[[Sequence[Tensor]], Tensor]


def weighed_products(terms: Sequence[Term]) -> list[Product]:
    """Each term's delta times its weight as a product; all have one kernel, flat factors taking the others'."""
    products = [Product.of(summed([term], "")) for term in terms]
    kernel = max((one.kernel for one in products if one.kernel is not None), key=len, default=None)
    return [Product(one.up, one.down, kernel) for one in products]


def in_common_basis(products: Sequence[Product], merged: Merged) -> Product:
    """Stoica et al. 2024, "KnOTS": [delta_1 .. delta_n] = U S [V_1 .. V_n]; `merged` is applied to the S V_i, each
    (R, columns), in the one basis U that they share, and U brings the answer back."""
    up = torch.cat([one.up for one in products], dim=1)
    beside = Product(up, block_diag([one.down for one in products]), None)
    basis, across = beside.spectrum().halves()
    columns = products[0].down.shape[1]
    parts = [across[:, at * columns : (at + 1) * columns].float() for at in range(len(products))]
    return Product(basis.float(), merged(parts), products[0].kernel)


def orthogonalised(products: Sequence[Product], density: float) -> Product:
    """Gargiulo et al. 2024, "Task Singular Vectors" (TSV-Merge): of each delta's U_i S_i V_i the `density` share of
    leading directions; all U_i side by side, and all V_i, become orthogonal by their polar factors; then U S V."""
    ups: list[Tensor] = []
    downs: list[Tensor] = []
    sizes: list[Tensor] = []
    for one in products:
        spectrum = one.spectrum()
        kept = round(density * len(spectrum.values)) or min(1, len(spectrum.values))
        up, down = spectrum.directions(kept)
        ups.append(up)
        downs.append(down)
        sizes.append(spectrum.values[:kept])
    up, down = _polar(torch.cat(ups, dim=1)), _polar(torch.cat(downs).T).T
    return Product((up * torch.cat(sizes)).float(), down.float(), products[0].kernel)


def kept_out(subjects: Sequence[Product], styles: Sequence[Product], density: float) -> Product:
    """Chen et al. 2025, "NP-LoRA", hard projection: subject (I - V V') + styles, where V are the styles' leading right
    singular vectors, as many as have the `density` share of their energy. Several styles count one beside another."""
    downs = [one.down for one in subjects]
    if styles:
        together = Product(
            block_diag([one.up for one in styles]), torch.cat([one.down for one in styles]), None
        ).spectrum()
        energy = together.values.square().cumsum(0)
        kept = int((energy < density * energy[-1:] * (1 - 1e-12)).sum()) + 1 if len(energy) else 0
        _, principal = together.directions(kept)
        downs = [(down.double() - down.double() @ principal.T @ principal).float() for down in downs]
    ups = [one.up for one in (*subjects, *styles)]
    whole = [*downs, *(one.down for one in styles)]
    return Product(torch.cat(ups, dim=1), torch.cat(whole), (subjects or styles)[0].kernel)


def _polar(vectors: Tensor) -> Tensor:
    """U (U'U)^(-1/2), (side, n): the orthonormal columns nearest to U's; what columns have twice is shared by them."""
    values, axes = eigh(vectors.T @ vectors)
    kept = values > NOISE * values[-1:].clamp_min(torch.finfo(torch.float64).tiny)
    axes = axes[:, kept]
    return vectors @ (axes / values[kept].sqrt()) @ axes.T
