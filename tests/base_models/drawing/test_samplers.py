"""Samplers: each is what its name says in k-diffusion and diffusers, and no picture depends on its neighbours."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from base_models.base_model import BaseModel, load_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import decode, render
from base_models.drawing.samplers import SAMPLERS, sampler_name
from base_models.drawing.sampling import Denoiser, SamplerError, make_scheduler, sample
from eval.request.cells import Sampling
from tiny import tiny_base

SAMPLING = Sampling("tiny", "float32", "euler_a", 4, 9.0, 32, 32, 1, "")
STOCHASTIC = [name for name in SAMPLERS if "sde" in name or name.startswith(("euler_a", "dpm2_a"))]
SD1 = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
SHAPE = (4, 8, 8)


def scheduler_file(folder: Path, **changes: object) -> Path:
    """Change what the scheduler's file of a base model says."""
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return load_base(str(tiny_base(tmp_path_factory.mktemp("base"))))


@cache
def k_diffusion(module: str) -> ModuleType:
    """A module of k-diffusion without its `__init__`, which imports training code and seconds of other libraries."""
    if "k_diffusion" not in sys.modules:
        found = importlib.util.find_spec("k_diffusion")
        assert found is not None
        sys.modules["k_diffusion"] = package = ModuleType("k_diffusion")
        package.__path__ = list(found.submodule_search_locations or [])
    return importlib.import_module(f"k_diffusion.{module}")


def guided(base: BaseModel, prompts: Sequence[str], cfg: float) -> Denoiser:
    read = read_prompts(base, prompts)
    text = torch.cat([*(one.unwanted.text for one in read), *(one.wanted.text for one in read)])

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        both = torch.cat([latents, latents])
        without, wanted = base.unet(both, timestep, encoder_hidden_states=text, return_dict=False)[0].chunk(2)
        return without + cfg * (wanted - without)

    return denoise


@torch.no_grad()
def by_k_diffusion(base: BaseModel, denoise: Denoiser, seeds: Sequence[int], steps: int) -> Tensor:
    """Latents of k-diffusion's Euler a, its model wrapper and its sigmas, with our generators' noise."""
    external, sampling = k_diffusion("external"), k_diffusion("sampling")
    betas = {key: base.scheduler_config[key] for key in SD1}
    alphas = EulerAncestralDiscreteScheduler(**betas).alphas_cumprod
    by_v = base.scheduler_config["prediction_type"] == "v_prediction"
    wrapper = external.DiscreteVDDPMDenoiser if by_v else external.DiscreteEpsDDPMDenoiser
    model = wrapper(lambda latents, timestep: denoise(latents, timestep[0]), alphas, quantize=False)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    side = base.unet.config["sample_size"]

    def noise(*_: object) -> Tensor:
        return torch.cat([torch.randn((1, 4, side, side), generator=one) for one in generators])

    sigmas = model.get_sigmas(steps)
    return sampling.sample_euler_ancestral(model, noise() * sigmas[0], sigmas, disable=True, noise_sampler=noise)


@torch.no_grad()
def assert_equals_k_diffusion(base: BaseModel, steps: int) -> None:
    prompts, seeds = ["photo of a person, smiling, red hoodie", "a person, sad"], [3, 4]
    denoise, side = guided(base, prompts, 9.0), base.unet.config["sample_size"]
    ours = sample(denoise, "euler_a", base.scheduler_config, (4, side, side), seeds, steps, base.device)
    theirs = by_k_diffusion(base, denoise, seeds, steps)
    assert np.abs(decode(base, ours) - decode(base, theirs)).max() <= 1e-3
    assert decode(base, ours).std() > 0.02, "a picture that shows nothing compares nothing"


