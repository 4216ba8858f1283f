"""A workflow with its fields found: where the LoRA, the prompt, the seed and what else is set go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from eval.importing.comfy.conditioning import EFFICIENT, ENCODERS
from eval.importing.comfy.graph import Graph, Link, Node, graph_of
from eval.importing.comfy.image_path import BATCHES, EMPTY, SAMPLERS, savers_in
from eval.importing.comfy.lora_nodes import LORA_NODES
from eval.importing.comfy.sampled import GUIDERS
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.workflows.walking import behind, encoders_behind, source_of
from eval.workflows.workflow_file import WorkflowError

# Loaders that are kept as they are; what else puts LoRAs on is replaced by the core's loader.
MODEL_ONLY: Mapping[str, str] = {
    "LoraLoaderModelOnly": "strength_model",
    "NunchakuFluxLoraLoader": "lora_strength",
}
BOTH = "LoraLoader"
IMAGES = ("images", "image")
_NOT_WORDS = ("system_prompt",)


@dataclass(frozen=True)
class Place:
    """An input of a node."""

    node: str
    input: str

    def __str__(self) -> str:
        return f"{self.node}.{self.input}"


@dataclass(frozen=True)
class LoraPlace:
    """Where LoRAs are put on: by nodes of `kind`, on what `model` and `clip` bring. `replaces`: the node that did."""

    kind: str
    model: Link
    clip: Link | None
    replaces: str | None

    @property
    def reads_words(self) -> bool:
        """Whether it acts on text encoders, too."""
        return self.kind == BOTH and self.clip is not None


@dataclass(frozen=True)
class Template:
    """A workflow's nodes as far as its picture hangs on them, and where everything goes that a grid sets."""

    graph: Graph
    picture: Link
    lora: LoraPlace
    places: Mapping[str, tuple[Place, ...]]
    samplers: tuple[Node, ...]


def template_of(elsewhere: Elsewhere) -> Template:
    """Find the fields. Raises WorkflowError for one that is not there or not clear, with the key that names it."""
    whole = graph_of(elsewhere.workflow)
    saver = _saver(whole, elsewhere.output)
    graph = Graph(behind(whole, saver.id))
    picture = graph.input_link(saver, *IMAGES)
    assert picture is not None, "a saver is known by its picture"
    samplers = tuple(node for node in graph.nodes.values() if node.kind in SAMPLERS)
    named = {key: _named(graph, key, told) for key, told in elsewhere.named.items()}
    if not samplers and not {"prompt", "seed"} <= named.keys():
        raise WorkflowError(
            '[comfy] workflow: has no sampler that is known; name its fields, as prompt = "6.text", seed = "3.seed"'
        )
    places = {**_found(graph, samplers, elsewhere, named), **named}
    return Template(graph, picture, _lora_place(graph, samplers, elsewhere, places), places, samplers)


def _saver(graph: Graph, asked: str | None) -> Node:
    found = savers_in(graph, "")
    if asked is not None:
        node = graph.nodes.get(asked)
        if node is None or graph.input_link(node, *IMAGES) is None:
            raise WorkflowError(
                f"[comfy] output: the workflow has no node {asked} that takes a picture{_listed(found)}"
            )
        return node
    if len(found) == 1:
        return found[0]
    what = "no node saves a picture" if not found else f"{len(found)} nodes save a picture"
    raise WorkflowError(f"[comfy] workflow: {what}; name one as output{_listed(found)}")


def _listed(nodes: list[Node]) -> str:
    return f" (it has {', '.join(one.named for one in nodes[:5])})" if nodes else ""


def _named(graph: Graph, key: str, told: tuple[str, ...]) -> tuple[Place, ...]:
    """Places as they are named. Raises WorkflowError for one that is not there."""
    places = [Place(*one.rpartition(".")[::2]) for one in told]
    for one in places:
        if one.node not in graph.nodes:
            raise WorkflowError(f"[comfy] {key}: no node {one.node} leads to the picture")
        if one.input not in (inputs := graph.nodes[one.node].inputs):
            raise WorkflowError(f"[comfy] {key}: {graph.nodes[one.node].named} has no {one.input}: {', '.join(inputs)}")
    return tuple(places)


