"""A LoRA of lower rank, and how far one file's deltas are from another's."""

from __future__ import annotations

from collections.abc import Mapping

from loras.blending.rank_rule import RankRule
from loras.lora_file import LoraModule
from loras.low_rank import Product


def of_lower_rank(modules: Mapping[str, LoraModule], rule: RankRule) -> dict[str, LoraModule]:
    """Each module's best approximation (Eckart & Young) of the rank that `rule` says, all of one alpha."""
    return {name: _truncated(module, rule) for name, module in modules.items()}


def relative_distance(wanted: Mapping[str, LoraModule], written: Mapping[str, LoraModule]) -> float:
    """|wanted - written| / |wanted| over all modules, Frobenius; 0 where nothing is wanted. Raises KeyError for a
    module that is not written."""
    products = {name: Product.of(module) for name, module in wanted.items()}
    norm = sum(product.squared_norm() for product in products.values())
    lost = sum(product.squared_distance(Product.of(written[name])) for name, product in products.items())
    return (lost / norm) ** 0.5 if norm > 0 else 0.0


def _truncated(module: LoraModule, rule: RankRule) -> LoraModule:
    spectrum = Product.of(module).spectrum()
    return spectrum.truncated(rule.of(spectrum.values)).with_alpha(rule.alpha)
