"""What one sampler drew with: its seed, its settings, its LoRAs and its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eval.importing.comfy.conditioning import Words, words_of
from eval.importing.comfy.graph import Graph, Link, Node
from eval.importing.comfy.image_path import SAMPLERS
from eval.importing.comfy.lora_nodes import PutOn
from eval.importing.comfy.model_path import Traced, trace
from eval.importing.comfy.values import value_of
from eval.importing.metadata.told import (
    CFG,
    SAMPLER,
    STEPS,
    ToldLora,
    UnclearPictureError,
    number_text,
    seed_of,
)

GUIDERS = {
    "CFGGuider": ("positive", "negative"),
    "BasicGuider": ("conditioning", ""),
}
SCHEDULES = ("steps", "scheduler", "denoise")


@dataclass(frozen=True)
class Sampled:
    """A sampler's part in a picture."""

    seed: int
    positive: str
    negative: str
    loras: tuple[ToldLora, ...]
    base: str
    settings: Mapping[str, str]


def sampled_by(graph: Graph, node: Node) -> Sampled:
    """Follow a sampler's inputs. Raises UnclearPictureError."""
    seed = _seed(graph, node)
    guider = _linked(graph, node, "guider")
    holder = guider or node
    names = GUIDERS.get(holder.kind, ("positive", "negative"))
    if guider is not None and guider.kind not in GUIDERS:
        raise UnclearPictureError(f"{guider.named} guides the sampler, and is not known")
    model = trace(graph, graph.input_link(holder, "model"), "model", holder)
    positive, negative = (_words(graph, holder, name) for name in names)
    loras = _together(model, _read_by(graph, positive), _read_by(graph, negative) if negative.clips else None)
    return Sampled(seed, positive.text, negative.text, loras, model.base, _settings(graph, node, holder))


def _seed(graph: Graph, node: Node) -> int:
    key = SAMPLERS[node.kind]
    if key:
        return seed_of(value_of(graph, node, key))
    noise = _linked(graph, node, "noise")
    if noise is None or "noise_seed" not in noise.inputs:
        raise UnclearPictureError("its noise has no seed that is told")
    return seed_of(value_of(graph, noise, "noise_seed"))


def _linked(graph: Graph, node: Node, name: str) -> Node | None:
    link = graph.input_link(node, name)
    return graph.at(link, (node.id,)) if link else None


def _words(graph: Graph, node: Node, name: str) -> Words:
    link = graph.input_link(node, name) if name else None
    if link is None and name == "negative":
        return Words("", ())
    return words_of(graph, link, (node.id,)) if link else Words("", ())


def _read_by(graph: Graph, words: Words) -> tuple[PutOn, ...]:
    """The LoRAs on the CLIP that read the words. Raises UnclearPictureError where parts were read by differing ones."""
    found = {trace(graph, link, "clip", _asker(node, link)).loras for node, link in words.clips}
    if len(found) > 1:
        raise UnclearPictureError("parts of its prompt are read with different LoRAs")
    return next(iter(found), ())


def _asker(node: Node, link: Link) -> Node:
    """A loader that reads texts itself is asked for its own CLIP; then it lies at the beginning of the way."""
    return node if link.node != node.id else Node("", node.kind, {})


def _together(model: Traced, read: tuple[PutOn, ...], negative: tuple[PutOn, ...] | None) -> tuple[ToldLora, ...]:
    """One LoRA each, at what the model got of it and what the words' CLIP got: loaders one behind another add up."""
    clip = _added((one.name, one.clip) for one in read)
    if negative is not None and _added((one.name, one.clip) for one in negative) != clip:
        raise UnclearPictureError("its negative prompt is read with other LoRAs than its prompt")
    unet = _added((one.name, one.model) for one in model.loras)
    return tuple(ToldLora(name, unet.get(name, 0.0), clip.get(name, 0.0)) for name in dict.fromkeys((*unet, *clip)))


def _added(weights: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, weight in weights:
        found[name] = found.get(name, 0.0) + weight
    return found


def _settings(graph: Graph, node: Node, guider: Node) -> dict[str, str]:
    schedule = _linked(graph, node, "sigmas") or node
    chooser = _linked(graph, node, "sampler") or node
    told = {name: value_of(graph, schedule, name) for name in SCHEDULES}
    sampler = value_of(graph, chooser, "sampler_name")
    cfg = value_of(graph, guider, "cfg")
    named: dict[str, object] = {
        SAMPLER: " ".join(str(one) for one in (sampler, told["scheduler"]) if one is not None),
        STEPS: told["steps"],
        CFG: value_of(graph, node, "cfg") if cfg is None else cfg,
        "denoise": None if told["denoise"] in (1, 1.0) else told["denoise"],
        **{name: value_of(graph, node, name) for name in ("add_noise", "start_at_step", "end_at_step")},
    }
    return {key: number_text(value) for key, value in named.items() if value not in (None, "")}
