"""The tables `[comfy]` and `[a1111]` of a grid's specification: how a user's own program is to draw its pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from foundation.key_reference.units import SECONDS
from foundation.path_fields import AnchoredPath
from foundation.toml_config import Section

Places = str | list[str]


class _Served(Section):
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that go with every request, as `Authorization = "Bearer $COMFY_TOKEN"`; `$NAME` is a variable of the
    environment."""
    patience: Annotated[float, SECONDS] = Field(default=600.0, gt=0)
    """So long a picture may go without a sign of life before another server is asked for it."""


class ComfySection(_Served):
    """A ComfyUI workflow in API format (Workflow > Export (API)). Its fields are found by type; a field that is named
    here is "NODE.INPUT", or a list of these."""

    workflow: AnchoredPath
    """The workflow's file, exported in API format."""
    output: str | None = None
    """The node whose picture is taken, where several save one."""
    lora: str | None = None
    """The node that puts the LoRA on, where there are several; the others stay as they are."""
    prompt: Places | None = None
    """Where the prompt goes."""
    negative: Places | None = None
    """Where the negative prompt goes, if [prompts] has one."""
    seed: Places | None = None
    """Where the seed goes; without it, every sampler's."""
    steps: Places | None = None
    """Where [sampler] steps goes, if it is set."""
    cfg: Places | None = None
    """Where [sampler] cfg goes, if it is set."""
    sampler: Places | None = None
    """Where [sampler] name goes, if it is set."""
    scheduler: Places | None = None
    """Where the noise schedule that belongs to [sampler] name goes, if it is set."""
    width: Places | None = None
    """Where [sampler] width goes, if it is set."""
    height: Places | None = None
    """Where [sampler] height goes, if it is set."""

    @field_validator("prompt", "negative", "seed", "steps", "cfg", "sampler", "scheduler", "width", "height")
    @classmethod
    def _written_as_places(cls, told: Places | None) -> Places | None:
        for one in [told] if isinstance(told, str) else told or []:
            node, _, field = one.rpartition(".")
            if not node or not field:
                raise ValueError(f'"{one}" is no "NODE.INPUT", as "6.text"')
        return told

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The places that are named, by field."""
        told = self.model_dump(include={*FIELDS})
        return {key: (one,) if isinstance(one, str) else tuple(one) for key, one in told.items() if one is not None}


FIELDS = ("prompt", "negative", "seed", "steps", "cfg", "sampler", "scheduler", "width", "height")


class A1111Section(_Served):
    """A1111's, Forge's or reForge's API (started with `--api`). The model is the one that is loaded there."""

    checkpoint: str | None = None
    """The model to draw with, by its title there; without it, the one that is loaded."""
