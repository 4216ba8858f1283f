"""What `trainer caption` did, in words and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.captioning.caption import Outcome
from trainer.captioning.request import CaptionRequest

SHOWN = 5


def in_words(request: CaptionRequest, done: Outcome) -> Iterator[str]:
    """What was done, some of it shown, what was left alone and why, and what to do next."""
    if request.undo:
        yield f"{_many(len(done.restored), 'caption')} put back as they were before the last change"
    elif done.review is not None:
        proposed = (
            f"{len(done.written)} with another caption proposed" if request.models else "with the captions they have"
        )
        yield f"written: {done.review}: {done.pictures} pictures, {proposed}"
        command = f"trainer caption {request.folder} --from {done.review}"
        yield f"next: look through it, change its column `caption`, then {command}"
    else:
        written = _many(len(done.written), "caption")
        yield f"{written} written; {done.kept} of {done.pictures} pictures keep what they have"
    for change in done.written[:SHOWN]:
        yield f"  {change.file.name}: {change.caption}"
    if len(done.written) > SHOWN:
        yield f"  and {len(done.written) - SHOWN} more"
    yield from _left(request, done)
    if done.written and done.review is None:
        yield f"look at them; to put them back: trainer caption {request.folder} --undo"


def as_json(request: CaptionRequest, done: Outcome) -> dict[str, object]:
    """For programs."""
    return {
        "folder": str(request.folder),
        "pictures": done.pictures,
        "kept": done.kept,
        "without": done.without,
        "written": {str(one.file): one.caption for one in done.written},
        "review": None if done.review is None else str(done.review),
        "restored": [str(path) for path in done.restored],
        "changed_since": [str(path) for path in done.changed_since],
        "unreadable": {str(path): fault for path, fault in done.unreadable.items()},
        "said": {
            str(path): {
                slot: {
                    "phrase": one.phrase,
                    "sure": one.sure,
                    "voices": list(one.voices),
                    "speakers": list(one.speakers),
                }
                for slot, one in found.slots.items()
            }
            for path, found in done.found.items()
        },
    }


def _left(request: CaptionRequest, done: Outcome) -> Iterator[str]:
    if request.models and done.kept and not request.overwrites:
        kept = _many(done.kept, "caption")
        yield f"note: {kept} that were there are left as they are; --overwrite replaces those too"
    if done.without:
        have = f"{_many(done.without, 'picture')} {'has' if done.without == 1 else 'have'} no caption"
        yield f"note: {have}: --model clip (or blip, tagger) writes one, or proposes it with --review"
    if done.changed_since:
        yield f"note: left as they are, for they were changed meanwhile: {_names(done.changed_since)}"
    for path, fault in done.unreadable.items():
        yield f"note: {path}: {fault}; it got no caption, so replace or remove it"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" * (len(paths) > SHOWN))
