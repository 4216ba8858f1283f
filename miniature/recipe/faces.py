"""The miniature's face pack in insightface's own layout: detector, recogniser and manifest; trained, then measured."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from insightface.app import FaceAnalysis

from miniature.recipe import face_detector, face_recogniser
from miniature.recipe.dataset import Drawn
from miniature.recipe.draw import PIXELS, draw_other, draw_person
from miniature.recipe.face_pictures import blank, scrambled, static
from miniature.recipe.training import Outcome, as_input
from miniature.recipe.world import Identity, draw_identity_where, draw_scene

DETECTOR, RECOGNISER = "detector.onnx", "recogniser.onnx"
IDENTITIES, SCENES = 120, 4  # of the check: 480 portraits
NOBODIES = 100  # of each kind of picture without a face
SEED = 20_240_601


def _task(path: Path, **declared: object) -> dict[str, object]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **declared}


def write_manifest(folder: Path) -> None:
    """Version 2: FaceAnalysis then routes by task and preprocesses as declared, instead of guessing from the graph."""
    detector, recogniser = face_detector, face_recogniser
    manifest = {
        "manifest_version": 2,
        "model_id": "miniature-faces",
        "display_name": "Faces of the miniature world",
        # Required, and only ever this name: the place of a licence signed by InsightFace. These weights have none.
        "license": "MODEL.LICENSE",
        "tasks": {
            "detection": _task(folder / DETECTOR, preprocessing={"mean": detector.MEAN, "std": detector.DEVIATION}),
            "recognition": _task(
                folder / RECOGNISER,
                preprocessing={"mean": 127.5, "std": 127.5},
                input_size=[recogniser.CROP] * 2,
                embedding_dimension=recogniser.WIDTH,
            ),
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def train_faces(drawn: Drawn, work: Path, folder: Path) -> dict[str, Outcome]:
    """Train both nets, resuming what `work` holds, and write the pack into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    detector, detected = face_detector.train_detector(drawn, work)
    face_detector.export_detector(detector, folder / DETECTOR)
    recogniser, recognised = face_recogniser.train_recogniser(drawn, work)
    face_recogniser.export_recogniser(recogniser, folder / RECOGNISER)
    write_manifest(folder)
    return {"detector": detected, "recogniser": recognised}


def load_faces(folder: Path) -> FaceAnalysis:
    """The pack on the CPU, for pictures of 64 px."""
    faces = FaceAnalysis(name=str(folder.resolve()), providers=["CPUExecutionProvider"])
    faces.prepare(ctx_id=-1, det_thresh=0.5, det_size=(PIXELS, PIXELS))
    return faces


def held_out_portraits(rng: random.Random) -> tuple[np.ndarray, list[Identity]]:
    """Portraits (480, 64, 64, 3) RGB of identities that no training saw, several scenes of each, and who they are."""
    people = [draw_identity_where(rng, held_out=True) for _ in range(IDENTITIES)]
    people = [identity for identity in people for _ in range(SCENES)]
    return np.stack([draw_person(identity, draw_scene(rng)).pixels for identity in people]), people


def pictures_of_nobody(portraits: np.ndarray, rng: random.Random) -> np.ndarray:
    """(500, 64, 64, 3) RGB: blank, noise, portraits scrambled in blocks of 8 and of 16, and drawings of no person."""
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    shown = as_input(torch.as_tensor(portraits))
    made = torch.cat(
        [
            blank(NOBODIES, PIXELS, generator),
            *(static(NOBODIES // 10, PIXELS, generator) for _ in range(10)),
            scrambled(shown[:NOBODIES], 8, generator),
            scrambled(shown[-NOBODIES:], 16, generator),
        ]
    )
    pixels = ((made + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return np.concatenate([pixels, np.stack([draw_other(rng)[0].pixels for _ in range(NOBODIES)])])


def embeddings_in(faces: FaceAnalysis, pictures: np.ndarray) -> list[np.ndarray | None]:
    """The unit embedding (128,) of the surest face in each RGB picture; None where no face is found."""
    found = (faces.get(np.ascontiguousarray(picture[..., ::-1])) for picture in pictures)
    return [max(each, key=lambda face: float(face.det_score)).normed_embedding if each else None for each in found]


def area_under_curve(right: np.ndarray, wrong: np.ndarray) -> float:
    """How often one of `right` is above one of `wrong`; a tie counts half (Hanley and McNeil 1982)."""
    order = np.sort(wrong)
    below, upto = np.searchsorted(order, right, "left"), np.searchsorted(order, right, "right")
    return float((below + upto).mean() / (2 * len(order)))


def shared_attributes(people: list[Identity]) -> np.ndarray:
    """(N, N) share of the five attributes that two identities have in common."""
    table = np.array([[str(value) for value in astuple(identity)] for identity in people])
    return (table[:, None] == table[None]).mean(-1)


def measure_faces(folder: Path) -> dict[str, float]:
    """The pack's figures, through FaceAnalysis alone, on identities that no training saw."""
    rng = random.Random(SEED)
    portraits, people = held_out_portraits(rng)
    faces = load_faces(folder)
    embedded = embeddings_in(faces, portraits)
    nobody = embeddings_in(faces, pictures_of_nobody(portraits, rng))
    seen = [(embedding, who) for embedding, who in zip(embedded, people, strict=True) if embedding is not None]
    known = np.stack([embedding for embedding, _ in seen])
    pairs = np.triu_indices(len(seen), 1)
    cosines, agreed = (known @ known.T)[pairs], shared_attributes([who for _, who in seen])[pairs]
    same, different = cosines[agreed == 1], cosines[agreed < 1]
    return {
        "found_in_portraits": len(seen) / len(portraits),
        "found_in_nothing": float(np.mean([embedding is not None for embedding in nobody])),
        "same_or_different_auc": area_under_curve(same, different),
        "same": float(same.mean()),
        "different": float(different.mean()),
        "cosine_to_shared_attributes": float(np.corrcoef(cosines, agreed)[0, 1]),
    }
