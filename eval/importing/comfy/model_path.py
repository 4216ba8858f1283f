"""From a sampler's model, or a text's CLIP, back to the base: which LoRAs lie on the way, and what else."""

from __future__ import annotations

from dataclasses import dataclass

from eval.importing.comfy.graph import Graph, Link, Node
from eval.importing.comfy.lora_nodes import LORA_NODES, PutOn, loras_of
from eval.importing.comfy.values import value_of
from eval.importing.metadata.told import UnclearPictureError

# Where a model or a CLIP comes from: the inputs that name its file.
LOADERS = {
    "CheckpointLoaderSimple": ("ckpt_name",), "CheckpointLoader": ("ckpt_name",),
    "unCLIPCheckpointLoader": ("ckpt_name",), "CheckpointLoader|pysssss": ("ckpt_name",),
    "CheckpointLoaderNF4": ("ckpt_name",), "Checkpoint Loader": ("ckpt_name",),
    "Load Checkpoint": ("ckpt_name",), "CR Load Checkpoint": ("ckpt_name",), "DiffusersLoader": ("model_path",),
    "UNETLoader": ("unet_name",), "UnetLoaderGGUF": ("unet_name",), "UnetLoaderGGUFAdvanced": ("unet_name",),
    "NunchakuFluxDiTLoader": ("model_path",), "Load Diffusion Model": ("unet_name",),
    "CLIPLoader": ("clip_name",), "DualCLIPLoader": ("clip_name1", "clip_name2"), "CLIPLoaderGGUF": ("clip_name",),
    "DualCLIPLoaderGGUF": ("clip_name1", "clip_name2"), "TripleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3"),
    "TripleCLIPLoaderGGUF": ("clip_name1", "clip_name2", "clip_name3"),
    "QuadrupleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3", "clip_name4"),
}  # fmt: skip
# What patches a model and puts no LoRA on: a setting of the picture.
PATCHES = frozenset(
    ["ModelSamplingDiscrete", "ModelSamplingFlux", "ModelSamplingSD3", "ModelSamplingAuraFlow", "ModelSamplingLTXV",
     "ModelSamplingContinuousEDM", "ModelSamplingContinuousV", "ModelSamplingStableCascade", "RescaleCFG", "CFGNorm",
     "FreeU", "FreeU_V2", "PatchModelAddDownscale", "PerturbedAttentionGuidance", "SelfAttentionGuidance",
     "HyperTile", "TomePatchModel", "DifferentialDiffusion", "TorchCompileModel", "CFGZeroStar", "SkipLayerGuidanceDiT",
     "DynamicThresholdingSimple", "DynamicThresholdingFull", "Automatic CFG", "ApplyFBCacheOnModel", "TeaCache",
     "PathchSageAttentionKJ", "ModelPatchTorchSettings", "CLIPSetLastLayer", "ImageOnlyCheckpointSave"]
)  # fmt: skip
REROUTES = frozenset(["Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss"])
CLIP_SKIP_NODE = "CLIPSetLastLayer"


@dataclass(frozen=True)
class Traced:
    """What lies between a sampler or a text and its base: LoRAs from the base on, and the base's own files."""

    loras: tuple[PutOn, ...]
    base: str


def trace(graph: Graph, link: Link | None, kind: str, whose: Node) -> Traced:
    """Follow "model" or "clip". Raises UnclearPictureError for a node that is not known: it might put anything on."""
    found: list[PutOn] = []
    trail = (whose.id,)
    while link is not None:
        node = graph.at(link, trail)
        trail = (*trail, node.id)
        if node.kind in LORA_NODES:
            found = [*loras_of(graph, node, trail[:-1]), *found]
            if named := value_of(graph, node, "ckpt_name") or value_of(graph, node, "base_ckpt_name"):
                return Traced(tuple(found), str(named))
        elif node.kind in LOADERS:
            names = [str(value_of(graph, node, name)) for name in LOADERS[node.kind]]
            return Traced(tuple(found), " + ".join(names))
        elif node.kind in PATCHES:
            if not _is_default(node):
                graph.note(node)
        elif node.kind not in REROUTES:
            raise UnclearPictureError(f"{node.named} on the way to its {kind} is not known, and might put LoRAs on")
        link = _onward(graph, node, kind)
    raise UnclearPictureError(f"the way to its {kind} ends at no loader")


def _onward(graph: Graph, node: Node, kind: str) -> Link | None:
    if node.kind in REROUTES:
        return next((link for value in node.inputs.values() if (link := graph.link(value))), None)
    return graph.input_link(node, kind)


def _is_default(node: Node) -> bool:
    return node.kind == CLIP_SKIP_NODE and node.inputs.get("stop_at_clip_layer") == -1
