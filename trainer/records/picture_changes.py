"""What differs between the pictures of two runs, in counts and names: a mark a picture is kept in each run's record."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from foundation.wording.said import Said, say, say_many
from trainer.data.dataset import Dataset, named

# Kind and kohya folder (`train/10_ohwx girl`) -> picture's name -> hex digits of its bytes' sha256, then its caption's.
Marks: TypeAlias = dict[str, dict[str, str]]
OF_PICTURE, OF_CAPTION = 12, 8
KINDS = ("train", "reg", "held out")
# Of one picture, and of several.
CAME = {
    "train": (say("{count} train picture came ({names})"), say("{count} train pictures came ({names})")),
    "reg": (say("{count} reg picture came ({names})"), say("{count} reg pictures came ({names})")),
    "held out": (say("{count} held out picture came ({names})"), say("{count} held out pictures came ({names})")),
}
WENT = {
    "train": (say("{count} train picture went ({names})"), say("{count} train pictures went ({names})")),
    "reg": (say("{count} reg picture went ({names})"), say("{count} reg pictures went ({names})")),
    "held out": (say("{count} held out picture went ({names})"), say("{count} held out pictures went ({names})")),
}
CHANGED = say("{count} picture changed ({names})"), say("{count} pictures changed ({names})")
TOLD_OTHERWISE = say("{count} caption changed ({names})"), say("{count} captions changed ({names})")


def marks_of(dataset: Dataset) -> Marks:
    """A mark for each of the pictures: a fifth of the hashes' length tells thousands of pictures apart."""
    marks: Marks = {}
    for kind, samples in zip(KINDS, (dataset.train, dataset.reg, dataset.held_out), strict=True):
        for one in samples:
            caption = hashlib.sha256(one.caption.encode()).hexdigest()
            mark = dataset.hash_of(one)[:OF_PICTURE] + caption[:OF_CAPTION]
            marks.setdefault(f"{kind}/{one.folder}", {})[one.path.name] = mark
    return marks


def picture_changes(old: Marks, new: Marks) -> list[str]:
    """Which pictures came, went, moved to another folder or name or changed, and whose captions did; up to three names.

    Empty where nothing did, or where one of the runs has no marks.
    """
    if not old or not new:
        return []
    before, after = _flat(old), _flat(new)
    moved = _moved(before, after)
    came, went = after.keys() - before.keys() - moved.keys(), before.keys() - after.keys() - set(moved.values())
    kept = {place: place for place in before.keys() & after.keys()} | moved
    changed = [place for place, was in kept.items() if after[place][:OF_PICTURE] != before[was][:OF_PICTURE]]
    told = [place for place, was in kept.items() if after[place][OF_PICTURE:] != before[was][OF_PICTURE:]]
    words = [
        *(_counted(*CAME[kind], [one for one in came if one.startswith(f"{kind}/")]) for kind in KINDS),
        *(_counted(*WENT[kind], [one for one in went if one.startswith(f"{kind}/")]) for kind in KINDS),
        _counted(*CHANGED, changed),
        _counted(*TOLD_OTHERWISE, told),
        _moves(moved),
    ]
    return [one for one in words if one]


def _flat(marks: Marks) -> dict[str, str]:
    return {f"{folder}/{name}": mark for folder, names in marks.items() for name, mark in names.items()}


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """New place -> old place of pictures whose bytes are the same and whose place is not."""
    left: dict[str, list[str]] = {}
    for place in sorted(before.keys() - after.keys()):
        left.setdefault(before[place][:OF_PICTURE], []).append(place)
    return {
        place: left[mark].pop(0)
        for place in sorted(after.keys() - before.keys())
        if left.get(mark := after[place][:OF_PICTURE])
    }


def _counted(one: Said, several: Said, places: Iterable[str]) -> str:
    names = [place.rpartition("/")[2] for place in sorted(places)]
    said = one if len(names) == 1 else several
    return said.with_values(count=len(names), names=named(names)) if names else ""


def _moves(moved: Mapping[str, str]) -> str:
    """By folders, since a folder of other repeats is one of another name."""
    pairs = Counter(f"{was.rpartition('/')[0]} -> {now.rpartition('/')[0]}" for now, was in moved.items())
    if not moved:
        return ""
    folders = named(list(pairs))
    return say_many("{count} picture moved ({names})", "{count} pictures moved ({names})", len(moved), names=folders)
