"""Votes, kept beside the pictures they are about: who answered what, and when.

`votes.jsonl` in the store's folder has a line for each vote, and for each one that was taken back: nothing in it is
ever changed, so several people may vote at once. It is a file of its own, because a store that changes is ranked anew.
Cells are known by their tensors, so votes outlive rankings and names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from eval.voting.vote import ANSWERS, Answer, Pair, Vote, VoteError
from foundation.files import why_unopenable
from foundation.text_files import parsing_fault, read_text
from foundation.typed.json_values import is_table, parse_json

FILE_NAME = "votes.jsonl"
LONGEST_NAME = 60
_TAKEN_BACK = "taken back"


def keep_vote(store: Path, vote: Vote) -> None:
    """Write it down at once, in the store's folder. Raises VoteError where it cannot be, or has no voter's name."""
    _append(
        store,
        {
            "voter": checked_name(vote.voter),
            "at": vote.at.astimezone(UTC).isoformat(timespec="seconds"),
            "answer": vote.answer,
            "left": vote.pair.left,
            "right": vote.pair.right,
            "prompt": vote.pair.prompt,
            "seed": vote.pair.seed,
        },
    )


def take_back(store: Path, voter: str, at: datetime) -> Vote | None:
    """Take a voter's last vote back, and say which it was; None where there is none. Raises VoteError."""
    name = checked_name(voter)
    own = [vote for vote in kept_votes(store) if vote.voter == name]
    if not own:
        return None
    _append(store, {"voter": name, "at": at.astimezone(UTC).isoformat(timespec="seconds"), "answer": _TAKEN_BACK})
    return own[-1]


def kept_votes(store: Path) -> list[Vote]:
    """All that count, as they were cast. Raises VoteError for a line that is no vote, by its number."""
    found: dict[int, Vote] = {}
    standing: dict[str, list[int]] = {}
    for number, (place, row) in enumerate(_rows(store / FILE_NAME)):
        voter = str(row.get("voter", ""))
        own = standing.setdefault(voter, [])
        if row.get("answer") != _TAKEN_BACK:
            found[number] = _vote(row, voter, place)
            own.append(number)
        elif own:
            del found[own.pop()]
    return list(found.values())


def checked_name(voter: str) -> str:
    """A voter's name without blanks around it. Raises VoteError for none, or one that is too long."""
    name = " ".join(voter.split())
    if not name or len(name) > LONGEST_NAME:
        raise VoteError(f"a voter's name has 1 to {LONGEST_NAME} letters; several people vote under their own names")
    return name


def _append(store: Path, row: dict[str, object]) -> None:
    """One write at the file's end, on the disk before this returns. What a kill cut short stays a line of its own."""
    path = store / FILE_NAME
    line = f"{json.dumps(row, ensure_ascii=False)}\n".encode()
    _check_is_own(path)
    try:
        with path.open("a+b") as stream:
            stream.write(line if _ends_a_line(stream) else b"\n" + line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise VoteError(
            f"{path}: the vote could not be kept ({error.strerror}); allow the folder to this user, make room, and "
            "vote again"
        ) from None


def _check_is_own(path: Path) -> None:
    """Raise VoteError for what is no file of the store's own: a link's end may be anybody's, a pipe is waited for."""
    fault = "is a link" if path.is_symlink() else why_unopenable(path) if path.exists() else None
    if fault:
        raise VoteError(f"{path}: {fault}, and votes are kept in the store's own file; move it away")


def _ends_a_line(stream: BinaryIO) -> bool:
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - 1))
    return stream.read(1) in (b"", b"\n")


def _rows(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Each line with its place in words. A last line without an end, and one that a kill cut, is no vote."""
    _check_is_own(path)
    if not path.exists():
        return
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = parse_json(line) if line else None
        except ValueError as error:
            if not line.endswith("}"):
                continue
            raise VoteError(f"{path}: line {number} is no vote ({parsing_fault(error)}); delete that line") from None
        if is_table(row):
            yield f"{path}: line {number}", row


def _vote(row: dict[str, object], voter: str, place: str) -> Vote:
    answer: Answer | None = next((one for one in ANSWERS if one == row.get("answer")), None)
    seed, at = row.get("seed"), _moment(row.get("at"))
    texts = [row.get(key) for key in ("left", "right", "prompt")]
    if answer is None or at is None or not isinstance(seed, int) or not all(isinstance(one, str) for one in texts):
        raise VoteError(f"{place} is no vote; it was changed by hand: mend or delete it")
    left, right, prompt = map(str, texts)
    return Vote(Pair(left, right, prompt, seed), answer, voter, at)


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
