"""The pack as ComfyUI loads it: nothing heavy, a sentence where the package is missing; names that lead nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfy_modules import comfy_modules
from integrations.comfyui.named_judges import clip_named, faces_named
from integrations.comfyui.named_places import (
    SET_FOLDERS,
    PlaceError,
    below,
    new_lora_file,
    picture_folder,
    store_folder,
)
from integrations.comfyui.studio_door import NodeError

PACK = Path(__file__).resolve().parents[3] / "integrations" / "comfyui"
# As ComfyUI's `load_custom_node` does, in a folder where our packages are not found.
LOAD = """
import importlib.util, json, os, sys, types
folder = sys.argv[1]
for room in ("foundation", "base_models", "loras", "eval", "miniature"):
    sys.modules[room] = None
paths = types.ModuleType("folder_paths")
paths.get_filename_list = lambda kind: ["a.safetensors", "b.pt"]
paths.get_full_path = lambda kind, name: __file__ if "__file__" in globals() else folder + "/__init__.py"
paths.get_folder_paths = lambda kind: [folder]
sys.modules["folder_paths"] = paths
spec = importlib.util.spec_from_file_location(folder.replace(".", "_x_"), os.path.join(folder, "__init__.py"))
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
inputs = {name: node.INPUT_TYPES() for name, node in module.NODE_CLASS_MAPPINGS.items()}
told = {"nodes": sorted(inputs), "loras": inputs["LoraStudioExactBlend"]["required"]["lora_1"][0]}
told["loaded"] = sorted({name.partition(".")[0] for name in sys.modules if sys.modules[name] is not None})
widgets = {key: (one[1] or {}).get("default", one[0][0]) for key, one in
           inputs["LoraStudioExactBlend"]["required"].items() if key != "model"}
try:
    module.NODE_CLASS_MAPPINGS["LoraStudioExactBlend"]().blend(None, **{**widgets, "lora_1": "a.safetensors"})
except Exception as error:
    told["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""
HEAVY = {"torch", "numpy", "PIL", "diffusers", "transformers", "safetensors", "onnxruntime", "pydantic"}


def test_the_pack_loads_nothing_heavy_and_says_what_to_install(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", LOAD, str(PACK)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["nodes"] == ["LoraStudioAppendToStore", "LoraStudioExactBlend", "LoraStudioScoreIdentity"]
    assert told["loras"] == ["none", "a.safetensors"]
    assert not HEAVY & {*told["loaded"]}
    assert told["error"].startswith("StudioMissingError: this node needs the package lora-studio: run `")
    assert "\n" not in told["error"]


def test_the_registrys_file_says_what_it_has_to() -> None:
    project = tomllib.loads((PACK / "pyproject.toml").read_text(encoding="utf-8"))
    ours = tomllib.loads((PACK.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"PublisherId", "DisplayName", "Icon"} <= project["tool"]["comfy"].keys()
    assert {project["project"][key] for key in ("version", "requires-python")} == {
        ours["version"],
        ours["requires-python"],
    }
    wanted = (PACK / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in wanted if not line.startswith("#")] == project["project"]["dependencies"] == []


NAMES = st.lists(st.sampled_from([*"ab./\\:~ \x00\n", "..", "C:", "%2e"]), max_size=12).map("".join)


@given(name=NAMES)
def test_no_typed_name_leads_out_of_its_folder(name: str) -> None:
    root = Path("/srv/comfy/output")
    try:
        place = below(name, root, "store")
    except PlaceError:
        return
    assert Path(os.path.normpath(place)).is_relative_to(root)
    assert place != root


@pytest.mark.parametrize("name", ["", " ", "/etc", "../x", "a/../../x", "C:\\x", "\\\\host\\x", "a\nb", "x" * 500])
def test_what_leads_out_is_refused_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comfy_modules(tmp_path, monkeypatch)
    asked = (store_folder, new_lora_file, lambda one: picture_folder(one, "references"), faces_named, clip_named)
    for place in asked:
        with pytest.raises(NodeError) as told:
            place(f"local-dir:{name}" if place is clip_named else name)
        assert "\n" not in str(told.value)


def test_folders_that_are_set_may_be_named_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = comfy_modules(tmp_path / "comfy", monkeypatch)
    kept = tmp_path / "kept"
    (kept / "hina").mkdir(parents=True)
    (folders.input / "mai").mkdir()
    with pytest.raises(PlaceError, match=SET_FOLDERS):
        picture_folder(str(kept / "hina"), "references")
    monkeypatch.setenv(SET_FOLDERS, f"{tmp_path / 'other'}{os.pathsep}{kept}")
    assert picture_folder(str(kept / "hina"), "references") == kept / "hina"
    assert picture_folder("mai", "references") == folders.input / "mai"
    assert store_folder(str(kept / "store")) == kept / "store"
    with pytest.raises(PlaceError):
        store_folder(str(kept / ".." / "elsewhere"))


def test_judges_are_public_names_or_folders_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comfy_modules(tmp_path, monkeypatch)
    pack = tmp_path / "models" / "insightface" / "models" / "mine"
    pack.mkdir(parents=True)
    assert faces_named("buffalo_l") == "buffalo_l"
    assert faces_named("mine") == str(pack)
    assert clip_named("ViT-B-32/laion2b_s34b_b79k") == "ViT-B-32/laion2b_s34b_b79k"
    assert clip_named("hf-hub:owner/a-clip") == "hf-hub:owner/a-clip"