def _found(
    graph: Graph, samplers: tuple[Node, ...], elsewhere: Elsewhere, named: Mapping[str, tuple[Place, ...]]
) -> dict[str, tuple[Place, ...]]:
    """The places of all fields that are set and not named. Raises WorkflowError."""
    found = {
        key: find(graph, samplers, key)
        for key, (word, find) in _FINDERS.items()
        if key not in named and (not word or word in elsewhere.said)
    }
    words = {**found, **named}.get("prompt", ())
    if "negative" in found:
        found["negative"] = tuple(one for one in found["negative"] if one not in words)
    if empty := next((key for key, places in found.items() if not places), None):
        raise WorkflowError(f'[comfy] workflow: no {empty} is found by type; name it, as {empty} = "NODE.INPUT"')
    return found


def _words(graph: Graph, samplers: tuple[Node, ...], key: str) -> tuple[Place, ...]:
    """The texts of what reads the words. Raises WorkflowError where several nodes read words to be drawn."""
    found: dict[tuple[str, int], Node] = {}
    for sampler in samplers:
        holder = _guider(graph, sampler) or sampler
        names = GUIDERS.get(holder.kind, ("positive", "negative"))
        name = names[0] if key == "prompt" else names[1]
        found |= encoders_behind(graph, graph.input_link(holder, name) if name else None)
    if len(found) > 1 and key == "prompt":
        listed = ", ".join(node.named for node in found.values())
        raise WorkflowError(f'[comfy] prompt: several nodes read words: {listed}; name one, as prompt = "NODE.INPUT"')
    return tuple(
        Place(node.id, name)
        for (_, output), node in found.items()
        for name in ([EFFICIENT[node.kind][output]] if node.kind in EFFICIENT else ENCODERS[node.kind])
        if name in node.inputs and name not in _NOT_WORDS
    )


def _guider(graph: Graph, sampler: Node) -> Node | None:
    link = graph.input_link(sampler, "guider")
    return graph.nodes.get(link.node) if link else None


def _seeds(graph: Graph, samplers: tuple[Node, ...], key: str) -> tuple[Place, ...]:
    del key
    return tuple(_seeds_of(graph, samplers))


def _seeds_of(graph: Graph, samplers: tuple[Node, ...]) -> Iterator[Place]:
    for sampler in samplers:
        key = SAMPLERS[sampler.kind]
        link = graph.input_link(sampler, "noise")
        noise = graph.nodes.get(link.node) if link else None
        if key and key in sampler.inputs:
            yield Place(sampler.id, key)
        elif noise is not None and "noise_seed" in noise.inputs:
            yield Place(noise.id, "noise_seed")


def _set_of_sampler(graph: Graph, samplers: tuple[Node, ...], key: str) -> tuple[Place, ...]:
    """Where a sampler's setting stands. Raises WorkflowError for none, or for several samplers."""
    inputs = {"steps": "steps", "cfg": "cfg", "sampler": "sampler_name", "scheduler": "scheduler"}[key]
    if len(samplers) != 1:
        named = ", ".join(one.named for one in samplers) or "none that is known"
        raise WorkflowError(f"[comfy] {key}: the workflow's samplers are {named}; name where it goes ({key} = ..)")
    for node in _settings_of(graph, samplers[0]):
        if inputs in node.inputs:
            return (Place(node.id, inputs),)
    raise WorkflowError(f"[comfy] {key}: {samplers[0].named} has none that is found; name where it goes ({key} = ..)")


def _settings_of(graph: Graph, sampler: Node) -> Iterator[Node]:
    """The sampler, and the nodes that hold its guidance, its schedule and its method."""
    yield sampler
    for name in ("guider", "sigmas", "sampler"):
        link = graph.input_link(sampler, name)
        while link is not None and link.node in graph.nodes:
            node = graph.nodes[link.node]
            yield node
            link = graph.input_link(node, name)


