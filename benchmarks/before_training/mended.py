"""Does mending what a check finds make a better LoRA? Sets with a planted fault, and mended, trained alike.

Eight kinds of fault on drawn people that no model of the miniature saw: strangers among the pictures, captions without
the trigger, blurred pictures, burnt out ones, pictures that lie on their side, framed ones, one picture many times,
one background that no caption says. Most are mended by `trainer prepare` alone; three by the check's advice: to turn
what lies, to cut frames off, and to say the background in every caption. Both sets of a pair have the same rates and
seeds, and epochs of as many steps within a few. Each LoRA draws the same prompts; a picture's identity is the cosine of
its face to held-out references (0 without a face), its prompt score the cosine of CLIP's vectors. What is reported is
the mean of mended - planted, with Student's 95 % interval over the subjects' means where there are three or more, else
over pictures.

Finished trainings are kept in a JSON lines file. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from foundation.command_line import quieten

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
from PIL import Image, ImageFilter
from scipy import stats

from foundation.progress import Silent
from miniature.recipe.draw import draw_person
from miniature.recipe.world import (
    BACKGROUNDS,
    TRIGGER,
    Identity,
    Scene,
    caption,
    draw_identity_where,
    draw_scene,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

SHOWN = 96  # pictures an epoch, whatever the set
DRAWN = 4  # sample pictures of each prompt
EPOCHS, OWN, ADDED, REFERENCES = 5, 14, 10, 10
STRANGERS = 6  # of as many as own and added; of eight and more, each another, a check names none (docs/log.md)
PROMPTS = [
    "photo of a ohwx person, smiling, looking at viewer, red hoodie, blue background",
    "photo of a ohwx person, serious, green t-shirt, white background",
    "photo of a ohwx person, sad, yellow sweater, purple background",
    "photo of a ohwx person, slight smile, wide eyes, blue overalls, pink background",
    "photo of a ohwx person, eyes closed, purple t-shirt, yellow background",
    "photo of a ohwx person, happy eyes, white v-neck shirt, green background",
]
Set = list[tuple[Image.Image, str]]


@dataclass(frozen=True)
class Fault:
    """`planted` makes the set with the fault; `mended` is the set by the check's advice, None where `trainer prepare`
    makes it."""

    planted: Callable[[Identity, Random], Set]
    mended: Callable[[Identity, Random], Set] | None = None


def _picture(identity: Identity, scene: Scene) -> Image.Image:
    return Image.fromarray(draw_person(identity, scene).pixels)


def _own(identity: Identity, draw: Random, count: int = OWN) -> Set:
    scenes = [draw_scene(draw) for _ in range(count)]
    return [(_picture(identity, scene), caption(TRIGGER, scene.words())) for scene in scenes]


def strangers(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw, OWN + ADDED - STRANGERS)
    others = [draw_identity_where(draw, held_out=False) for _ in range(STRANGERS)]
    scenes = [draw_scene(draw) for _ in others]
    return own + [
        (_picture(one, scene), caption(TRIGGER, scene.words())) for one, scene in zip(others, scenes, strict=True)
    ]


def without_trigger(identity: Identity, draw: Random) -> Set:
    return [(one, text.replace(f"photo of a {TRIGGER}, ", "")) for one, text in _own(identity, draw, OWN + ADDED)]


def blurred(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw, OWN + ADDED)
    return [
        (one.filter(ImageFilter.GaussianBlur(2.5)) if at >= OWN else one, text) for at, (one, text) in enumerate(own)
    ]


def burnt_out(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw, OWN + ADDED)
    return [
        (one.point(lambda level: min(255, level * 6)) if at >= OWN else one, text) for at, (one, text) in enumerate(own)
    ]


def on_their_side(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw, OWN + ADDED)
    return [
        (one.transpose(Image.Transpose.ROTATE_90) if at >= OWN else one, text) for at, (one, text) in enumerate(own)
    ]


def framed(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw, OWN + ADDED)
    return [(_in_a_frame(one) if at < OWN else one, text) for at, (one, text) in enumerate(own)]


def _in_a_frame(picture: Image.Image) -> Image.Image:
    """Two thirds of its size, black around it. The frame cut off is the picture itself, for sources are larger."""
    whole = Image.new("RGB", picture.size)
    inner = picture.resize((2 * picture.width // 3, 2 * picture.height // 3), Image.Resampling.LANCZOS)
    whole.paste(inner, ((picture.width - inner.width) // 2, (picture.height - inner.height) // 2))
    return whole


def mended_by_hand(identity: Identity, draw: Random) -> Set:
    return _own(identity, draw, OWN + ADDED)


def one_many_times(identity: Identity, draw: Random) -> Set:
    own = _own(identity, draw)
    shown, text = own[0]
    copies = [shown.point([min(255, value + 3 + at % 5) for value in range(256)] * 3) for at in range(4 * ADDED)]
    return own + [(one, text) for one in copies]


def _before_one_wall(identity: Identity, draw: Random, said: str) -> Set:
    scenes = [replace(draw_scene(draw), background="dark") for _ in range(OWN + ADDED)]
    texts = [caption(TRIGGER, [*scene.words()[:-1], *([said] if said else [])]) for scene in scenes]
    return [(_picture(identity, scene), text) for scene, text in zip(scenes, texts, strict=True)]


def one_background(identity: Identity, draw: Random) -> Set:
    return _before_one_wall(identity, draw, "")


def background_said(identity: Identity, draw: Random) -> Set:
    return _before_one_wall(identity, draw, "dark background")


FAULTS = {
    "strangers": Fault(strangers),
    "no trigger": Fault(without_trigger),
    "blurred": Fault(blurred),
    "burnt out": Fault(burnt_out),
    "on their side": Fault(on_their_side, mended_by_hand),
    "framed": Fault(framed, mended_by_hand),
    "one picture many times": Fault(one_many_times),
    "one background": Fault(one_background, background_said),
}
assert "dark" in BACKGROUNDS


def write_set(folder: Path, pictures: Set, parent: str = "Train/1_ohwx person") -> None:
    """PNG files with captions beside them."""
    place = folder / parent
    place.mkdir(parents=True)
    for number, (picture, text) in enumerate(pictures):
        picture.save(place / f"{number:02}.png")
        (place / f"{number:02}.txt").write_text(text + "\n", encoding="utf-8")


def sets_of(kind: str, seed: int, folder: Path) -> tuple[Path, Path, dict[str, object]]:
    """The folder with the fault and the mended one, and what mending did."""
    from trainer.checking.request import CheckRequest
    from trainer.preparing.preparing import prepare

    fault, draw = FAULTS[kind], Random(f"mended/{seed}")
    identity = draw_identity_where(draw, held_out=True)
    scenes = draw.getrandbits(40)
    write_set(folder / "planted", fault.planted(identity, Random(scenes)))
    write_set(folder, _own(identity, Random(scenes + 1), REFERENCES), "references")
    if fault.mended is not None:
        write_set(folder / "mended", fault.mended(identity, Random(scenes)))
        return folder / "planted", folder / "mended", {"by": "the check's advice"}
    request = CheckRequest(
        folder / "planted",
        faces="miniature",
        trigger=TRIGGER,
        class_word="person",
        resolution=64,
        cache=folder / "kept",
    )
    done = prepare(request, folder / "mended", frozenset(), Silent())
    told = [f"{piece.source.name}: {piece.done} {piece.rule}".strip() for piece in done.done]
    return folder / "planted", folder / "mended", {"by": "trainer prepare", "done": told}


def trained(data: Path, references: Path, seed: int, kind: str) -> dict[str, list[float]]:
    """Identity and prompt score of each sample picture of the last epoch, DRAWN of a prompt."""
    from base_models.drawing.png import read_picture
    from base_models.vision.clip_model import load_clip
    from trainer.config.config import parse_config
    from trainer.data.dataset import read_dataset
    from trainer.running.run import run_training
    from trainer.samples.sample_identity import open_identity_measure

    prompts = PROMPTS * DRAWN
    count = len(read_dataset(data / "Train", None).train)
    (inner,) = (data / "Train").iterdir()
    inner.rename(inner.with_name(f"{max(1, round(SHOWN / count))}_ohwx person"))
    values: dict[str, object] = {
        "preset": "miniature",
        "model": {"device": "cpu"},
        "data": {"train": "Train", "held_out": str(references)},
        "training": {"epochs": EPOCHS, "seed": seed},
        "samples": {"prompts": prompts, "every_n_epochs": EPOCHS, "steps": 20},
        "output": {"folder": "out", "name": "run"},
    }
    config = parse_config(values, data / "run.toml")
    record = run_training(config, Silent())
    pictures = sorted((data / "out" / "run-samples").glob(f"{EPOCHS:06d}-*.png"))
    assert len(pictures) == len(prompts), (kind, record.notes)
    measure = open_identity_measure("miniature", references, read_dataset(data / "Train", None), 64)
    clip = load_clip("miniature", "cpu")
    seen = clip.embed_pictures([read_picture(path) for path in pictures])
    texts = clip.embed_texts([prompt.replace(TRIGGER, "person") for prompt in prompts])
    identity = np.nan_to_num(measure.cosines(pictures), nan=0.0)
    return {"identity": identity.tolist(), "prompt": (seen * texts).sum(1).tolist(), "steps": [record.steps]}


def pair(kind: str, seed: int) -> dict[str, Any]:
    """Both trainings of a fault and a subject."""
    with tempfile.TemporaryDirectory() as name:
        planted, mended, done = sets_of(kind, seed, Path(name))
        shutil.rmtree(mended / "aside", ignore_errors=True)
        references = Path(name) / "references"
        return {
            "kind": kind,
            "seed": seed,
            "mending": done,
            "planted": trained(planted, references, seed, kind),
            "mended": trained(mended, references, seed, kind),
        }


def gained(rows: Sequence[dict[str, Any]], figure: str) -> dict[str, object]:
    """Mean of mended - planted, and its interval: over the subjects where there are three, else over pictures."""
    gains = [np.array(row["mended"][figure]) - np.array(row["planted"][figure]) for row in rows]
    values = np.array([gain.mean() for gain in gains]) if len(gains) >= 3 else np.concatenate(gains)
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4), "better": mean > half}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--only", choices=list(FAULTS))
    parser.add_argument("--kept", type=Path, default=Path("runs/benchmarks/mended.jsonl"), help="finished pairs")
    chosen = parser.parse_args()
    quieten()
    chosen.kept.parent.mkdir(parents=True, exist_ok=True)
    lines = chosen.kept.read_text().splitlines() if chosen.kept.is_file() else []
    done = {(row["kind"], row["seed"]): row for row in map(json.loads, lines)}
    wanted = [(kind, seed) for seed in range(chosen.subjects) for kind in FAULTS if chosen.only in (None, kind)]
    for kind, seed in wanted:
        if (kind, seed) not in done:
            row = done[(kind, seed)] = pair(kind, seed)
            with chosen.kept.open("a") as kept:
                kept.write(json.dumps(row) + "\n")
            gains = {figure: gained([row], figure)["mean"] for figure in ("identity", "prompt")}
            print(f"{kind} {seed}: {gains}", flush=True)
    kinds = {kind: [done[one] for one in wanted if one[0] == kind] for kind in FAULTS if chosen.only in (None, kind)}
    figures = {kind: {name: gained(rows, name) for name in ("identity", "prompt")} for kind, rows in kinds.items()}
    print(
        json.dumps(
            {
                "kinds": figures,
                "better": sum(any(one["better"] for one in found.values()) for found in figures.values()),
                "of": len(figures),
                "subjects": chosen.subjects,
                "against": "the same set with the fault",
                "machine": machine_in_words("no GPU"),
            }
        )
    )


if __name__ == "__main__":
    main()
