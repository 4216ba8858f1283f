"""No server is asked for what looks like a path, nothing arrives unannounced, and no pickle is read."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import diffusers
import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from base_models import model_hub
from base_models.base_model import load_base
from base_models.base_source import Overrides, find_base
from base_models.model_hub import HUB, OFFLINE, Fetched, NotFetchedError, hub_model, is_offline, looks_like_a_path
from base_models.vision import insightface_pack
from base_models.vision.clip_model import ClipError, load_clip
from base_models.vision.dino_model import DinoError, load_dino
from base_models.vision.face_model import FacePackError
from base_models.vision.faces import load_faces
from foundation.errors import BaseModelError, UserError
from foundation.progress import Silent
from miniature.paths import FOLDERS


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OFFLINE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What servers are asked for, none of which answers; and what was said before that, in the same list."""
    heard: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            heard.append(f"said: {line}")

    def refused(title: str) -> Callable[..., object]:
        def ask(*names: object, **given: object) -> object:
            if not given.get("local_files_only"):
                heard.append(f"{title} {names[-1]}")
            raise OSError("no network")

        return ask

    monkeypatch.setattr(model_hub, "at_hand", Listening)
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", refused("download"))
    monkeypatch.setattr(insightface_pack, "ensure_available", refused("pack"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refused("info"))
    return heard


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        ("runwayml/stable-diffusion-v1-5", False),
        ("models/sd15", True),
        ("./sd15", True),
        ("../sd15", True),
        ("~/sd15", True),
        ("/data/sd15", True),
        ("a/b/c", True),
        ("sd15", True),
        ("models\\sd15", True),
        ("someone/sd15.safetensors", True),
        ("someone/sd1.5", False),
    ],
)
def test_a_path_is_told_from_a_hubs_name(
    name: str, is_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert looks_like_a_path(name) is is_path


def test_a_mistyped_base_model_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("models/sd15", "sd15.safetensors", str(tmp_path / "gone"), "sd15"):
        with pytest.raises(NotFetchedError, match="no such base model on this machine; it looks like a path"):
            find_base(name)
    assert asked == []


def test_what_is_fetched_is_said_first(asked: list[str]) -> None:
    with pytest.raises(BaseModelError, match="the hub has or gives no such model"):
        find_base("someone/kat-base")
    assert asked[0].startswith("info ")
    assert asked[1] == f"said: fetching base model `someone/kat-base` from {HUB}: size not told, licence not told; once"
    assert asked[2] == "download someone/kat-base"


def test_the_hub_is_asked_for_size_and_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [SimpleNamespace(size=4_000_000_000), SimpleNamespace(size=None)]
    told = SimpleNamespace(siblings=files, card_data={"license": "openrail"})
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: told)
    assert hub_model("base model", "a/b") == Fetched("base model", "a/b", HUB, "up to 4.0 GB", "licence openrail")


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_asks_nobody_and_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setenv(name, "1")
    for load, model in ((find_base, "someone/kat-base"), (load_clip, "hf-hub:someone/clip"), (load_dino, "dinov2:a/b")):
        with pytest.raises(NotFetchedError, match=f"nothing is fetched .*{name} is set"):
            load(model)
    with pytest.raises(NotFetchedError, match="face pack `buffalo_s`"):
        load_faces("buffalo_s")
    assert asked == []
    monkeypatch.setenv(name, "0")
    assert not is_offline()


def test_a_mistyped_face_pack_asks_nobody(asked: list[str]) -> None:
    with pytest.raises(FacePackError, match=r"neither a folder nor one of insightface's \(antelopev2, buffalo_l,"):
        load_faces("bufalo_l")
    assert asked == []


def test_a_pack_of_insightfaces_is_said_with_its_size_and_terms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr(insightface_pack, "FETCHED_PACKS", tmp_path)
    with pytest.raises(FacePackError, match="could not fetch it"):
        load_faces("buffalo_l")
    assert asked == [
        "said: fetching face pack `buffalo_l` from github.com/deepinsight: 326 MB, non-commercial research only "
        "(insightface model zoo); once",
        "pack buffalo_l",
    ]


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A pickle that leaves a mark where it is read."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()", "")

    path = tmp_path / "bomb.bin"
    path.write_bytes(pickle.dumps(Bomb()))
    return path


def _vae(folder: Path, bomb: Path) -> Callable[[], object]:
    """A VAE's folder with a pickle of the name that diffusers would take, beside a .safetensors file of another."""
    shutil.copytree(FOLDERS["base"] / "vae", folder / "vae")
    for path in (folder / "vae").glob("*.safetensors"):
        path.rename(path.with_name("other.safetensors"))
    shutil.copy(bomb, folder / "vae" / "diffusion_pytorch_model.bin")
    return lambda: load_base(find_base("miniature", Overrides(vae=str(folder / "vae"))))


def _clip(folder: Path, bomb: Path) -> Callable[[], object]:
    shutil.copytree(FOLDERS["clip"], folder / "clip")
    for path in (folder / "clip").glob("*.safetensors"):
        path.unlink()
    shutil.copy(bomb, folder / "clip" / "open_clip_pytorch_model.bin")
    return lambda: load_clip(f"local-dir:{folder / 'clip'}", "cpu")


def _clip_beside_others(folder: Path, bomb: Path) -> Callable[[], object]:
    load = _clip(folder, bomb)
    save_file({"a": torch.ones(1)}, folder / "clip" / "stray.safetensors")
    return load


def _dino(folder: Path, bomb: Path) -> Callable[[], object]:
    made = folder / "dino"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "dinov2"}')
    (made / "preprocessor_config.json").write_text(
        '{"crop_size": {"height": 14}, "resample": 3, "image_mean": [0, 0, 0], "image_std": [1, 1, 1],'
        ' "image_processor_type": "BitImageProcessor"}'
    )
    shutil.copy(bomb, made / "pytorch_model.bin")
    return lambda: load_dino(f"dinov2:{made}", "cpu")


@pytest.mark.parametrize("planted", [_vae, _clip, _clip_beside_others, _dino])
def test_no_pickle_is_read(planted: Callable[[Path, Path], Callable[[], object]], tmp_path: Path, bomb: Path) -> None:
    """Each folder has a pickle where its library looks for one; `torch.load` is a trap, whatever it would refuse."""
    load = planted(tmp_path, bomb)
    with pytest.MonkeyPatch.context() as patch:
        read: list[object] = []
        patch.setattr(torch, "load", lambda *names, **_: read.append(names))
        patch.setattr(pickle, "load", lambda *names, **_: read.append(names))
        with pytest.raises((BaseModelError, ClipError, DinoError)) as caught:
            load()
    assert isinstance(caught.value, UserError)
    assert read == []
    assert not (tmp_path / "ran").exists()


def test_a_hub_that_is_not_reached_is_told_at_once_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreached(*asked: object, **more: object) -> None:
        raise ConnectionError("Temporary failure in name resolution")

    def slow(*asked: object, **more: object) -> None:
        raise TimeoutError

    for name in OFFLINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreached)
    with pytest.raises(NotFetchedError, match=r"cannot be reached; name a folder of its files as local-dir:FOLDER"):
        hub_model("CLIP model", "a/b")
    with pytest.raises(NotFetchedError, match=r"--blip FOLDER"):
        hub_model("BLIP", "a/b")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", slow)
    assert hub_model("CLIP model", "a/b") == Fetched("CLIP model", "a/b", HUB)
