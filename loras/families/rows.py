"""A family's modules as rows of one table: the original naming beside diffusers', fused projections beside their parts.

The original naming is that of the model's own release, which ComfyUI and most of kohya's trainers keep. `#` stands for
a block's number. A projection that the original fuses (`qkv`) and diffusers splits is one row with several parts, in
the order of its outputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

_NUMBER = re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])")


@dataclass(frozen=True)
class Share:
    """The outputs `start` to `stop` of `of` equal shares of a module's; all of them where nothing is split."""

    start: int = 0
    stop: int = 1
    of: int = 1

    def rows(self, outputs: int) -> slice:
        """The rows of a weight with that many outputs. Raises ValueError where they do not divide."""
        if outputs % self.of:
            raise ValueError(f"{outputs} outputs do not divide into {self.of} shares")
        one = outputs // self.of
        return slice(self.start * one, self.stop * one)


ALL = Share()


@dataclass(frozen=True)
class Place:
    """Where a module lies in another naming: its path there, and a share of outputs.

    `share` is of the module's own outputs where it is split there, and of the place's where it is a part there.
    `swapped`: the two halves of the outputs (shift and scale) change places on the way, if there are twice as many
    outputs as inputs.
    """

    path: str
    share: Share = ALL
    swapped: bool = False


@dataclass(frozen=True)
class Row:
    """One module: its original path, and diffusers' path, or several with how many shares of the outputs each has.

    `own` is the path whose underscored form is the module's name here: kohya's trainers' own. `parts` are the names of
    a fused projection's parts. `also` are further spellings of the whole. `ratio` is outputs over inputs, where it
    tells families apart.
    """

    original: str
    diffusers: tuple[str, ...]
    shares: tuple[int, ...] = (1,)
    own: str = ""
    parts: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    swapped: bool = False
    ratio: float | None = None

    @property
    def name(self) -> str:
        """The path that names it here."""
        return self.own or self.original

    @property
    def is_fused(self) -> bool:
        """Whether diffusers keeps it as several modules."""
        return len(self.diffusers) > 1

    def share(self, part: int) -> Share:
        """Which of the whole's outputs are a part's."""
        start = sum(self.shares[:part])
        return Share(start, start + self.shares[part], sum(self.shares))

    def part_path(self, part: int) -> str:
        """The path that names a part here: the whole's, its last word replaced."""
        return f"{self.original.rpartition('.')[0]}.{self.parts[part]}"


@dataclass(frozen=True)
class Match:
    """A row with its block's numbers; `part` where it is a part of a fused one, else None.

    `reordered`: found by diffusers' path, where that one's outputs are in another order than the original's.
    """

    row: Row
    numbers: tuple[str, ...]
    part: int | None = None
    reordered: bool = False

    @property
    def name(self) -> str:
        """The module's path here, numbers put in."""
        return self.filled(self.row.name if self.part is None else self.row.part_path(self.part))

    def filled(self, template: str) -> str:
        """A path of the row with this module's numbers."""
        numbers = iter(self.numbers)
        return re.sub("#", lambda _: next(numbers), template)

    def to_diffusers(self) -> tuple[Place, ...]:
        """diffusers' modules for it: several, each with its share, where it is fused."""
        row = self.row
        if self.part is not None:
            return (Place(self.filled(row.diffusers[self.part])),)
        if not row.is_fused:
            return (Place(self.filled(row.diffusers[0]), ALL, row.swapped),)
        return tuple(Place(self.filled(path), row.share(at)) for at, path in enumerate(row.diffusers))

    def to_original(self) -> Place:
        """The original module, and for a part which of that one's outputs it is."""
        share = ALL if self.part is None else self.row.share(self.part)
        return Place(self.filled(self.row.original), share)


@dataclass(frozen=True)
class Rows:
    """The rows of a model or of a text encoder, looked up by path: dotted, or with underscores as kohya joins it."""

    rows: tuple[Row, ...]

    def find(self, path: str) -> Match | None:
        """The module of a path in any naming, or None. `path` may be dotted or underscored."""
        matches = (_matched(pattern, match, path) for pattern, match in self._by_shape.get(_shape(path), ()))
        return next((found for found in matches if found is not None), None)

    @cached_property
    def _by_shape(self) -> Mapping[str, Sequence[tuple[re.Pattern[str], Match]]]:
        """By a path without its numbers, all ways to read it; the naming here first."""
        found: dict[str, list[tuple[re.Pattern[str], Match]]] = {}
        for template, match in self._templates():
            for spelt in dict.fromkeys((template, template.replace(".", "_"))):
                found.setdefault(_shape(spelt), []).append((_pattern(spelt), match))
        return found

    def _templates(self) -> Sequence[tuple[str, Match]]:
        found: list[tuple[str, Match]] = []
        for row in self.rows:
            whole = Match(row, ())
            found += [(path, whole) for path in dict.fromkeys((row.name, row.original, *row.also))]
            if row.is_fused:
                parts = [Match(row, (), at) for at in range(len(row.diffusers))]
                found += [(row.part_path(at), part) for at, part in enumerate(parts)]
                found += [(row.diffusers[at], part) for at, part in enumerate(parts)]
            elif row.diffusers[0] not in (row.name, row.original):
                found.append((row.diffusers[0], Match(row, (), reordered=row.swapped)))
        return found


def _shape(path: str) -> str:
    """A path with `#` for every number that stands by itself."""
    return _NUMBER.sub("#", path)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("".join(r"(\d+)" if part == "#" else re.escape(part) for part in re.split("(#)", template)))


def _matched(pattern: re.Pattern[str], match: Match, path: str) -> Match | None:
    found = pattern.fullmatch(path)
    return None if found is None else replace(match, numbers=found.groups())


@dataclass(frozen=True)
class Fused:
    """A projection that diffusers splits: its modules' paths there, their shares, and the parts' names here."""

    diffusers: tuple[str, ...]
    shares: tuple[int, ...] = (1, 1, 1)
    parts: tuple[str, ...] = ("to_q", "to_k", "to_v")
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    """diffusers' path of a module of which more is to be said: see `Row`."""

    diffusers: str
    own: str = ""
    swapped: bool = False
    also: tuple[str, ...] = ()


Modules = Mapping[str, str | Fused | Other]


def table(original: str, diffusers: str, modules: Modules, ratios: Mapping[str, float] | None = None) -> list[Row]:
    """The rows of one kind of block: `original` and `diffusers` are its prefixes, `modules` paths within it.

    An empty value means that both namings have the same path. `ratios`: outputs over inputs, by original path.
    """
    return [_row(original, diffusers, inner, there, (ratios or {}).get(inner)) for inner, there in modules.items()]


def _row(original: str, diffusers: str, inner: str, there: str | Fused | Other, ratio: float | None) -> Row:
    path = f"{original}{inner}"
    if isinstance(there, Fused):
        paths = tuple(f"{diffusers}{name}" for name in there.diffusers)
        also = tuple(f"{diffusers}{name}" for name in there.also)
        return Row(path, paths, there.shares, parts=there.parts, also=also, ratio=ratio)
    if isinstance(there, str):
        return Row(path, (f"{diffusers}{there or inner}",), ratio=ratio)
    also = tuple(f"{diffusers}{name}" for name in there.also)
    own = f"{original}{there.own}" if there.own else ""
    return Row(path, (f"{diffusers}{there.diffusers}",), own=own, also=also, swapped=there.swapped, ratio=ratio)
