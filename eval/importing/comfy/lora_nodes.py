"""Nodes that put LoRAs on, each as one row: which files, how strongly on the model, and how strongly on CLIP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from eval.importing.comfy.graph import Graph, Node
from eval.importing.comfy.values import number_of, text_of, value_of
from eval.importing.metadata.bounded_json import below, listed, text_at
from eval.importing.metadata.lora_tags import split_tags
from eval.importing.metadata.told import SUFFIXES, UnclearPictureError, lora_name, weight_of
from foundation.errors import UserError
from foundation.typed.json_values import is_table
from loras.weights import Weights

MOST_SLOTS = 100
STACK_INPUTS = ("lora_stack", "optional_lora_stack", "LORA_STACK")
NOTHING = ("", "none")


@dataclass(frozen=True)
class PutOn:
    """A LoRA as a node puts it on."""

    name: str
    model: float
    clip: float


Reader = Callable[[Graph, Node], list[PutOn]]


def _plain(graph: Graph, node: Node) -> list[PutOn]:
    """`lora_name`, `strength_model`, `strength_clip`; the name of pysssss' node is in a table."""
    name = _name(value_of(graph, node, "lora_name"))
    strength = number_of(graph, node, "strength_model")
    return [PutOn(name, strength, number_of(graph, node, "strength_clip"))] if name else []


def _model_only(key: str) -> Reader:
    def read(graph: Graph, node: Node) -> list[PutOn]:
        name = _name(value_of(graph, node, "lora_name"))
        return [PutOn(name, number_of(graph, node, key), 0.0)] if name else []

    return read


def _power(graph: Graph, node: Node) -> list[PutOn]:
    """rgthree's: inputs of tables `{on, lora, strength, strengthTwo}`; without the second one strength is for both."""
    found: list[PutOn] = []
    for key, value in node.inputs.items():
        if key.lower().startswith("lora_") and is_table(value) and value.get("on") is True:
            name = _name(value.get("lora"))
            if name:
                model = weight_of(value.get("strength"), f"`{name}`")
                second = value.get("strengthTwo")
                found.append(PutOn(name, model, model if second is None else weight_of(second, f"`{name}`")))
    return found


def _numbered(names: str, model: str, clip: str, count: str = "", switch: str = "") -> Reader:
    """Slots with a number in their names. `count`: the input that says how many; `switch`: which of them are "On"."""

    def read(graph: Graph, node: Node) -> list[PutOn]:
        most = min(MOST_SLOTS, int(number_of(graph, node, count))) if count else MOST_SLOTS
        found: list[PutOn] = []
        for at in range(1, most + 1):
            name = _name(value_of(graph, node, names.format(at)))
            is_off = bool(switch) and value_of(graph, node, switch.format(at)) != "On"
            if name and not is_off:
                strength = number_of(graph, node, model.format(at))
                found.append(PutOn(name, strength, number_of(graph, node, clip.format(at))))
        return found

    return read


_SIMPLE_STACKER = _numbered("lora_name_{}", "lora_wt_{}", "lora_wt_{}", count="lora_count")
_FULL_STACKER = _numbered("lora_name_{}", "model_str_{}", "clip_str_{}", count="lora_count")
_SIMPLE_EASY = _numbered("lora_{}_name", "lora_{}_strength", "lora_{}_strength", count="num_loras")
_FULL_EASY = _numbered("lora_{}_name", "lora_{}_model_strength", "lora_{}_clip_strength", count="num_loras")


def _stacker(graph: Graph, node: Node) -> list[PutOn]:
    is_simple = value_of(graph, node, "input_mode") == "simple"
    return (_SIMPLE_STACKER if is_simple else _FULL_STACKER)(graph, node)


def _easy(graph: Graph, node: Node) -> list[PutOn]:
    if value_of(graph, node, "toggle") in (False, "disabled"):
        return []
    return (_SIMPLE_EASY if value_of(graph, node, "mode") == "simple" else _FULL_EASY)(graph, node)


def _efficient(graph: Graph, node: Node) -> list[PutOn]:
    name = _name(value_of(graph, node, "lora_name"))
    if not name:
        return []
    model = number_of(graph, node, "lora_model_strength")
    return [PutOn(name, model, number_of(graph, node, "lora_clip_strength"))]


def _tagged(graph: Graph, node: Node) -> list[PutOn]:
    """A text with `<lora:name:model:clip>` in it: ComfyUI's loaders of tags give the first number to the model."""
    tags = split_tags(text_of(graph, node, "text")).loras
    return [PutOn(lora.name, lora.te, lora.unet) for lora in tags]


