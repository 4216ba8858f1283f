"""*Score identity* and *Append*: numbers as `eval` has them, and a store that is ranked and exported."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from base_models.drawing.png import read_picture
from base_models.vision.faces import load_faces
from base_models.vision.likeness import centroid
from comfy_modules import ComfyFolders, comfy_modules
from eval.exporting.export import export_cell
from eval.judging import readings
from eval.reporting.ranked_grid import open_ranked
from foundation.files import sha256_of
from integrations.comfyui.append_node import AppendToStore
from integrations.comfyui.appended import Unit, row_of
from integrations.comfyui.blended_cell import BlendedCell, CellLora
from integrations.comfyui.identity_node import ScoreIdentity
from integrations.comfyui.studio_door import NodeError
from miniature.paths import SUBJECT

TRAINED = sorted((SUBJECT / "Train").rglob("*.png"))
OTHERS = sorted((SUBJECT / "Reg").rglob("*.png"))
REFERENCES = sorted((SUBJECT / "references").glob("*.png"))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComfyFolders:
    monkeypatch.setattr(readings, "same_pictures", lambda first, second: [])
    made = comfy_modules(tmp_path, monkeypatch)
    shutil.copytree(SUBJECT / "references", made.input / "hina")
    return made


def image(*paths: Path) -> Any:
    """As a loader of pictures gives them."""
    return torch.from_numpy(np.stack([read_picture(path) for path in paths]).astype(np.float32) / 255)


def faces_of(paths: list[Path]) -> np.ndarray:
    found = load_faces("miniature").read_all([read_picture(path) for path in paths])
    return np.stack([one.embedding for one in found if one.embedding is not None])


def test_likeness_is_that_of_a_grid_and_says_what_it_is_worth(folders: ComfyFolders) -> None:
    node = ScoreIdentity()
    done: Any = node.score(image(*TRAINED[:3]), "hina", "miniature", image(*OTHERS[:3]))
    likeness, words = done["result"]
    wanted = faces_of(TRAINED[:3]) @ centroid(faces_of(REFERENCES))
    assert likeness == pytest.approx(float(wanted.mean()), abs=1e-6)
    assert "% of the way" in words
    assert "real pictures of the subject are at" in words
    assert "few pictures" in words

    alone: Any = node.score(image(TRAINED[0]), "hina", "miniature")
    assert "connect base_images" in alone["result"][1]
    nobody: Any = node.score(torch.zeros(2, 64, 64, 3), "hina", "miniature", image(*OTHERS[:3]))
    assert "no face in 2 of 2" in nobody["result"][1]
    assert nobody["result"][0] < likeness


def append(node: AppendToStore, picture: Any, seed: int, read: str = "later", **widgets: Any) -> str:
    given = {
        **{"checkpoint": "none", "unet": 1.0, "te": 1.0, "prompt": "photo of a ohwx person, smiling"},
        **{"trigger": "ohwx person", "class_word": "person", "references": "hina", "faces": "miniature"},
        "clip_model": "miniature",
    }
    done: Any = node.append(picture, "stores/hina", read, drawn_seed=seed, **{**given, **widgets})
    return done["result"][0]


def test_appended_pictures_are_a_store_that_is_ranked_and_exported(folders: ComfyFolders, tmp_path: Path) -> None:
    shutil.copy(SUBJECT / "first.safetensors", folders.loras / "hina.safetensors")
    node, store = AppendToStore(), folders.output / "stores" / "hina"
    for seed in (1, 2):
        told = append(node, image(OTHERS[seed]), seed, prompt="photo of a person, smiling")
    assert "python -m eval import" in told
    sha256 = sha256_of(folders.loras / "hina.safetensors")
    for weight, pictures in ((0.8, TRAINED), (0.2, OTHERS[3:])):
        cell = BlendedCell((CellLora("hina", sha256, weight, 0.5),))
        for seed in (1, 2):
            append(node, image(pictures[seed]), seed, cell=cell)
    told = append(node, image(TRAINED[2]), 2, "now", checkpoint="hina.safetensors", unet=0.8, te=0.5)
    assert "6 in manifest.csv" in told

    ranked = open_ranked(store)
    assert [(row.checkpoint, row.unet, row.te) for row in ranked.rows] == [("hina", 0.8, 0.5), ("hina", 0.2, 0.5)]
    assert ranked.evidence.trigger == "ohwx person"
    assert np.isfinite(ranked.evidence.faces_control).any()
    export_cell(ranked.grid, ranked.rows[0], tmp_path / "best.safetensors")

    append(node, image(TRAINED[5]), 2, "now", checkpoint="hina.safetensors", unet=0.8, te=0.5)
    assert open_ranked(store).rows[0].identity != ranked.rows[0].identity


def test_the_first_picture_waits_for_others(folders: ComfyFolders) -> None:
    told = append(AppendToStore(), image(OTHERS[0]), 1, "now", prompt="photo of a person")
    assert "put by, and not compared yet" in told


def test_what_is_no_row_and_no_unit_is_refused(folders: ComfyFolders) -> None:
    node = AppendToStore()
    with pytest.raises(NodeError, match="batch_size"):
        append(node, image(*OTHERS[:2]), 1)
    with pytest.raises(NodeError, match="exact sums"):
        append(node, image(OTHERS[0]), 1, cell=BlendedCell((), "a store's rows are exact sums"))
    with pytest.raises(NodeError, match="prompt: is empty"):
        row_of(BlendedCell(()), Unit(" ", 1))
    manifest = folders.output / "stores" / "hina" / "appended" / "manifest.csv"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("mine,not yours\n")
    with pytest.raises(NodeError, match="is no list of appended pictures"):
        append(node, image(OTHERS[0]), 1)
    assert manifest.read_text() == "mine,not yours\n"


def test_texts_with_commas_quotes_and_lines_stay_texts(folders: ComfyFolders) -> None:
    prompt = 'photo of a ohwx person, "smiling"\n=cmd|x, ;tab\t'
    node, manifest = AppendToStore(), folders.output / "stores" / "hina" / "appended" / "manifest.csv"
    append(node, image(OTHERS[0]), 1, prompt=prompt)
    append(node, image(OTHERS[1]), 2, prompt=prompt)
    assert manifest.read_text().count('"photo of a ohwx person, ""smiling"" =cmd|x, ;tab"') == 2
