"""Pictures of blends on base models that stay loaded: what a page shows while sliders move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from base_models.base_model import load_base
from base_models.base_source import find_base
from base_models.drawing.guidance import PromptReader
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.png import failure_of, png_of
from base_models.drawing.render import render
from eval.rendering.patching import PatchedModel, check_fits
from eval.request.cells import Sampling
from eval.request.plan import sampling_of
from eval.request.prompts import read_prompts
from eval.request.spec import GridSpec, ModelSection, read_spec
from foundation.errors import UserError
from foundation.progress import Silent
from loras.blend import NothingLeftError
from loras.blending.blend_files import BlendRequest, blended
from loras.blending.merge_methods import merge_called
from loras.blending.rank_rule import RankRule
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule
from studio.previewing.wanted_pictures import WantedPicture

Wears = tuple[tuple[str, ...], str, str, str]


class NotWantedError(Exception):
    """A picture that is wanted no more while it is drawn."""


class EmptyPictureError(UserError):
    """A picture that shows nothing: not a number, or one colour."""


class _Loaded:
    """A base model on its device, with what it wears at the moment."""

    def __init__(self, model: ModelSection) -> None:
        self.model = model
        source, dtype = find_base(model.base, model.overrides), getattr(torch, model.dtype)
        self.base = load_base(source, dtype, model.device, model.memory)
        self.unet, self.patched = GuidedUnet(self.base.unet), PatchedModel(self.base)
        self.wears: Wears | None = None

    def wear(self, wanted: WantedPicture) -> None:
        """Put the blend on, unless it is worn. Raises what blending raises, and LoraFileError for what does not fit."""
        wears = wanted.parts, wanted.method, wanted.rank, wanted.state
        if wears == self.wears:
            return
        modules = _blend(wanted)
        self.wears = None
        if modules:
            check_fits(LoraFile(modules, {}), Path(wanted.parts[0]), self.base)
        self.patched.put_on(modules)
        self.wears = wears


class BlendPictures:
    """Draws wanted pictures. One base model is loaded at a time."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None

    def png(self, wanted: WantedPicture, is_wanted: Callable[[], bool], step: Callable[[int], None]) -> bytes:
        """The picture as a PNG file's bytes. `step` is told how many steps are done.

        Raises NotWantedError between two steps; UserErrors of the specification, the base model, the files.
        """
        spec = read_spec(Path(wanted.spec)).settings[0]
        sampling = replace(sampling_of(spec, read_prompts(spec.prompts).negative), steps=wanted.steps)
        loaded = self._on(spec)
        loaded.wear(wanted)
        picture = _drawn(loaded, sampling, wanted, is_wanted, step)
        if failure := failure_of(picture):
            raise EmptyPictureError(f"the picture shows nothing ({failure}): lower the weights, or take another file")
        return png_of(picture, f"{wanted.prompt}\nSteps: {wanted.steps}, Seed: {wanted.seed}")

    def _on(self, spec: GridSpec) -> _Loaded:
        if self._loaded is None or self._loaded.model != spec.model:
            self._loaded = None  # two would not fit where one does
            self._loaded = _Loaded(spec.model)
        return self._loaded


def _drawn(
    loaded: _Loaded,
    sampling: Sampling,
    wanted: WantedPicture,
    is_wanted: Callable[[], bool],
    step: Callable[[int], None],
) -> Any:
    done = 0

    def predict(latents: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, **added: object) -> torch.Tensor:
        nonlocal done
        if not is_wanted():
            raise NotWantedError
        answer = loaded.unet(latents, timestep, text, **added)
        done += 1
        step(min(done, wanted.steps))
        return answer

    reader = PromptReader(loaded.base, sampling.negative, sampling.clip_skip)
    return render(loaded.base, predict, sampling, [reader.guidance(wanted.prompt)], [wanted.seed])[0]


def _blend(wanted: WantedPicture) -> dict[str, LoraModule]:
    """What the file of the blend would hold: nothing where all weights are 0, and the base model's picture is drawn."""
    if not wanted.parts:
        return {}
    request = BlendRequest(
        tuple(WeightedLora.parse(part) for part in wanted.parts),
        Path("blend.safetensors"),
        RankRule.parse(wanted.rank) if wanted.rank else None,
        merge_called(wanted.method, None, 0),
    )
    try:
        return blended(request, Silent()).modules
    except NothingLeftError:
        return {}
