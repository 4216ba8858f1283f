"""A second face pack for tests: the miniature's detector with a recogniser of other weights, in a folder of its own."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from miniature.paths import FOLDERS


def perturbed_pack(folder: Path, strength: float = 0.02, seed: int = 0) -> Path:
    """Copy the miniature's pack to `folder`, each of the recogniser's matrices moved by `strength` of its own size."""
    shutil.copytree(FOLDERS["faces"], folder)
    rng = np.random.default_rng(seed)
    for path in folder.rglob("*.onnx"):
        model = onnx.load(path)
        if list(model.graph.input[0].type.tensor_type.shape.dim)[-1].dim_value != 112:
            continue
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.ndim > 1:
                moved = values + strength * values.std() * rng.normal(size=values.shape)
                tensor.CopyFrom(numpy_helper.from_array(moved.astype(values.dtype), tensor.name))
        known = hashlib.sha256(path.read_bytes()).hexdigest()
        onnx.save(model, path)
        manifest = folder / "manifest.json"
        moved = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest.write_text(manifest.read_text(encoding="utf-8").replace(known, moved), encoding="utf-8")
    return folder
