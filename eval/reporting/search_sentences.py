"""What a search found, in sentences."""

from __future__ import annotations

from eval.store.search_record import RoundRecord, SearchRecord
from eval.wording.figure_texts import percent


def in_sentences(record: SearchRecord) -> list[str]:
    """How the finalists were found, what is certain about them, and what was left out."""
    rounds = "; ".join(_round(one) for one in record.rounds)
    made = f"; {record.rendered} pictures were rendered for it in all" if record.rendered else ""
    share = percent(record.pictures / record.grid_pictures)
    said = [
        f"Chosen among {record.arms} cells with {record.pictures} pictures, {share} of what showing every cell "
        f"every one of these (prompt, seed) pairs would take{': ' + rounds if rounds else ''}{made}.",
        *_refinement(record),
        f"The {len(record.finalists)} finalists were then scored on {record.confirm_units} fresh pairs, and only those "
        "scores are shown: what they were chosen by had luck in it.",
        f"The recommended cell is within {record.within:.3f} of the best finalist, with 95 % confidence; finalists "
        "that break more limits do not count.",
    ]
    if record.certified is not None:
        said.append(
            f"By the race, which drops a cell only when it is surely behind one that breaks no more limits, the "
            f"recommended cell is within {record.certified:.3f} of the best of all {record.arms} cells, with 95 % "
            "confidence; cells that break more limits do not count."
        )
    elif record.raced and not record.rescored:
        said.append("The recommended cell was not in the race, so nothing is certified of it against all cells.")
    if record.out_of_budget:
        said.append("The budget ended the search before all that was asked for was tried.")
    if record.rescored:
        said.append("The finalists were chosen by other references or models than those that score them here.")
    return said + [f"Left out before anything was rendered: {line}." for line in record.left_out]


def _round(one: RoundRecord) -> str:
    pairs = f"1 of {one.units} pairs" if one.dealt else f"{one.units} pairs"
    return f"{one.arms} cells on {pairs}, {one.kept} kept"


def _refinement(record: SearchRecord) -> list[str]:
    if not record.refined:
        return []
    return [
        f"{record.refined} cells of weights between and beside the grid's were tried around the best finalist, and the "
        f"best {record.joined} joined the finalists."
    ]
