"""From the node that saved a picture back to the samplers that drew it, the last one first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from eval.importing.comfy.graph import Graph, Link, Node
from eval.importing.comfy.values import value_of
from eval.importing.metadata.told import UnclearPictureError

# Samplers by kind: the input that is their seed ("" where a noise node has it).
SAMPLERS = {
    "KSampler": "seed", "KSamplerAdvanced": "noise_seed", "SamplerCustom": "noise_seed", "SamplerCustomAdvanced": "",
    "KSampler (Efficient)": "seed", "KSampler Adv. (Efficient)": "noise_seed", "KSampler (WLSH)": "seed",
    "KSampler //Inspire": "seed", "KSampler|pysssss": "seed", "FaceDetailer": "seed", "UltimateSDUpscale": "seed",
    "KSamplerWithNAG": "seed", "ClownsharKSampler_Beta": "seed",
}  # fmt: skip
LATENTS = ("latent_image", "samples", "latent", "samples_to", "samples1")
IMAGES = ("images", "image", "pixels", "image1", "upscaled_image")
EMPTY = ("EmptyLatentImage", "EmptySD3LatentImage", "SDXL Empty Latent Image (rgthree)", "EmptyHunyuanLatentVideo",
         "EmptyLatentImagePresets", "CR SDXL Aspect Ratio", "EmptyFlux2LatentImage", "SDXLEmptyLatentSizePicker+",
         "Efficient Loader", "Eff. Loader SDXL", "CR Aspect Ratio", "EmptyLatentImageAdvanced",
         "EmptyQwenImageLayeredLatentImage", "EmptyChromaRadianceLatentImage")  # fmt: skip
# What draws nothing and lies between: settings of the picture.
MADE_UP = ("LoadImage", "LoadImageMask", "LoadImageOutput", "Load Image Batch", "EmptyImage")
SAVING, SHOWING = "save", "preview"
BATCHES = ("batch_size", "amount")


@dataclass(frozen=True)
class Drawn:
    """The samplers that drew a picture, in the order of the work. `init`: the picture that the first began with."""

    samplers: tuple[Node, ...]
    init: str


def savers_in(graph: Graph, file_name: str) -> list[Node]:
    """The nodes that may have saved the file: by the beginning of its name where that tells, else all that save."""
    saving = [node for node in graph.nodes.values() if _takes_image(graph, node) and SAVING in node.kind.lower()]
    showing = [node for node in graph.nodes.values() if _takes_image(graph, node) and SHOWING in node.kind.lower()]
    found = saving or showing
    named = [node for node in found if (prefix := _prefix(node)) and file_name.startswith(prefix)]
    return named or found


def drawn_by(graph: Graph, saver: Node) -> Drawn:
    """Follow a saver's picture. Raises UnclearPictureError where it comes from no sampler, or from several at once."""
    samplers: list[Node] = []
    trail = (saver.id,)
    link = graph.input_link(saver, *IMAGES)
    while link is not None:
        node = graph.at(link, trail)
        trail = (*trail, node.id)
        _check_batch(graph, node)
        if node.kind in SAMPLERS:
            samplers.insert(0, node)
        elif node.kind in EMPTY:
            return Drawn(tuple(samplers), "")
        elif node.kind in MADE_UP:
            return Drawn(tuple(samplers), str(node.inputs.get("image", "a picture")))
        else:
            _check_harmless(graph, node)
            if node.kind not in ("VAEDecode", "VAEDecodeTiled", "VAEEncode", "Reroute", "Reroute (rgthree)"):
                graph.note(node)
        link = _onward(graph, node)
    return Drawn(tuple(samplers), "")


def _onward(graph: Graph, node: Node) -> Link | None:
    if node.kind.startswith("Reroute"):
        return next((link for value in node.inputs.values() if (link := graph.link(value))), None)
    return graph.input_link(node, *LATENTS, *IMAGES)


def _check_harmless(graph: Graph, node: Node) -> None:
    """What is not known and takes a model, a prompt or two pictures may draw anything."""
    drawing = [name for name in ("model", "positive", "conditioning", "guider", "pipe") if graph.input_link(node, name)]
    if drawing or node.kind in EMPTY:
        raise UnclearPictureError(f"{node.named} draws in the picture, and is not known")
    several = [name for name in (*LATENTS, *IMAGES, "image2", "image_a", "samples2") if graph.input_link(node, name)]
    if len(several) > 1:
        raise UnclearPictureError(f"{node.named} makes one picture of several")
    if not several and not node.kind.startswith("Reroute"):
        raise UnclearPictureError(f"the picture comes from {node.named}, which is not known")


def _check_batch(graph: Graph, node: Node) -> None:
    for name in BATCHES:
        told = value_of(graph, node, name) if name in node.inputs else None
        if isinstance(told, (int, float)) and told > 1 and "seeds" not in node.kind.lower():
            raise UnclearPictureError(f"it is one of a batch of {told:g}, and which of them is not told")


def _takes_image(graph: Graph, node: Node) -> bool:
    return graph.input_link(node, *IMAGES) is not None


def _prefix(node: Node) -> str:
    """What a saver's files begin with; what is filled in with dates (`%date%`) tells nothing."""
    told = node.inputs.get("filename_prefix")
    return PurePosixPath(told.replace("\\", "/")).name if isinstance(told, str) and "%" not in told else ""
