"""A `workflow` of ComfyUI's editor as a graph: its nodes have their values in a row, without names.

So a node's values are known where the names of its kind are known in their order; of others the links alone are.
"""

from __future__ import annotations

from collections.abc import Mapping

from eval.importing.comfy.graph import Graph, Node
from eval.importing.metadata.bounded_json import below, listed
from eval.importing.metadata.told import UnclearPictureError
from foundation.typed.json_values import is_list, is_table

# The values of a node in the order of its editor. `-` is the editor's own "control after generate" behind a seed.
WIDGETS = {
    "KSampler": ("seed", "-", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "-", "steps", "cfg", "sampler_name", "scheduler", "start_at_step",
                         "end_at_step", "return_with_leftover_noise"),
    "SamplerCustom": ("add_noise", "noise_seed", "-", "cfg"),
    "RandomNoise": ("noise_seed", "-"),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "CLIPLoader": ("clip_name", "type"),
    "DualCLIPLoader": ("clip_name1", "clip_name2", "type"),
    "TripleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "SaveImage": ("filename_prefix",),
    "PrimitiveInt": ("value", "-"),
    "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "PrimitiveNode": ("value", "-"),
    "Seed (rgthree)": ("seed",),
    "CR LoRA Stack": tuple(f"{name}_{at}" for at in (1, 2, 3)
                           for name in ("switch", "lora_name", "model_weight", "clip_weight")),
}  # fmt: skip
POWER = "Power Lora Loader (rgthree)"
MUTED, BYPASSED = 2, 4
PASSED_ON = {"MODEL": "model", "CLIP": "clip", "CONDITIONING": "conditioning", "IMAGE": "image", "LATENT": "samples"}


def graph_of_workflow(told: Mapping[str, object]) -> Graph:
    """The graph of a workflow. Raises UnclearPictureError for one with groups of nodes that are nodes themselves."""
    if listed(below(told, "definitions", "subgraphs")):
        raise UnclearPictureError("it has no graph but the editor's workflow, and that has nodes within nodes")
    sources: dict[str, list[object]] = {
        str(link[0]): [str(link[1]), link[2]]
        for link in listed(told.get("links"))
        if is_list(link) and len(link) > 4 and isinstance(link[2], int)
    }
    nodes = dict(filter(None, (_node(one, sources) for one in listed(told.get("nodes")))))
    if not nodes:
        raise UnclearPictureError("its ComfyUI workflow has no nodes")
    return Graph(nodes)


def _node(one: object, sources: Mapping[str, list[object]]) -> tuple[str, Node] | None:
    kind, mode = below(one, "type"), below(one, "mode")
    if not is_table(one) or not isinstance(kind, str) or mode == MUTED or kind in ("Note", "MarkdownNote"):
        return None
    links: dict[str, object] = {}
    for slot in listed(one.get("inputs")):
        name, link = below(slot, "name"), below(slot, "link")
        if isinstance(name, str) and link is not None and str(link) in sources:
            links[name] = sources[str(link)]
    key = str(one.get("id"))
    if mode == BYPASSED:
        return key, Node(key, "Reroute", _bypassed(one, links))
    return key, Node(key, kind, {**_values(kind, one.get("widgets_values")), **links})


def _bypassed(one: Mapping[str, object], links: Mapping[str, object]) -> dict[str, object]:
    """A node that is bypassed hands its input on; of one with several it cannot be said here which."""
    if len(links) > 1:
        by_type = {str(below(slot, "type")) for slot in listed(one.get("inputs")) if below(slot, "name") in links}
        if len(by_type) > 1:
            return {}
    return dict(list(links.items())[:1])


def _values(kind: str, told: object) -> dict[str, object]:
    if is_table(told):
        return dict(told)
    values = listed(told)
    if kind == POWER:
        rows = [value for value in values if is_table(value) and "lora" in value]
        return {f"lora_{at}": row for at, row in enumerate(rows, 1)}
    return {name: value for name, value in zip(WIDGETS.get(kind, ()), values, strict=False) if name != "-"}
