"""What a search found, as one document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.ranking.ranking import RankedCell
    from eval.search.run_search import SearchOutcome


def as_document(searched: SearchOutcome, rows: Sequence[RankedCell]) -> dict[str, object]:
    """The document of `search --json`: the finalists as `rank --json` has them, best first, and the search."""
    return {
        "store": str(searched.store),
        "finalists": [row.as_json() for row in rows],
        **searched.record.model_dump(mode="json", exclude={"finalists"}),
    }
