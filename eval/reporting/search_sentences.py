"""What a search found, in sentences."""

from __future__ import annotations

from eval.store.search_record import RoundRecord, SearchRecord
from eval.wording.figure_texts import percent


def in_sentences(record: SearchRecord) -> list[str]:
    """How the finalists were found, what is certain about them, and what was left out."""
    rounds = "; ".join(_round(one) for one in record.rounds)
    said = [
        f"Chosen among {record.arms} cells with {_cost(record)} of what showing every cell every one of these (prompt, "
        f"seed) pairs would take{': ' + rounds if rounds else ''}{_made(record)}.",
        *_looks(record),
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


def _cost(record: SearchRecord) -> str:
    """Pictures of cells, and what they took, as a share."""
    if not record.grid_forwards:
        return f"{record.pictures} pictures, {percent(record.pictures / record.grid_pictures)}"
    share = percent(record.forwards / record.grid_forwards)
    return f"{record.pictures} pictures in {record.forwards} UNet forwards, {share}"


def _made(record: SearchRecord) -> str:
    if not record.rendered:
        return ""
    took = f" in {record.rendered_forwards} UNet forwards" if record.rendered_forwards else ""
    seconds = f" and {record.rendered_seconds:.0f} s" if record.rendered_seconds else ""
    return f"; {record.rendered} pictures were rendered for it in all{took}{seconds}"


def _looks(record: SearchRecord) -> list[str]:
    if not record.look_forwards:
        return []
    return [
        f"Cells were chosen by pictures of fewer steps, {record.look_forwards} UNet forwards each; none of these is "
        "scored or shown here."
    ]


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