def _sizes(graph: Graph, samplers: tuple[Node, ...], key: str) -> tuple[Place, ...]:
    del samplers
    spellings = (key, f"empty_latent_{key}")
    return tuple(
        Place(node.id, name)
        for node in graph.nodes.values()
        if node.kind in EMPTY
        for name in spellings
        if name in node.inputs
    )


_Find = Callable[[Graph, tuple[Node, ...], str], tuple[Place, ...]]
# How each field is found, and the word of the specification that it is set for; "" for always.
_FINDERS: Mapping[str, tuple[str, _Find]] = {
    "prompt": ("", _words),
    "negative": ("negative", _words),
    "seed": ("", _seeds),
    "steps": ("steps", _set_of_sampler),
    "cfg": ("cfg", _set_of_sampler),
    "sampler": ("name", _set_of_sampler),
    "scheduler": ("name", _set_of_sampler),
    "width": ("width", _sizes),
    "height": ("height", _sizes),
}


def batches_in(graph: Graph) -> Iterator[Place]:
    """Where a workflow says how many pictures it draws at once."""
    for node in graph.nodes.values():
        if node.kind in EMPTY:
            yield from (Place(node.id, name) for name in BATCHES if name in node.inputs)


def _lora_place(
    graph: Graph, samplers: tuple[Node, ...], elsewhere: Elsewhere, places: Mapping[str, tuple[Place, ...]]
) -> LoraPlace:
    """By name, or the one loader on the way to the model, or behind the base model's own loader."""
    if elsewhere.lora is not None:
        return _in_place_of(graph, elsewhere.lora)
    loaders: dict[str, Node] = {}
    ends: dict[Link, None] = {}
    for sampler in samplers:
        holder = _guider(graph, sampler) or sampler
        passed, end = source_of(graph, graph.input_link(holder, "model"), "model")
        loaders |= {node.id: node for node in passed if node.kind in LORA_NODES}
        if end is not None:
            ends[end] = None
    if len(loaders) > 1:
        listed = ", ".join(node.named for node in loaders.values())
        raise WorkflowError(
            f'[comfy] lora: several nodes put LoRAs on: {listed}; name the one to set, as lora = "NODE"'
        )
    if loaders:
        return _in_place_of(graph, next(iter(loaders)))
    if len(ends) != 1:
        raise WorkflowError(
            '[comfy] lora: the way to the model is not clear; name the node that puts it on, lora = "NODE"'
        )
    model = next(iter(ends))
    if graph.nodes[model.node].kind in LORA_NODES:
        raise WorkflowError(
            f"[comfy] lora: {graph.nodes[model.node].named} loads the model and reads words in one; put a node "
            "LoraLoader and nodes CLIPTextEncode in its place"
        )
    return LoraPlace(BOTH, model, _clip_behind(graph, places), None)


def _in_place_of(graph: Graph, asked: str) -> LoraPlace:
    node = graph.nodes.get(asked)
    model = graph.input_link(node, "model") if node else None
    if node is None or model is None:
        raise WorkflowError(f"[comfy] lora: no node {asked} that takes a model leads to the picture")
    clip = graph.input_link(node, "clip")
    kind = node.kind if node.kind in MODEL_ONLY else BOTH if clip else "LoraLoaderModelOnly"
    return LoraPlace(kind, model, clip, node.id)


def _clip_behind(graph: Graph, places: Mapping[str, tuple[Place, ...]]) -> Link | None:
    """Where the CLIP that reads the prompt comes from. Raises WorkflowError where that is not clear."""
    ends = {source_of(graph, graph.input_link(graph.nodes[one.node], "clip"), "clip")[1] for one in places["prompt"]}
    if len(ends) != 1 or None in ends:
        raise WorkflowError(
            "[comfy] lora: where the prompt's CLIP comes from is not clear; put a node LoraLoader into the workflow"
        )
    return next(iter(ends))
