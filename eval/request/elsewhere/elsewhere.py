"""A grid whose pictures a user's own program draws: which servers, with what, and what they draw by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tool = Literal["ComfyUI", "A1111"]


@dataclass(frozen=True)
class Own:
    """What a server draws with where the specification does not say: `base` is a hash of all of it, `name` for people.

    0 and "" stand for what is not told.
    """

    base: str
    name: str
    sampler: str = ""
    steps: int = 0
    cfg: float = 0.0
    width: int = 0
    height: int = 0
    negative: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """`said`: the keys of [sampler], and "negative", that the specification says itself, and that are set there.

    `headers` go with every request; `patience`: seconds without a sign of life; `checkpoint`: A1111's model, or "" for
    the loaded one. `workflow`: ComfyUI's graph in API format; `named`, `lora`, `output`: what the specification names
    in it of fields ("NODE.INPUT") and nodes.
    """

    tool: Tool
    servers: tuple[str, ...]
    own: Own
    said: frozenset[str]
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    patience: float = 600.0
    checkpoint: str = ""
    workflow: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    lora: str | None = None
    output: str | None = None
