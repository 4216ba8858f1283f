"""Pictures of ComfyUI: the graph in `prompt` (its API format), or the `workflow` of its editor where there is no other.

The graph is followed from the node that saved the picture back along its links. What is not known on the way to the
model, the words or the seed is named, for it might be anything.
"""

from __future__ import annotations

from eval.importing.comfy.editor_workflow import graph_of_workflow
from eval.importing.comfy.graph import Graph, Node, graph_of
from eval.importing.comfy.image_path import Drawn, drawn_by, savers_in
from eval.importing.comfy.sampled import Sampled, sampled_by
from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.bounded_json import below, parsed, table_of
from eval.importing.metadata.lora_tags import split_tags
from eval.importing.metadata.told import CLIP_SKIP, MODEL, Told, UnclearPictureError, plain_words
from foundation.typed.json_values import is_table


def told_by_comfyui(picture: PictureTexts) -> Told | None:
    """What a graph tells, or None where the picture has none. Raises UnclearPictureError."""
    graph = _graph(picture)
    if graph is None:
        return None
    savers = savers_in(graph, picture.name)
    if not savers:
        raise UnclearPictureError("no node of its ComfyUI graph saves a picture")
    found = [_told_by(graph, saver) for saver in savers]
    if any(one != found[0] for one in found):
        raise UnclearPictureError(f"its ComfyUI graph saves {len(savers)} pictures, and which it is is not told")
    return found[0]


def _graph(picture: PictureTexts) -> Graph | None:
    if text := picture.texts.get("prompt"):
        return graph_of(table_of(parsed(text, "ComfyUI graph"), "ComfyUI graph"))
    if text := picture.texts.get("workflow"):
        return graph_of_workflow(table_of(parsed(text, "ComfyUI workflow"), "ComfyUI workflow"))
    text = picture.texts.get("parameters", "").lstrip()
    if text.startswith("{") and '"class_type"' in text:
        whole = parsed(text, "ComfyUI graph")
        told = below(whole, "prompt")
        return graph_of(table_of(told if is_table(told) else whole, "ComfyUI graph"))
    return None


def _told_by(graph: Graph, saver: Node) -> Told:
    graph.passed.clear()
    drawn = drawn_by(graph, saver)
    if not drawn.samplers:
        raise UnclearPictureError(f"{saver.named} saves a picture that no sampler drew")
    passes = [sampled_by(graph, node) for node in drawn.samplers]
    first = passes[0]
    if any(set(one.loras) != set(first.loras) for one in passes):
        raise UnclearPictureError("its samplers draw with different LoRAs")
    words = _words(first)
    skip = _clip_skip(graph)
    settings = {**first.settings, MODEL: first.base, CLIP_SKIP: skip, **_further(graph, drawn, passes)}
    return Told(words, first.seed, first.loras, "ComfyUI", plain_words(first.negative), settings, first.base)


def _words(first: Sampled) -> str:
    """A tag among the words is one of a LoRA that a loader has put on; in ComfyUI alone it would be letters."""
    tagged = split_tags(first.positive)
    loaded = {lora.stem for lora in first.loras}
    if odd := next((lora for lora in tagged.loras if lora.stem not in loaded), None):
        raise UnclearPictureError(f"its words name the LoRA `{odd.name}`, and no loader puts it on")
    return plain_words(tagged.words)


def _further(graph: Graph, drawn: Drawn, passes: list[Sampled]) -> dict[str, str]:
    """All else that shapes the picture: nodes on the way, later samplers, the picture it began with."""
    found = {name: "on" for name in graph.passed if not name.startswith("CLIPSetLastLayer")}
    for number, (one, node) in enumerate(zip(passes[1:], drawn.samplers[1:], strict=True), 2):
        draws_alike = one.seed == passes[0].seed or one.settings.get("add_noise") == "disable"
        own = {} if draws_alike else {"seed": str(one.seed)}
        found |= {f"{node.kind} {number}: {key}": value for key, value in {**one.settings, **own}.items()}
    return found | ({"begins with": drawn.init} if drawn.init else {})


def _clip_skip(graph: Graph) -> str:
    """As A1111 counts: its 2 is ComfyUI's -2."""
    told = [name for name in graph.passed if name.startswith("CLIPSetLastLayer(")]
    return told[0].partition("=-")[2].rstrip(")") if told else "1"
