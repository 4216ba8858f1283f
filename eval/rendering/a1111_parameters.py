"""A1111's `parameters` text, so that other tools can read how a picture was made."""

from __future__ import annotations

from base_models.drawing.png import parameters_of
from base_models.drawing.samplers import SAMPLERS
from eval.request.cells import Cell, Sampling
from eval.request.plan import PlannedPicture


def parameters_text(sampling: Sampling, base_name: str, cell: Cell | None, picture: PlannedPicture) -> str:
    """A1111's text: prompt with `<lora:name:TE:UNet>`, negative prompt, then `key: value` pairs on one line.

    A1111 has one number for all text encoders; where they differ, the tag has the first's, and a pair says them all.
    """
    uses = cell.uses if cell else ()
    tags = "".join(f" <lora:{use.checkpoint.path.stem}:{use.weights.te1:g}:{use.weights.unet:g}>" for use in uses)
    facts = {
        "Steps": sampling.steps,
        "Sampler": SAMPLERS[sampling.sampler].a1111,
        "CFG scale": f"{sampling.cfg:g}",
        "Seed": picture.seed,
        "Size": f"{sampling.width}x{sampling.height}",
        "Model hash": sampling.base[:10],
        "Model": base_name,
        "Clip skip": sampling.clip_skip,
        "RNG": "CPU",
    }
    if uses:
        hashes = ", ".join(f"{use.checkpoint.path.stem}: {use.checkpoint.sha256[:12]}" for use in uses)
        facts["Lora hashes"] = f'"{hashes}"'
    if apart := [use for use in uses if not use.weights.by_part.keys() <= {"unet", "te"}]:
        facts["Lora weights"] = f'"{"; ".join(f"{use.checkpoint.path.stem}: {use.weights}" for use in apart)}"'
    return parameters_of(picture.prompt + tags, sampling.negative, facts)
