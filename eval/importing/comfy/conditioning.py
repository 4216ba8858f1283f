"""From a sampler's positive or negative input back to the words, and to the CLIP that read them."""

from __future__ import annotations

from dataclasses import dataclass

from eval.importing.comfy.graph import Graph, Link, Node
from eval.importing.comfy.values import text_of
from eval.importing.metadata.told import UnclearPictureError

# What reads texts, by kind: its inputs of text.
ENCODERS = {
    "CLIPTextEncode": ("text",), "CLIPTextEncodeSDXL": ("text_g", "text_l"), "CLIPTextEncodeSDXLRefiner": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl"), "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl"),
    "CLIPTextEncodeHunyuanDiT": ("bert", "mt5xl"), "CLIPTextEncodeLumina2": ("system_prompt", "user_prompt"),
    "CLIPTextEncodeHiDream": ("clip_l", "clip_g", "t5xxl", "llama"), "BNK_CLIPTextEncodeAdvanced": ("text",),
    "smZ CLIPTextEncode": ("text",), "CLIPTextEncode (BlenderNeko Advanced)": ("text",),
    "TextEncodeQwenImageEdit": ("prompt",), "ADE_PromptEncode": ("text",), "CLIPTextEncodePixArtAlpha": ("text",),
    "CLIPTextEncodeKandinsky5": ("clip_l", "qwen25_7b"), "Prompt (LoraManager)": ("text",),
}  # fmt: skip
# What changes a conditioning and no word of it: a setting of the picture. Its inputs, by the output that is asked for.
PASSES: dict[str, tuple[str, ...]] = {
    "ControlNetApply": ("conditioning",), "ControlNetApplyAdvanced": ("positive", "negative"),
    "ControlNetApplySD3": ("positive", "negative"), "ConditioningSetTimestepRange": ("conditioning",),
    "ConditioningSetArea": ("conditioning",), "ConditioningSetMask": ("conditioning",),
    "FluxGuidance": ("conditioning",),
    "ConditioningSetAreaPercentage": ("conditioning",), "ReferenceLatent": ("conditioning",),
    "InpaintModelConditioning": ("positive", "negative"), "unCLIPConditioning": ("conditioning",),
    "StyleModelApply": ("conditioning",), "ConditioningSetAreaStrength": ("conditioning",),
}  # fmt: skip
JOINS = {
    "ConditioningCombine": ("conditioning_1", "conditioning_2"),
    "ConditioningConcat": ("conditioning_to", "conditioning_from"),
    "ConditioningAverage": ("conditioning_to", "conditioning_from"),
}
REROUTES = frozenset(["Reroute", "Reroute (rgthree)"])
EFFICIENT = {"Efficient Loader": {1: "positive", 2: "negative"}}
EMPTY = "ConditioningZeroOut"


@dataclass(frozen=True)
class Words:
    """A conditioning's text, and the (node, link) of each CLIP that read a part of it, which a loader may do itself."""

    text: str
    clips: tuple[tuple[Node, Link], ...]


def words_of(graph: Graph, link: Link, trail: tuple[str, ...]) -> Words:
    """Follow a conditioning. Raises UnclearPictureError for a node that is not known."""
    node = graph.at(link, trail)
    trail = (*trail, node.id)
    if node.kind in ENCODERS:
        texts = dict.fromkeys(text_of(graph, node, name) for name in ENCODERS[node.kind] if name in node.inputs)
        clip = graph.input_link(node, "clip")
        return Words("\n".join(text for text in texts if text), ((node, clip),) if clip else ())
    if node.kind in EFFICIENT and link.output in EFFICIENT[node.kind]:
        return Words(text_of(graph, node, EFFICIENT[node.kind][link.output]), ((node, Link(node.id, 0)),))
    if node.kind == EMPTY:
        return Words("", ())
    if node.kind in JOINS:
        graph.note(node)
        parts = [words_of(graph, one, trail) for name in JOINS[node.kind] if (one := graph.input_link(node, name))]
        texts = [part.text for part in parts if part.text]
        return Words("\n".join(texts), tuple(clip for part in parts for clip in part.clips))
    if node.kind in PASSES or node.kind in REROUTES:
        return words_of(graph, _onward(graph, node, link), trail)
    raise UnclearPictureError(f"{node.named} on the way to its prompt is not known")


def _onward(graph: Graph, node: Node, link: Link) -> Link:
    if node.kind in REROUTES:
        found = next((one for value in node.inputs.values() if (one := graph.link(value))), None)
    else:
        graph.note(node)
        names = PASSES[node.kind]
        found = graph.input_link(node, names[min(link.output, len(names) - 1)])
    if found is None:
        raise UnclearPictureError(f"{node.named} is linked to no prompt")
    return found
