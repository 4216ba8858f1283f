"""What a search found, in sentences."""

from __future__ import annotations

from eval.store.search_record import RoundRecord, SearchRecord
from eval.wording.figure_texts import percent
from foundation.wording.said import in_series, say


def in_sentences(record: SearchRecord) -> list[str]:
    """How the finalists were found, what is certain about them, and what was left out."""
    rounds = say(": {rounds}", rounds=in_series([_round(one) for one in record.rounds])) if record.rounds else ""
    said = [
        say(
            "Chosen among {cells} cells with {what} of what showing every cell every one of these (prompt, seed) pairs "
            "would take{rounds}{made}.",
            cells=record.arms,
            what=_cost(record),
            rounds=rounds,
            made=_made(record),
        ),
        *_looks(record),
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


def _cost(record: SearchRecord) -> str:
    """Pictures of cells, and what they took, as a share."""
    if not record.grid_forwards:
        share = percent(record.pictures / record.grid_pictures)
        return say("{count} pictures, {share}", count=record.pictures, share=share)
    return say(
        "{count} pictures in {forwards} UNet forwards, {share}",
        count=record.pictures,
        forwards=record.forwards,
        share=percent(record.forwards / record.grid_forwards),
    )


def _made(record: SearchRecord) -> str:
    if not record.rendered:
        return ""
    took = say(" in {forwards} UNet forwards", forwards=record.rendered_forwards) if record.rendered_forwards else ""
    time = say(" and {seconds} s", seconds=f"{record.rendered_seconds:.0f}") if record.rendered_seconds else ""
    pictures = record.rendered
    return say("; {count} pictures were rendered for it in all{took}{time}", count=pictures, took=took, time=time)


def _looks(record: SearchRecord) -> list[str]:
    if not record.look_forwards:
        return []
    return [
        say(
            "Cells were chosen by pictures of fewer steps, {forwards} UNet forwards each; none of these is scored or "
            "shown here.",
            forwards=record.look_forwards,
        )
    ]


def _round(one: RoundRecord) -> str:
    if one.since:
        pairs = say("{count} more pairs", count=one.units - one.since)
    else:
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
