"""What a node's input is in the end: a number or a text, through the nodes that hold or join them."""

from __future__ import annotations

from eval.importing.comfy.graph import Graph, Node
from eval.importing.metadata.told import UnclearPictureError, weight_of

# Nodes that hold one value, by kind: the input that is theirs. Core nodes and the commonest packs', 2023 to 2026.
HOLDERS = {
    "PrimitiveNode": "value", "PrimitiveInt": "value", "PrimitiveFloat": "value", "PrimitiveString": "value",
    "PrimitiveStringMultiline": "value", "PrimitiveBoolean": "value", "INTConstant": "value", "FloatConstant": "value",
    "StringConstant": "string", "StringConstantMultiline": "string", "Int Literal": "int", "Float Literal": "float",
    "String Literal": "string", "Seed (rgthree)": "seed", "easy seed": "seed", "CR Seed": "seed",
    "Seed Everywhere": "seed", "Seed": "seed", "Seed Generator": "seed", "easy int": "value", "easy float": "value",
    "easy string": "value", "easy positive": "positive", "easy negative": "negative", "Text Multiline": "text",
    "Text box": "text", "ttN text": "text", "ttN seed": "seed", "ttN int": "int", "ttN float": "float",
    "CR Text": "text", "CR Prompt Text": "prompt", "CR Integer": "value", "CR Float": "value",
    "CR Multi-Line Prompt": "prompt", "JWInteger": "value", "JWFloat": "value", "JWString": "text",
    "Text String": "text", "Simple String": "string", "ImpactInt": "value", "ImpactFloat": "value",
    "ShowText|pysssss": "text", "Display Any (rgthree)": "source", "easy showAnything": "anything",
    "Reroute": "", "KSamplerSelect": "sampler_name", "Sampler Selector": "sampler_name",
    "Scheduler Selector": "scheduler",
}  # fmt: skip
# Nodes that join texts: their inputs in order, and the one that stands between.
JOINERS: dict[str, tuple[tuple[str, ...], str]] = {
    "StringConcatenate": (("string_a", "string_b"), "delimiter"),
    "Text Concatenate": (("text_a", "text_b", "text_c", "text_d"), "delimiter"),
    "JoinStrings": (("string1", "string2"), "delimiter"),
    "Text Concatenate (JPS)": (("text1", "text2", "text3", "text4", "text5"), "delimiter"),
    "CR Text Concatenate": (("text1", "text2"), "separator"),
    "easy promptConcat": (("prompt1", "prompt2"), "separator"),
}


def value_of(graph: Graph, node: Node, name: str, trail: tuple[str, ...] = ()) -> object:
    """What an input is, or None where it is not given. Raises UnclearPictureError for a node that is not known."""
    value = node.inputs.get(name)
    link = graph.link(value)
    if link is None:
        return value
    source = graph.at(link, (*trail, node.id))
    if source.kind in JOINERS:
        return _joined(graph, source, (*trail, node.id))
    if source.kind not in HOLDERS:
        raise UnclearPictureError(f"`{name}` of {node.named} comes from {source.named}, which is not known")
    held = HOLDERS[source.kind] or next(iter(source.inputs), "")
    return value_of(graph, source, held, (*trail, node.id))


def number_of(graph: Graph, node: Node, name: str) -> float:
    """An input as a number. Raises UnclearPictureError."""
    return weight_of(value_of(graph, node, name), f"{node.named}, `{name}`,")


def text_of(graph: Graph, node: Node, name: str, trail: tuple[str, ...] = ()) -> str:
    """An input as a text. Raises UnclearPictureError."""
    value = value_of(graph, node, name, trail)
    if not isinstance(value, str):
        raise UnclearPictureError(f"`{name}` of {node.named} is no text")
    return value


def _joined(graph: Graph, node: Node, trail: tuple[str, ...]) -> str:
    names, between = JOINERS[node.kind]
    given = node.inputs.get(between)
    texts = [text_of(graph, node, name, trail) for name in names if node.inputs.get(name) not in (None, "")]
    return (given if isinstance(given, str) else "").replace("\\n", "\n").join(texts)
