"""Steps back along a workflow's links, past nodes that are not known: it is the user's own, and draws what it draws."""

from __future__ import annotations

from collections.abc import Iterator

from eval.importing.comfy.conditioning import EFFICIENT, EMPTY, ENCODERS
from eval.importing.comfy.graph import Graph, Link, Node

# What no words come by.
_NO_WORDS = frozenset(
    ["model", "clip", "vae", "image", "images", "pixels", "latent", "samples", "latent_image", "control_net", "mask",
     "style_model", "clip_vision_output", "guider", "noise", "sigmas", "sampler"]
)  # fmt: skip


def links_of(graph: Graph, node: Node) -> Iterator[tuple[str, Link]]:
    """A node's inputs that are links to nodes that are there."""
    for name, value in node.inputs.items():
        link = graph.link(value)
        if link is not None and link.node in graph.nodes:
            yield name, link


def behind(graph: Graph, start: str) -> dict[str, Node]:
    """All nodes that a node's result hangs on, itself first, by id."""
    found: dict[str, Node] = {}
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if one not in found and one in graph.nodes:
            found[one] = graph.nodes[one]
            waiting += [link.node for _, link in links_of(graph, graph.nodes[one])]
    return found


def encoders_behind(graph: Graph, link: Link | None) -> dict[tuple[str, int], Node]:
    """What reads the words of a conditioning, by node and by the output that is asked for."""
    found: dict[tuple[str, int], Node] = {}
    seen: set[tuple[str, int]] = set()
    waiting = [link] if link else []
    while waiting:
        one = waiting.pop()
        place = (one.node, one.output)
        if place in seen or one.node not in graph.nodes:
            continue
        seen.add(place)
        node = graph.nodes[one.node]
        if node.kind in ENCODERS or node.kind in EFFICIENT:
            found[place] = node
        elif node.kind != EMPTY:
            waiting += _onward(graph, node, one)
    return found


def _onward(graph: Graph, node: Node, link: Link) -> list[Link]:
    """Of a node with words to and words against, the side that is asked for; else all that may bring words."""
    sides = [graph.input_link(node, "positive"), graph.input_link(node, "negative")]
    if any(sides) and link.output < len(sides):
        chosen = sides[link.output]
        return [chosen] if chosen else []
    return [further for name, further in links_of(graph, node) if name not in _NO_WORDS]


def source_of(graph: Graph, link: Link | None, name: str) -> tuple[list[Node], Link | None]:
    """The nodes that a model (or a CLIP) passes, the nearest first, and the link at the far end of them."""
    passed: list[Node] = []
    while link is not None and link.node in graph.nodes and len(passed) < len(graph.nodes):
        node = graph.nodes[link.node]
        onward = graph.input_link(node, name)
        if onward is None and node.kind.startswith("Reroute"):
            onward = next((one for _, one in links_of(graph, node)), None)
        if onward is None:
            return passed, link
        passed.append(node)
        link = onward
    return passed, link