def _manager(graph: Graph, node: Node) -> list[PutOn]:
    """LoRA Manager's: `{"__value__": [{name, strength, clipStrength, active}]}`."""
    told = node.inputs.get("loras")
    entries = listed(below(told, "__value__")) or listed(told)
    if not entries:
        return _tagged(graph, node) if node.inputs.get("text") else []
    found: list[PutOn] = []
    for one in entries:
        if below(one, "active") is True and (name := _name(text_at(one, "name"))):
            model = weight_of(below(one, "strength"), f"`{name}`")
            clip = below(one, "clipStrength")
            found.append(PutOn(name, model, model if clip is None else weight_of(clip, f"`{name}`")))
    return found


def _exact_blend(graph: Graph, node: Node) -> list[PutOn]:
    """LoRA studio's own: slots, and lines as `eval blend` takes them. What is merged or compressed is no LoRA at a
    weight."""
    if value_of(graph, node, "method") != "sum" or text_of(graph, node, "rank").strip():
        raise UnclearPictureError(f"{node.named} merges or compresses what it puts on, which is no LoRA at a weight")
    return [*_EXACT_SLOTS(graph, node), *map(_line, filter(str.strip, text_of(graph, node, "more").splitlines()))]


_EXACT_SLOTS = _numbered("lora_{}", "unet_{}", "te_{}")


def _line(line: str) -> PutOn:
    name, _, said = line.partition(f"{SUFFIXES[0]}:")
    try:
        weights = Weights.parse(said)
    except UserError as error:
        raise UnclearPictureError(f"`{line.strip()}`: its weights are not two numbers ({error})") from error
    if weights != Weights.of(weights.unet, weights.te1):
        raise UnclearPictureError(f"`{line.strip()}`: its weights are not two numbers")
    return PutOn(lora_name(name), weights.unet, weights.te1)


def _none(graph: Graph, node: Node) -> list[PutOn]:
    """A node that puts on what a stack hands it."""
    return []


# Loaders and stacks by kind: core ComfyUI, rgthree, Efficiency, Comfyroll, Easy-Use, WAS, pysssss, LoRA Manager,
# Nunchaku, as of 2026; and our own.
LORA_NODES: Mapping[str, Reader] = {
    "LoraLoader": _plain,
    "LoraLoader|pysssss": _plain,
    "Load Lora": _plain,
    "Lora Loader": _plain,
    "CR Load LoRA": _numbered("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": _model_only("strength_model"),
    "NunchakuFluxLoraLoader": _model_only("lora_strength"),
    "Power Lora Loader (rgthree)": _power,
    "Lora Loader Stack (rgthree)": _numbered("lora_{:02d}", "strength_{:02d}", "strength_{:02d}"),
    "LoRA Stacker": _stacker,
    "CR LoRA Stack": _numbered("lora_name_{}", "model_weight_{}", "clip_weight_{}", switch="switch_{}"),
    "CR Apply LoRA Stack": _none,
    "easy loraStack": _easy,
    "easy loraStackApply": _none,
    "Apply LoRA Stack": _none,
    "Efficient Loader": _efficient,
    "Eff. Loader SDXL": _efficient,
    "LoraTagLoader": _tagged,
    "Lora Loader (LoraManager)": _manager,
    "Lora Stacker (LoraManager)": _manager,
    "LoraStudioExactBlend": _exact_blend,
}
# Of these the slots have no numbers.
_SINGLE = frozenset(["CR Load LoRA"])


def loras_of(graph: Graph, node: Node, trail: tuple[str, ...]) -> list[PutOn]:
    """All that a node puts on, what a stack hands it first. Raises UnclearPictureError."""
    return [*_stacked(graph, node, trail), *_own(graph, node)]


def _own(graph: Graph, node: Node) -> list[PutOn]:
    if node.kind in _SINGLE:
        return _plain(graph, node) if value_of(graph, node, "switch") in ("On", None) else []
    return LORA_NODES[node.kind](graph, node)


def _stacked(graph: Graph, node: Node, trail: tuple[str, ...]) -> Iterator[PutOn]:
    link = graph.input_link(node, *STACK_INPUTS)
    if link is None:
        return
    stack = graph.at(link, (*trail, node.id))
    if stack.kind not in LORA_NODES:
        raise UnclearPictureError(f"{node.named} puts on a stack of {stack.named}, which is not known")
    yield from loras_of(graph, stack, (*trail, node.id))


def _name(told: object) -> str:
    """A LoRA's name, or "" where a slot is empty."""
    name = told if isinstance(told, str) else text_at(told, "content")
    return "" if name.strip().lower() in NOTHING else lora_name(name)
