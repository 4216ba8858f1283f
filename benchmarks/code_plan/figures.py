"""The figures of the plan of the code, each with its bar and what is worst by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from code_plan.annotations import annotated
from code_plan.docstrings import documented
from code_plan.imports import arrows, import_cycles
from code_plan.modules import Code
from code_plan.repeats import lines_of, repeats
from code_plan.rooms import Rooms, arrows_upwards
from code_plan.sizes import file_lines, folder_files, function_lines

NAMED = 3


@dataclass(frozen=True)
class Figure:
    """A figure, the bar it has to pass in words, whether it does, and the worst of it, worst first."""

    name: str
    value: float
    bar: str
    is_met: bool
    worst: Sequence[str]


def measure(code: Code, rooms: Rooms) -> list[Figure]:
    """All figures."""
    found = arrows(code)
    return [
        _greatest("file_max", file_lines(code), 350),
        _greatest("function_max", function_lines(code), 60),
        _none("cycles", [" -> ".join(way) for way in import_cycles(code, found)]),
        _repeated(code, 0.01),
        _share("annotated", annotated(code), 1.0),
        _share("documented", documented(code), 0.9),
        _greatest("flat_max", folder_files(code), 16),
        _none("up_arrows", arrows_upwards(found, rooms)),
    ]


def table(figures: Sequence[Figure], worst: int) -> str:
    """The figures for a reader, with up to `worst` names each."""
    lines = [f"{'figure':<14}{'measured':>10}  {'bar':<8}"]
    for one in figures:
        measured = f"{one.value:.4f}" if isinstance(one.value, float) else str(one.value)
        lines.append(f"{one.name:<14}{measured:>10}  {one.bar:<8}{'' if one.is_met else '  missed'}")
        lines += [f"    {name}" for name in one.worst[:worst]]
        if len(one.worst) > worst:
            lines.append(f"    and {len(one.worst) - worst} more")
    return "\n".join(lines)


def _greatest(name: str, sizes: Mapping[str, int], bar: int) -> Figure:
    """The worst are those over the bar, or the greatest alone where none is."""
    by_size = sorted(sizes.items(), key=lambda one: (-one[1], one[0]))
    over = [one for one in by_size if one[1] > bar] or by_size[:1]
    value = max(sizes.values(), default=0)
    return Figure(name, value, f"<= {bar}", value <= bar, [f"{place}: {size}" for place, size in over])


def _none(name: str, faults: list[str]) -> Figure:
    return Figure(name, len(faults), "= 0", not faults, faults)


def _share(name: str, told: Mapping[str, bool], bar: float) -> Figure:
    """The worst are the files that lack most, each with the first names in it."""
    value = sum(told.values()) / len(told) if told else 1.0
    of_file = Counter(_file(place) for place in told)
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for place in (place for place, is_told in told.items() if not is_told):
        lacking[_file(place)].append(place.partition(" ")[2] or "the module")
    worst = [
        f"{file}: {len(names)} of {of_file[file]} lack it ({', '.join(names[:NAMED])}{' ...' * (len(names) > NAMED)})"
        for file, names in sorted(lacking.items(), key=lambda one: (-len(one[1]), one[0]))
    ]
    return Figure(name, value, f">= {bar}", value >= bar, worst)


def _file(place: str) -> str:
    return place.partition(":")[0]


def _repeated(code: Code, bar: float) -> Figure:
    files = lines_of(code)
    runs = sorted(repeats(files), key=lambda one: (-one.lines, one.place))
    total = sum(len(lines) for lines in files.values())
    value = sum(one.lines for one in runs) / total if total else 0.0
    worst = [f"{one.place}: {one.lines} lines, as at {one.twin}" for one in runs]
    return Figure("repeats", value, f"< {bar}", value < bar, worst)
