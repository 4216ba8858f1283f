"""What a search found, in sentences."""

from __future__ import annotations

from eval.store.search_record import RoundRecord, SearchRecord
from eval.wording.figure_texts import percent
from foundation.wording.said import in_series, say


def in_sentences(record: SearchRecord) -> list[str]:
    """How the finalists were found, what is certain about them, and what was left out."""
    rounds = say(": {rounds}", rounds=in_series([_round(one) for one in record.rounds])) if record.rounds else ""
    made = say("; {count} pictures were rendered for it in all", count=record.rendered) if record.rendered else ""
    share = percent(record.pictures / record.grid_pictures)
    said = [
        say(
            "Chosen among {cells} cells with {count} pictures, {share} of what showing every cell every one of these "
            "(prompt, seed) pairs would take{rounds}{made}.",
            cells=record.arms,
            count=record.pictures,
            share=share,
            rounds=rounds,
            made=made,
        ),
        *_refinement(record),
        say(
            "The {count} finalists were then scored on {pairs} fresh pairs, and only those scores are shown: what they "
            "were chosen by had luck in it.",
            count=len(record.finalists),
            pairs=record.confirm_units,
        ),
        say(
            "The recommended cell is within {within} of the best finalist, with 95 % confidence; finalists that break "
            "more limits do not count.",
            within=f"{record.within:.3f}",
        ),
    ]
    if record.certified is not None:
        said.append(
            say(
                "By the race, which drops a cell only when it is surely behind one that breaks no more limits, the "
                "recommended cell is within {within} of the best of all {cells} cells, with 95 % confidence; cells "
                "that break more limits do not count.",
                within=f"{record.certified:.3f}",
                cells=record.arms,
            )
        )
    elif record.raced and not record.rescored:
        said.append(say("The recommended cell was not in the race, so nothing is certified of it against all cells."))
    if record.out_of_budget:
        said.append(say("The budget ended the search before all that was asked for was tried."))
    if record.rescored:
        said.append(say("The finalists were chosen by other references or models than those that score them here."))
    return said + [say("Left out before anything was rendered: {reason}.", reason=line) for line in record.left_out]


def _round(one: RoundRecord) -> str:
    pairs = say("1 of {count} pairs", count=one.units) if one.dealt else say("{count} pairs", count=one.units)
    return say("{cells} cells on {pairs}, {kept} kept", cells=one.arms, pairs=pairs, kept=one.kept)


def _refinement(record: SearchRecord) -> list[str]:
    if not record.refined:
        return []
    return [
        say(
            "{count} cells of weights between and beside the grid's were tried around the best finalist, and the best "
            "{joined} joined the finalists.",
            count=record.refined,
            joined=record.joined,
        )
    ]
