"""What a search found, as one document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eval.ranking.columns import row_as_json

if TYPE_CHECKING:
    from eval.ranking.ranked_cell import RankedCell
    from eval.search.run_search import SearchOutcome


def as_document(searched: SearchOutcome, rows: Sequence[RankedCell]) -> dict[str, object]:
    """The document of `search --json`: the finalists as `rank --json` has them, best first, and the search."""
    return {
        "store": str(searched.store),
        "finalists": [row_as_json(row) for row in rows],
        **searched.record.model_dump(mode="json", exclude={"finalists"}),
    }
