"""A specification whose pictures the servers draw that a command names, checked as far as it goes without a plan."""

from __future__ import annotations

from eval.request.elsewhere.elsewhere import Elsewhere, Own
from eval.request.prompts import read_prompts
from eval.request.spec import GridSpec
from eval.servers.a1111 import with_own as with_a1111_own
from eval.servers.address import addresses_of, check_allowed, headers_of
from eval.servers.faults import ServerFaultError
from eval.servers.server import no_answer
from eval.workflows.own_settings import with_own
from eval.workflows.workflow_file import EXPORT, read_workflow
from foundation.errors import ConfigurationError

_UNTOLD = Own("", "")
_WHOLE = frozenset(["name", "steps", "cfg", "width", "height", "clip_skip", "negative"])


def drawn_elsewhere(spec: GridSpec, comfy: str | None, a1111: str | None, *, remote: bool) -> GridSpec:
    """The specification for servers at `comfy` or `a1111` (URLs with commas between); as it is where both are None.

    Raises ConfigurationError for addresses or a workflow that cannot be drawn with, ServerRefusedError where A1111 does
    not answer.
    """
    if comfy is not None and a1111 is not None:
        raise ConfigurationError("--comfy and --a1111: their pictures differ; take one of them for a grid")
    if comfy is not None:
        return spec.drawn_by(_on_comfy(spec, comfy, remote_allowed=remote))
    if a1111 is not None:
        return spec.drawn_by(_on_a1111(spec, a1111, remote_allowed=remote))
    if remote:
        raise ConfigurationError("--allow-remote: is for servers; name one by --comfy or --a1111")
    return spec


def _on_comfy(spec: GridSpec, written: str, *, remote_allowed: bool) -> Elsewhere:
    section = spec.comfy
    if section is None:
        raise ConfigurationError(f'--comfy needs a table [comfy] with workflow = "my_api.json" in SPEC: {EXPORT}')
    headers = headers_of(section.headers, "comfy")
    elsewhere = Elsewhere(
        "ComfyUI",
        _allowed(written, "--comfy", headers, remote_allowed=remote_allowed),
        _UNTOLD,
        _said(spec),
        headers,
        section.patience,
        workflow=read_workflow(section.workflow),
        named=section.named,
        lora=section.lora,
        output=section.output,
    )
    return with_own(elsewhere, section.workflow.name)[0]


def _on_a1111(spec: GridSpec, written: str, *, remote_allowed: bool) -> Elsewhere:
    if spec.sampler.width is None or spec.sampler.height is None:
        raise ConfigurationError("[sampler] width and height: say them, for A1111 tells no size of its own")
    headers = headers_of(spec.a1111.headers, "a1111")
    elsewhere = Elsewhere(
        "A1111",
        _allowed(written, "--a1111", headers, remote_allowed=remote_allowed),
        _UNTOLD,
        _WHOLE,
        headers,
        spec.a1111.patience,
        spec.a1111.checkpoint or "",
    )
    try:
        return with_a1111_own(elsewhere)
    except ServerFaultError as error:
        raise no_answer(elsewhere.servers[0], "A1111", error) from error


def _said(spec: GridSpec) -> frozenset[str]:
    """What is set in a workflow because the specification says it; all else is the workflow's own."""
    sampler = spec.sampler
    keys = {key for key in ("name", "steps", "cfg", "width", "height") if key in sampler.model_fields_set}
    unset = {key for key in ("width", "height") if getattr(sampler, key) is None}
    if "clip_skip" in sampler.model_fields_set:
        raise ConfigurationError("[sampler] clip_skip: is the workflow's own (its CLIPSetLastLayer); leave it out")
    has_negative = "negative" in spec.prompts.model_fields_set or bool(read_prompts(spec.prompts).negative)
    return frozenset(keys - unset | ({"negative"} if has_negative else set()))


def _allowed(written: str, option: str, headers: dict[str, str], *, remote_allowed: bool) -> tuple[str, ...]:
    urls = addresses_of(written, option)
    for url in urls:
        check_allowed(url, option, headers, remote_allowed=remote_allowed)
    return urls
