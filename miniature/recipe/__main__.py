"""Rebuilds the miniature world, or checks its figures.

python -m miniature.recipe build      draws the pictures, trains every model, writes miniature/weights; resumes
python -m miniature.recipe subject    draws the shipped subject: Train/, Reg/, references/
python -m miniature.recipe check      measures the shipped weights on pictures and identities never trained on
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from miniature.recipe.check import check_all, figures_of
from miniature.recipe.clips.caption_clip import COURSE as CAPTION_COURSE
from miniature.recipe.clips.caption_clip import train_caption_clip
from miniature.recipe.clips.clip import train_clip
from miniature.recipe.clips.clip_figures import clip_figures_of
from miniature.recipe.dataset import load_drawn
from miniature.recipe.diffusion import COURSE as DIFFUSION_COURSE
from miniature.recipe.diffusion import (
    build_tokenizer,
    first_sitting,
    save_pipeline,
    shipped_sitting,
    train_diffusion,
)
from miniature.recipe.faces import train_faces
from miniature.recipe.subject import draw_subject
from miniature.recipe.training import Outcome
from miniature.recipe.untyped import untyped
from miniature.recipe.vae import COURSE as VAE_COURSE
from miniature.recipe.vae import encode, train_vae

ROOT = Path(__file__).resolve().parents[1]
Record = dict[str, dict[str, Any]]  # of each model by name, its outcome
WEIGHTS, WORK, SUBJECT = ROOT / "weights", ROOT / "work", ROOT / "subject"


def build() -> None:
    """Train whatever is not trained to its end yet, from the state saved every two minutes or from shipped weights."""
    drawn, base = load_drawn(WORK), WEIGHTS / "base"
    if _steps_of("vae") < VAE_COURSE.steps:
        vae, vae_outcome = train_vae(drawn.pixels, WORK)
        untyped(vae).save_pretrained(base / "vae")
        _record("vae", vae_outcome)
    if (begun := _steps_of("diffusion")) < DIFFUSION_COURSE.steps:
        vae: AutoencoderKL = untyped(AutoencoderKL).from_pretrained(base / "vae", torch_dtype=torch.float32)
        tokenizer = build_tokenizer(WORK / "tokenizer")
        sitting = shipped_sitting(base, begun) if begun else first_sitting()
        unet, text, outcome = train_diffusion(encode(vae, drawn.pixels), drawn.captions, tokenizer, WORK, sitting)
        save_pipeline(vae, unet, text, tokenizer, base)
        _record("diffusion", outcome)
    if not _steps_of("face_recogniser"):
        for name, face_outcome in train_faces(drawn, WORK, WEIGHTS / "faces").items():
            _record(name, face_outcome)
    if not _steps_of("clip"):
        _record("clip", train_clip(drawn, WORK, WEIGHTS / "clip"))
    if _steps_of("caption_clip") < CAPTION_COURSE.steps:
        _record("caption_clip", train_caption_clip(drawn, WORK, WEIGHTS / "caption_clip"))


def _steps_of(name: str) -> int:
    """How many steps the shipped weights of a model have behind them."""
    path = WEIGHTS / "record.json"
    record: Record = json.loads(path.read_text()) if path.exists() else {}
    return int(record.get(name, {}).get("steps", 0))


def _record(name: str, outcome: Outcome) -> None:
    """Keep seed, steps, time and loss of every model beside the weights."""
    path = WEIGHTS / "record.json"
    record: Record = json.loads(path.read_text()) if path.exists() else {}
    record[name] = asdict(outcome)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m miniature.recipe", description="Rebuilds the miniature world, or checks its figures."
    )
    parser.add_argument("work", choices=["build", "subject", "check"], help="what to do")
    wanted = parser.parse_args().work
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    torch.set_num_threads(os.cpu_count() or 1)
    if wanted == "build":
        build()
    elif wanted == "subject":
        draw_subject(SUBJECT)
    else:
        raise SystemExit(0 if check_all(chain(figures_of(WEIGHTS), clip_figures_of(WEIGHTS))) else 1)


if __name__ == "__main__":
    main()
