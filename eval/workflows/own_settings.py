"""What a workflow draws with by itself: sampler, steps, CFG, size, negative prompt, and a hash of all that it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from base_models.drawing.samplers import SAMPLERS
from eval.importing.comfy.sampled import sampled_by
from eval.importing.comfy.values import value_of
from eval.importing.metadata.told import CFG, SAMPLER, STEPS, UnclearPictureError
from eval.request.elsewhere.elsewhere import Elsewhere, Own
from eval.workflows.drawn_graph import drawn_graph
from eval.workflows.template import Template, template_of

Value = TypeVar("Value")
# What our samplers are called in ComfyUI; with `_karras` behind, its schedule is karras.
NAMES = {
    "euler_a": "euler_ancestral", "euler": "euler", "heun": "heun", "lms": "lms", "dpm2": "dpm_2",
    "dpm2_a": "dpm_2_ancestral", "dpmpp_2m": "dpmpp_2m", "dpmpp_2m_sde": "dpmpp_2m_sde", "dpmpp_sde": "dpmpp_sde",
    "ddim": "ddim", "unipc": "uni_pc",
}  # fmt: skip
_KARRAS = "_karras"


def comfy_sampler(name: str) -> tuple[str, str]:
    """ComfyUI's sampler and schedule for one of ours."""
    assert name in SAMPLERS
    schedule = "karras" if name.endswith(_KARRAS) else "ddim_uniform" if name == "ddim" else "normal"
    return NAMES[name.removesuffix(_KARRAS)], schedule


def with_own(elsewhere: Elsewhere, file_name: str) -> tuple[Elsewhere, Template]:
    """What the workflow says itself, put in. Raises WorkflowError."""
    template = template_of(elsewhere)
    told = _told(template)
    graph = drawn_graph(template, dict.fromkeys(template.places, ""), [])
    hashed = hashlib.sha256(json.dumps([graph, _lora_part(template)], sort_keys=True).encode()).hexdigest()
    own = Own(
        base=f"comfy-{hashed[:20]}",
        name=f"{file_name} ({told['base']})" if told.get("base") else file_name,
        sampler=str(told.get(SAMPLER, "")),
        steps=int(_number(told.get(STEPS))),
        cfg=_number(told.get(CFG)),
        width=int(_number(_size(template, "width"))),
        height=int(_number(_size(template, "height"))),
        negative=str(told.get("negative", "")),
    )
    return replace(elsewhere, own=own), template


def _lora_part(template: Template) -> list[object]:
    place = template.lora
    links = [[link.node, link.output] for link in (place.model, place.clip) if link]
    return [place.kind, *links]


def _told(template: Template) -> dict[str, str]:
    """As a picture of it would be read. What is not known of a workflow is not told."""
    if not template.samplers:
        return {}
    try:
        sampled = sampled_by(template.graph, template.samplers[0])
    except UnclearPictureError:
        return {}
    return {**sampled.settings, "base": sampled.base, "negative": sampled.negative}


def _size(template: Template, key: str) -> object:
    for node in template.graph.nodes.values():
        if "latent" in node.kind.lower() and key in node.inputs:
            return _or_none(lambda: value_of(template.graph, node, key))  # noqa: B023
    return None


def _or_none(read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except UnclearPictureError:
        return None


def _number(told: object) -> float:
    try:
        return float(told) if isinstance(told, (int, float, str)) else 0.0
    except ValueError:
        return 0.0
