"""A workflow with everything of one picture put in: what a server is sent, and what its picture has to tell again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.importing.comfy.graph import Link
from eval.workflows.template import MODEL_ONLY, LoraPlace, Template, batches_in
from foundation.typed.json_values import is_list, is_table

OUTPUT = "lora-studio-picture"
_LORA = "lora-studio-lora-{}"

Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class LoraAt:
    """A LoRA by the name that the server has for it, at its strengths."""

    name: str
    model: float
    clip: float


def drawn_graph(template: Template, fields: Mapping[str, object], loras: Sequence[LoraAt]) -> Graph:
    """`fields`: values by field; each goes to its places. No LoRA is the workflow without any in that place.

    Only what the picture hangs on is kept; it is shown as a PreviewImage, a PNG with the graph in it.
    """
    inputs: dict[str, dict[str, object]] = {key: dict(node.inputs) for key, node in template.graph.nodes.items()}
    for one in batches_in(template.graph):
        inputs[one.node][one.input] = 1
    for key, value in fields.items():
        for place in template.places.get(key, ()):
            inputs[place.node][place.input] = value
    kinds = {key: node.kind for key, node in template.graph.nodes.items()}
    place = template.lora
    ends = _ends(place, len(loras))
    for given in inputs.values():
        for name, value in given.items():
            if end := ends.get(_link_of(template, value)):
                given[name] = list(end)
    for number, lora in enumerate(loras, 1):
        node = _LORA.format(number)
        kinds[node], inputs[node] = place.kind, _loader(place, number, lora)
    kinds[OUTPUT] = "PreviewImage"
    inputs[OUTPUT] = {"images": [template.picture.node, template.picture.output]}
    return _leading_to(OUTPUT, {key: {"class_type": kinds[key], "inputs": inputs[key]} for key in kinds})


def _link_of(template: Template, value: object) -> tuple[str, int] | None:
    link = template.graph.link(value)
    return None if link is None else (link.node, link.output)


def _ends(place: LoraPlace, count: int) -> dict[tuple[str, int] | None, tuple[str, int]]:
    """Where links lead instead, by where they led: to the last LoRA, or past the place where there is none."""
    sources = [place.model, place.clip]
    if place.replaces is None:
        before = [(link.node, link.output) if link else None for link in sources]
    else:
        before = [(place.replaces, 0), (place.replaces, 1) if place.clip else None]
    after = [(link.node, link.output) if link else None for link in sources]
    if count:
        last = _LORA.format(count)
        after = [(last, 0), (last, 1) if place.reads_words else after[1]]
    return {old: new for old, new in zip(before, after, strict=True) if old and new and old != new}


def _loader(place: LoraPlace, number: int, lora: LoraAt) -> dict[str, object]:
    def before(source: Link, output: int) -> list[object]:
        return [source.node, source.output] if number == 1 else [_LORA.format(number - 1), output]

    given: dict[str, object] = {"lora_name": lora.name, "model": before(place.model, 0)}
    if place.kind in MODEL_ONLY:
        return given | {MODEL_ONLY[place.kind]: lora.model}
    assert place.clip is not None, "a loader for both has a CLIP"
    return given | {"clip": before(place.clip, 1), "strength_model": lora.model, "strength_clip": lora.clip}


def _leading_to(last: str, nodes: Graph) -> Graph:
    """The nodes that one hangs on."""
    kept: set[str] = set()
    waiting = [last]
    while waiting:
        one = waiting.pop()
        if one in nodes and one not in kept:
            kept.add(one)
            waiting += [str(value[0]) for value in nodes[one]["inputs"].values() if is_list(value) and len(value) == 2]
    return {key: node for key, node in nodes.items() if key in kept}


def same_graph(told: object, asked: Mapping[str, object]) -> bool:
    """Whether a picture tells of the very graph that was asked for; what a server adds to nodes does not count."""
    if not is_table(told) or told.keys() != asked.keys():
        return False
    return all(_essence(told[key]) == _essence(asked[key]) for key in asked)


def _essence(node: object) -> object:
    return (node.get("class_type"), node.get("inputs")) if is_table(node) else node


def literal_inputs(graph: Graph) -> Iterable[tuple[str, str, str, object]]:
    """Every node, its kind, and each of its inputs that is a value."""
    for key, node in graph.items():
        for name, value in node["inputs"].items():
            if not isinstance(value, list):
                yield key, str(node["class_type"]), name, value
