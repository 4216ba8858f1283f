"""What reads each kind of a stranger's file, and sound samples of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torture.works import SUBJECT

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Kind:
    """`make` writes samples, of which `pattern` says which are broken; `amount`: how many are tried."""

    name: str
    amount: int
    make: Callable[[Path], object]
    pattern: str
    reads: tuple[Read, ...]

    def files(self, folder: Path) -> list[Path]:
        return sorted(path for path in folder.glob(self.pattern) if path.is_file())

    def again(self, folder: Path, path: Path, sound: bytes) -> None:
        """Put the sample back, and remove what reading left beside it."""
        path.write_bytes(sound)
        for left in folder.rglob("*.sqlite-*"):
            left.unlink()


def _eval(*words: str) -> Read:
    """A command of eval on the file: `FILE` stands for it, `FOLDER` for the folder that it lies in."""

    def read(path: Path) -> None:
        from typer.testing import CliRunner

        from eval.__main__ import app

        asked = [str(path) if one == "FILE" else str(path.parent) if one == "FOLDER" else one for one in words]
        done = CliRunner().invoke(app, asked)
        if done.exception:
            raise done.exception

    return read


def _make_loras(folder: Path) -> None:
    from base_models.base_model import load_base
    from loaded_transformers import diffusers_file, random_pairs
    from random_loras import random_kohya_file

    modules = dict(list(load_base("miniature").modules.items())[:40])
    random_kohya_file(folder / "a.safetensors", modules, 1, rank=2, ss_epoch="1", ss_network_args='{"a": 1}')
    diffusers_file("flux1", dict(list(random_pairs("flux1").items())[:6]), folder / "b.safetensors")


def _make_pictures(folder: Path) -> None:
    from PIL import Image

    source = next((SUBJECT / "Train").glob("*/*.png"))
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
        shutil.copyfile(source, folder / "a.png")
        for name, options in (
            ("b.jpg", {"exif": picture.getexif().tobytes()}), ("c.webp", {}), ("d.bmp", {}), ("e.gif", {}),
            ("f.tif", {}), ("g.png", {"dpi": (72, 72)}), ("h.ppm", {}),
        ):  # fmt: skip
            picture.save(folder / name, **options)
        picture.convert("P").save(folder / "i.png")
        picture.convert("LA").save(folder / "j.png")


def _read_picture(path: Path) -> None:
    from base_models.pictures.picture_file import load_picture, manner_of

    manner_of(path)
    load_picture(path)


def _read_picture_texts(path: Path) -> None:
    from eval.importing.collected import Ways, collect
    from eval.importing.containers.picture_sources import find_pictures
    from eval.importing.naming.trainer_samples import SampleNames

    collect(find_pictures([path]), Ways(None, None, SampleNames((), None)))


def _make_texts(folder: Path) -> None:
    for name in ("train.toml", "grid.toml", "prompts.toml"):
        shutil.copyfile(SUBJECT / name, folder / name)
    (folder / "vocabulary.toml").write_bytes(
        (SUBJECT.parents[1] / "trainer" / "captioning" / "vocabulary.toml").read_bytes()
    )
    caption = next((SUBJECT / "Train").glob("*/*.txt"))
    (folder / "caption.txt").write_bytes(
        caption.read_bytes() + b" (red:1.2), [blue|green], <lora:a:1>, {x} BREAK (a:0.5)"
    )
    (folder / "settings.json").write_text(
        '{"pretrained_model_name_or_path": "a", "unet_lr": 0.0002, "max_train_epochs": 12}'
    )


def read_anew(reader: Any, path: Path) -> object:
    """By a reader that remembers what it has read, and would not look at a file of the same name again."""
    reader.cache_clear()
    return reader(path)


def _read_text(path: Path) -> None:
    from base_models.prompts.prompt_syntax import cautions_of_prompt, fault_of_prompt
    from eval.request.prompts import read_prompts
    from eval.request.spec import PromptsSection, read_spec
    from foundation.text_files import read_json, read_text
    from trainer.captioning.vocabulary import read_vocabulary
    from trainer.config.config import read_config

    readers: dict[str, Callable[[Path], Any]] = {
        "train.toml": read_config,
        "grid.toml": read_spec,
        "prompts.toml": lambda path: read_prompts(
            PromptsSection.model_validate({"file": path, "trigger": "ohwx person", "class": "person"})
        ),
        "vocabulary.toml": lambda path: read_anew(read_vocabulary, path),
        "settings.json": read_json,
        "caption.txt": lambda path: [look(read_text(path)) for look in (fault_of_prompt, cautions_of_prompt)],
    }
    readers[path.name](path)


def _weigh_prompt(path: Path) -> None:
    """A caption is read as a prompt too, to its weights."""
    if path.suffix != ".txt":
        return
    from base_models.prompts.prompt_weights import parse_weights, plain_text
    from foundation.text_files import read_text

    parse_weights(read_text(path))
    plain_text(read_text(path))


def _import_kohya(path: Path) -> None:
    from typer.testing import CliRunner

    from trainer.__main__ import app

    if path.suffix == ".json":
        done = CliRunner().invoke(app, ["import-kohya", str(path)])
        if done.exception:
            raise done.exception


def _make_faces(folder: Path) -> None:
    from miniature.paths import FOLDERS

    shutil.copytree(FOLDERS["faces"], folder, dirs_exist_ok=True)


def _read_faces(path: Path) -> None:
    from base_models.vision.faces import load_faces

    load_faces(str(path.parent), "cpu")


def _make_base(folder: Path) -> None:
    from tiny import tiny_base

    tiny_base(folder / "base")


def _read_base(path: Path) -> None:
    from base_models.base_model import load_base

    load_base(str(next(one for one in path.parents if one.name == "base")))


def _make_store(folder: Path) -> None:
    from synthetic_store import Size, write_store

    write_store(folder, Size(epochs=(2, 4), unet=(1.0,), te=(1.0,), seeds=2))


KINDS = (
    Kind(
        "LoRA files",
        10_000,
        _make_loras,
        "*.safetensors",
        (_eval("inspect", "FILE", "--json"), _eval("verify", "FILE", "--for", "a1111")),
    ),
    Kind("pictures", 5_000, _make_pictures, "*.*", (_read_picture, _read_picture_texts)),
    Kind("texts", 3_000, _make_texts, "*.*", (_read_text, _weigh_prompt, _import_kohya)),
    Kind("ONNX files", 500, _make_faces, "*.onnx", (_read_faces,)),
    Kind("base folders", 500, _make_base, "base/**/*", (_read_base,)),
    Kind(
        "stores",
        500,
        _make_store,
        "**/grid.sqlite",
        (_eval("rank", "FOLDER", "--json"), _eval("store", "check", "FOLDER")),
    ),
)
