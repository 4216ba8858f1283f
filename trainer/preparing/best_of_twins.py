"""Of one picture that a dataset has several times: which of them stays on a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.checking.findings import CheckedPicture, Finding, Report

TWINS = ("same_file", "near_same", "reg_twins")
LOSSLESS = 101  # beside the qualities of JPEGs, 1 to 100
UNKNOWN = 90  # WebP and others that may have lost something: like a good JPEG


def keep_best_of_twins(found: dict[Path, list[Finding]], report: Report) -> None:
    """Lay the findings about twins upon those that are to go. A check names the later ones, whichever is better."""
    pictures = {one.path: one for one in report.pictures}
    told = [one for one in report.findings if one.rule in TWINS and one.path is not None and len(one.others) == 1]
    for findings in _groups(told):
        by_later = {one.path: one for one in findings if one.path is not None}
        members = list(dict.fromkeys(path for one in findings for path in (*one.others, one.path) if path is not None))
        best = max(members, key=lambda path: _worth(pictures.get(path)))
        if best not in by_later:
            continue
        for later, finding in by_later.items():
            found[later].remove(finding)
        for path in members:
            if path != best:
                found.setdefault(path, []).append(by_later.get(path, by_later[best]))


def _groups(told: Sequence[Finding]) -> list[list[Finding]]:
    """The findings that speak of one picture: a copy of a copy is one of the first's, too."""
    first: dict[Path, Path] = {}

    def origin(path: Path) -> Path:
        while path in first:
            path = first[path]
        return path

    for one in told:
        later, earlier = origin(one.path or Path()), origin(one.others[0])
        if later != earlier:
            first[later] = earlier
    groups: dict[Path, list[Finding]] = {}
    for one in told:
        groups.setdefault(origin(one.others[0]), []).append(one)
    return list(groups.values())


def _worth(one: CheckedPicture | None) -> tuple[int, int, bool, int]:
    """More pixels, less lost to compression, upright as it lies, and more said of it; of equals the first stays."""
    if one is None:
        return 0, 0, False, 0
    return _pixels(one.measured), _quality(one.measured), not one.measured.get("turned"), len(one.caption)


def _pixels(measured: Mapping[str, object]) -> int:
    width, height = measured.get("width"), measured.get("height")
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


def _quality(measured: Mapping[str, object]) -> int:
    quality = measured.get("jpeg_quality")
    if isinstance(quality, int):
        return quality
    return LOSSLESS if measured.get("format") in ("PNG", "BMP", "TIFF", None) else UNKNOWN