@pytest.mark.parametrize(
    "spacing", [{"timestep_spacing": "leading", "steps_offset": 1}, {"timestep_spacing": "trailing"}]
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_euler_a_is_k_diffusions(prediction: str, spacing: dict[str, object], tmp_path: Path) -> None:
    """Whatever the base's scheduler file says about spacing."""
    base = load_base(str(scheduler_file(tiny_base(tmp_path, prediction), **spacing)))
    for steps in (7, 30):
        assert_equals_k_diffusion(base, steps)


def test_euler_a_is_k_diffusions_on_the_miniature() -> None:
    assert_equals_k_diffusion(load_base("miniature"), 30)


def drawn(base: BaseModel, name: str, prompts: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
    """Pictures by our renderer, in levels of 255."""
    return (
        render(base, GuidedUnet(base.unet), replace(SAMPLING, sampler=name), read_prompts(base, prompts), seeds) * 255
    )


@pytest.fixture(scope="module")
def plain(base: BaseModel) -> StableDiffusionPipeline:
    """diffusers' own pipeline of the base; its scheduler is each test's."""
    pipeline: Any = StableDiffusionPipeline.from_pretrained(base.name, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_plain_pipeline_draws_the_same(base: BaseModel, plain: StableDiffusionPipeline, name: str) -> None:
    pipeline: Any = copy(plain)
    sampler, seed = SAMPLERS[name], 5
    options = dict(sampler.options)
    if sampler.scheduler == "DPMSolverSDEScheduler":
        options["noise_sampler_seed"] = [seed]
    pipeline.scheduler = getattr(diffusers, sampler.scheduler).from_config(pipeline.scheduler.config, **options)
    generator = torch.Generator().manual_seed(seed)
    theirs = pipeline(
        "a person", num_inference_steps=SAMPLING.steps, guidance_scale=SAMPLING.cfg, generator=generator,
        height=32, width=32, output_type="np",
    ).images  # fmt: skip
    assert np.abs(drawn(base, name, ["a person"], [seed]) - theirs * 255).max() <= 2


@settings(max_examples=2)
@given(seeds=st.permutations([1, 2, 3]))
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_picture_does_not_depend_on_its_neighbours(base: BaseModel, name: str, seeds: list[int]) -> None:
    prompts = {1: "a person", 2: "red hoodie", 3: "sad, glasses"}
    together = drawn(base, name, [prompts[seed] for seed in seeds], seeds)
    for picture, seed in zip(together, seeds, strict=True):
        assert np.abs(picture - drawn(base, name, [prompts[seed]], [seed])[0]).max() <= 1


MEAN, SPREAD = 0.4, 0.7  # of the Gaussian whose denoiser is known exactly


def gaussian(schedule: dict[str, object]) -> Callable[[Tensor, Tensor], Tensor]:
    """The noise in latents of a Gaussian: what a perfect model predicts."""
    sigmas = make_scheduler("euler", schedule).sigmas[:-1].flip(0).log()

    def denoise(scaled: Tensor, timestep: Tensor) -> Tensor:
        at = float(timestep)
        below, share = sigmas[int(at)], at - int(at)
        sigma = (below + share * (sigmas[min(int(at) + 1, 999)] - below)).exp()
        latents = scaled * (sigma**2 + 1).sqrt()
        clean = (SPREAD**2 * latents + sigma**2 * MEAN) / (SPREAD**2 + sigma**2)
        return (latents - clean) / sigma

    return denoise


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in STOCHASTIC])
def test_many_steps_reach_what_the_model_says(name: str) -> None:
    """The probability flow of a Gaussian has a closed form (Karras et al. 2022, eq. 4)."""
    noise = torch.cat([torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    largest = float(make_scheduler("euler", SD1).sigmas.max())
    wanted = MEAN + SPREAD * (noise * largest - MEAN) / (largest**2 + SPREAD**2) ** 0.5
    found = sample(gaussian(SD1), name, SD1, SHAPE, [1, 2], 100, torch.device("cpu"))
    assert (found - wanted).abs().max() < 0.05


@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_samplers_draw_what_the_model_says(name: str) -> None:
    found = sample(gaussian(SD1), name, SD1, SHAPE, range(8), 60, torch.device("cpu"))
    assert abs(float(found.mean()) - MEAN) < 0.04
    assert abs(float(found.std()) - SPREAD) < 0.05
    again = sample(gaussian(SD1), name, SD1, SHAPE, range(2), 60, torch.device("cpu"))
    assert torch.equal(found[:2], again)


@pytest.mark.parametrize("name", SAMPLERS)
def test_names_are_read_as_a1111_writes_them(name: str) -> None:
    assert sampler_name(SAMPLERS[name].a1111) == name == sampler_name(name)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean `dpmpp_2m_karras`"):
        sampler_name("DPM++ 2N Karras")


def test_zero_terminal_snr(tmp_path: Path) -> None:
    """The samplers that can start from it do, in v; the others say so."""
    base = load_base(str(scheduler_file(tiny_base(tmp_path, "v_prediction"), rescale_betas_zero_snr=True)))
    for name in ("euler_a", "euler", "dpmpp_2m", "dpmpp_2m_sde", "ddim", "unipc"):
        assert np.isfinite(drawn(base, name, ["a person"], [1])).all()
    for name in ("heun", "lms", "dpm2", "dpm2_a", "dpmpp_sde"):
        with pytest.raises(SamplerError, match="zero terminal SNR"):
            drawn(base, name, ["a person"], [1])
    assert float(make_scheduler("euler_a", base.scheduler_config).sigmas.max()) > 4000


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}, "FlowMatchEulerDiscreteScheduler"),
        ({**SD1, "prediction_type": "sample"}, "predicts `sample`"),
    ],
)
def test_another_kind_of_model_is_refused(schedule: dict[str, object], message: str) -> None:
    with pytest.raises(SamplerError, match=message):
        make_scheduler("euler_a", schedule)
