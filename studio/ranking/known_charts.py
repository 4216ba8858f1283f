"""The charts of an opened store, each drawn up once. No Streamlit here."""

from __future__ import annotations

from functools import lru_cache

from eval.reporting.trade_off import Place, trade_off_of
from studio.languages.translation import language, tr
from studio.ranking.charts import epoch_curve, trade_off, weights_map
from studio.ranking.ranking_rows import curve_rows, epochs_in_order, heat_rows, trade_off_rows
from studio.shared.stores import OpenedStore
from studio.shared.vega_lite import Spec


def known_curve(opened: OpenedStore, settings: tuple[str, ...]) -> Spec:
    """Identity over the epochs at `settings`, as Vega-Lite's description."""
    return _curve_in(language(), opened, settings)


def known_map(opened: OpenedStore, checkpoint: str) -> Spec:
    """Identity of a checkpoint over the weights, as Vega-Lite's description."""
    return _map_in(language(), opened, checkpoint)


def known_trade_off(opened: OpenedStore) -> Spec | None:
    """Likeness against what it costs, as Vega-Lite's description; None where too few rows have both."""
    return _trade_off_in(language(), opened)


@lru_cache(maxsize=64)
def _trade_off_in(spoken: str, opened: OpenedStore) -> Spec | None:
    """`spoken` is part of the key only."""
    if (found := trade_off_of(opened.rows)) is None:
        return None
    return trade_off(trade_off_rows(found), tr(found.against), [tr(place.value) for place in Place])


@lru_cache(maxsize=64)
def _curve_in(spoken: str, opened: OpenedStore, settings: tuple[str, ...]) -> Spec:
    """`spoken` is part of the key only."""
    levels = {tr("base model"): opened.scores.floor, tr("subject's own pictures"): opened.scores.ceiling}
    curve = curve_rows(opened.rows, settings)
    return epoch_curve(curve, epochs_in_order(opened.rows), list(settings), levels)


@lru_cache(maxsize=64)
def _map_in(spoken: str, opened: OpenedStore, checkpoint: str) -> Spec:
    """`spoken` is part of the key only."""
    return weights_map(heat_rows(opened.rows, checkpoint))
