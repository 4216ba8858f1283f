"""The samplers by name: which scheduler of diffusers each is, and with which options. Loads no heavy library.

The correspondence to A1111's names is the one in diffusers' own documentation, but for DPM++ SDE: diffusers'
`DPMSolverSDEScheduler` is k-diffusion's `sample_dpmpp_sde`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass(frozen=True)
class Sampler:
    """`a1111` is the name in A1111's list, `scheduler` diffusers' class, `options` what it gets beside the betas.

    `order` 2: every step but the last asks the UNet twice.
    """

    a1111: str
    scheduler: str
    options: Mapping[str, object] = field(default_factory=lambda: LINEAR)
    order: int = 1


# Timesteps linearly over 0..999, both ends included, as k-diffusion and A1111 space them.
LINEAR: Mapping[str, object] = {"timestep_spacing": "linspace"}
_KARRAS: Mapping[str, object] = {**LINEAR, "use_karras_sigmas": True}
_SDE: Mapping[str, object] = {"algorithm_type": "sde-dpmsolver++"}
# DDIM as CompVis and A1111 run it: every (1000 / steps)-th timestep from 1 on, ending at the schedule's first alpha.
_COMPVIS: Mapping[str, object] = {
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}

SAMPLERS: Mapping[str, Sampler] = {
    "euler_a": Sampler("Euler a", "EulerAncestralDiscreteScheduler"),
    "euler": Sampler("Euler", "EulerDiscreteScheduler"),
    "heun": Sampler("Heun", "HeunDiscreteScheduler", order=2),
    "lms": Sampler("LMS", "LMSDiscreteScheduler"),
    "lms_karras": Sampler("LMS Karras", "LMSDiscreteScheduler", _KARRAS),
    "dpm2": Sampler("DPM2", "KDPM2DiscreteScheduler", order=2),
    "dpm2_karras": Sampler("DPM2 Karras", "KDPM2DiscreteScheduler", _KARRAS, order=2),
    "dpm2_a": Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", order=2),
    "dpm2_a_karras": Sampler("DPM2 a Karras", "KDPM2AncestralDiscreteScheduler", _KARRAS, order=2),
    "dpmpp_2m": Sampler("DPM++ 2M", "DPMSolverMultistepScheduler"),
    "dpmpp_2m_karras": Sampler("DPM++ 2M Karras", "DPMSolverMultistepScheduler", _KARRAS),
    "dpmpp_2m_sde": Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {**LINEAR, **_SDE}),
    "dpmpp_2m_sde_karras": Sampler("DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", {**_KARRAS, **_SDE}),
    "dpmpp_sde": Sampler("DPM++ SDE", "DPMSolverSDEScheduler", order=2),
    "dpmpp_sde_karras": Sampler("DPM++ SDE Karras", "DPMSolverSDEScheduler", _KARRAS, order=2),
    "ddim": Sampler("DDIM", "DDIMScheduler", _COMPVIS),
    "unipc": Sampler("UniPC", "UniPCMultistepScheduler"),
}


def sampler_name(written: str) -> str:
    """The key in `SAMPLERS` of a name, which may be written as A1111 does: "DPM++ 2M Karras", "Euler a".

    Raises ValueError, naming the nearest known one.
    """
    name = re.sub(r"[\s-]+", "_", written.strip().lower().replace("++", "pp"))
    if name not in SAMPLERS:
        near = get_close_matches(name, SAMPLERS, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown sampler `{written}` (did you mean `{near}`?); known: {', '.join(SAMPLERS)}")
    return name


def evaluations(sampler: str, steps: int) -> int:
    """How often a picture of so many steps asks the UNet, each time with its guidance pair: what it costs. Of another
    program's sampler, which only that program knows, once a step: the least."""
    first_order = sampler not in SAMPLERS or SAMPLERS[sampler].order == 1
    return steps if first_order else 2 * steps - 1
