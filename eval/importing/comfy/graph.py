"""A graph of ComfyUI's nodes in its API format, and the steps along its links: bounded, and never in a circle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eval.importing.metadata.told import UnclearPictureError
from foundation.typed.json_values import is_list, is_table

MOST_STEPS = 2000  # links that are followed for one picture
LONGEST_KIND = 80


@dataclass(frozen=True)
class Link:
    """An output of a node: which node, and the output's number."""

    node: str
    output: int


@dataclass(frozen=True)
class Node:
    """A node: its `kind` (`class_type`) and what each of its inputs is: a value, or a link as `[node, output]`."""

    id: str
    kind: str
    inputs: Mapping[str, object]

    @property
    def named(self) -> str:
        """What it is called in a message."""
        return f"node {self.id[:LONGEST_KIND]} (`{self.kind[:LONGEST_KIND]}`)"


@dataclass
class Graph:
    """All nodes by id. `steps`: links followed so far. `passed`: what lies on the way and shapes the picture."""

    nodes: Mapping[str, Node]
    steps: int = 0
    passed: dict[str, None] = field(default_factory=dict[str, None])

    def link(self, value: object) -> Link | None:
        """A link, or None for a value."""
        if not is_list(value) or len(value) != 2:
            return None
        node, output = value
        if not isinstance(node, (str, int)) or isinstance(node, bool) or not isinstance(output, int):
            return None
        return Link(str(node), output)

    def input_link(self, node: Node, *names: str) -> Link | None:
        """The first link among these inputs of a node."""
        return next((link for name in names if (link := self.link(node.inputs.get(name)))), None)

    def at(self, link: Link, trail: tuple[str, ...]) -> Node:
        """The node that a link comes from. Raises UnclearPictureError in a circle, and for what is not there.

        `trail`: the ids of the nodes on the way here.
        """
        self.steps += 1
        if link.node in trail:
            raise UnclearPictureError(f"its nodes are linked in a circle (node {link.node[:LONGEST_KIND]})")
        if self.steps > MOST_STEPS:
            raise UnclearPictureError(f"more than {MOST_STEPS} links lead to it")
        if link.node not in self.nodes:
            raise UnclearPictureError(f"a link leads to node {link.node[:LONGEST_KIND]}, which is not there")
        return self.nodes[link.node]

    def note(self, node: Node) -> None:
        """Keep a node on the way as a setting: its kind, and the numbers and texts that it was given."""
        given = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in sorted(node.inputs.items())
            if isinstance(value, (str, int, float)) and len(str(value)) < LONGEST_KIND
        ]
        self.passed[f"{node.kind}({', '.join(given)})"] = None


def graph_of(told: Mapping[str, object]) -> Graph:
    """The graph of a `prompt` object. Raises UnclearPictureError for what has no nodes."""
    nodes: dict[str, Node] = {}
    for key, value in told.items():
        kind = value.get("class_type") if is_table(value) else None
        if is_table(value) and isinstance(kind, str):
            inputs = value.get("inputs")
            nodes[key] = Node(key, kind, inputs if is_table(inputs) else {})
    if not nodes:
        raise UnclearPictureError("its ComfyUI graph has no nodes")
    return Graph(nodes)
