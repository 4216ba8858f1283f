"""Circles in a graph, whatever its nodes are: modules, or folders."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

Graph = Mapping[str, Iterable[str]]


def circles(graph: Graph) -> list[list[str]]:
    """A shortest way round of every strongly connected component, and of every node that points at itself.

    Each begins and ends with the same node; components of one node that does not point at itself are no circle.
    """
    reached = {node: _reached(graph, node) for node in graph}
    found: list[list[str]] = []
    seen: set[str] = set()
    for node in sorted(graph):
        if node in seen or node not in reached[node]:
            continue
        component = {other for other in reached[node] if node in reached.get(other, ())}
        seen |= component
        found.append(_way_round(graph, node))
    return found


def _reached(graph: Graph, start: str) -> set[str]:
    """All nodes that a path of at least one arrow leads to."""
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting.extend(graph.get(node, ()))
    return reached


def _way_round(graph: Graph, start: str) -> list[str]:
    """A shortest path from `start` back to it; there must be one."""
    waiting = deque([[start]])
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        for node in sorted(graph.get(path[-1], ())):
            if node == start:
                return [*path, node]
            if node not in seen:
                seen.add(node)
                waiting.append([*path, node])
    raise ValueError(f"{start} is on no circle")
