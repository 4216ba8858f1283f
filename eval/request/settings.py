"""Several ways to draw one grid: base models, samplers, steps and CFG that a specification lists, each an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from eval.request.cells import Sampling
from foundation.typed.json_values import is_list, is_table

# The keys that may be lists, by table; what a way to draw is, in this order.
AXES = (("model", "base"), ("sampler", "name"), ("sampler", "steps"), ("sampler", "cfg"))


@dataclass(frozen=True)
class Setting:
    """What a row is drawn with, as far as it varies in its grid; None where it does not."""

    base: str | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None

    def __str__(self) -> str:
        told = (
            self.base,
            self.sampler,
            None if self.steps is None else f"{self.steps} steps",
            None if self.cfg is None else f"CFG {self.cfg:g}",
        )
        return ", ".join(one for one in told if one)


UNVARIED = Setting()


def combined(tables: Mapping[str, object]) -> list[dict[str, object]]:
    """A specification's tables with each combination of what it lists, the base model's changing slowest.

    Raises ValueError for a list without an entry, or with one twice.
    """
    listed: dict[tuple[str, str], list[object]] = {}
    for table, key in AXES:
        section = tables.get(table)
        values = section.get(key) if is_table(section) else None
        if is_list(values):
            if not values or any(one in values[:at] for at, one in enumerate(values)):
                raise ValueError(f"{table}.{key}: a list names at least one, and none twice")
            listed[table, key] = values
    return [_with(tables, dict(zip(listed, values, strict=True))) for values in product(*listed.values())]


def _with(tables: Mapping[str, object], chosen: Mapping[tuple[str, str], object]) -> dict[str, object]:
    changed = dict(tables)
    for (table, key), value in chosen.items():
        section = changed[table]
        assert is_table(section)
        changed[table] = {**section, key: value}
    return changed


def or_a_list(schema: dict[str, Any]) -> None:
    """Let a key's JSON schema take a list of what it takes, too: an axis."""
    told = {key: schema.pop(key) for key in ("default", "description", "title") if key in schema}
    one = dict(schema)
    schema.clear()
    schema |= told | {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def settings_of(drawn: Sequence[tuple[str, Sampling]]) -> list[Setting]:
    """What to call each way to draw: base model's names and samplings, by what varies among them."""
    samplings = [sampling for _, sampling in drawn]
    several = [len({getattr(one, key) for one in samplings}) > 1 for key in ("base", "sampler", "steps", "cfg")]
    called = {one.base: name for name, one in drawn}
    alike = len(set(called.values())) < len(called)
    return [
        Setting(
            (f"{name} ({one.base[:8]})" if alike else name) if several[0] else None,
            one.sampler if several[1] else None,
            one.steps if several[2] else None,
            one.cfg if several[3] else None,
        )
        for name, one in drawn
    ]
