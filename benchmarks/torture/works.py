"""What is tortured: each work is a command of the product on a small folder, made of the miniature and random LoRAs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUBJECT = ROOT / "miniature" / "subject"
TRAIN = """
preset = "miniature"
[model]
device = "cpu"
[data]
train = "Train"
reg = "Reg"
[lora]
rank = 2
alpha = 2.0
[training]
epochs = 2
batch_size = 4
[samples]
prompts = ["photo of a ohwx person, smiling"]
steps = 1
[output]
folder = "out"
name = "run"
save_state_every = 2
"""
BLENDED = ("one.safetensors:unet=0.5", "two.safetensors:unet=0.5")
IMPORTED = ("--spec", "grid.toml", "--force", "--loras", "runs of hina ö", "--loras", "andere")
# What says when, how long or how often, and nothing of what was made.
CLOCKS = ("seconds", "rate", "changed", "started", "ended", "resumed", "events", "_at", " at ", "elapsed", "spent")


@dataclass(frozen=True)
class Work:
    """`make` fills a folder, `run` does the work in it and ends the process by itself or returns.

    `once`: done, it refuses to be done again over what it wrote.
    """

    name: str
    make: Callable[[Path], None]
    run: Callable[[Path], None]
    once: bool = False


def command(package: str, *words: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        from importlib import import_module

        os.chdir(folder)
        sys.argv = [package, *words]
        import_module(f"{package}.__main__").main()

    return run


def _make_train(folder: Path) -> None:
    for kind, name, count in (("Train", "1_ohwx person", 4), ("Reg", "1_person", 2)):
        (folder / kind / name).mkdir(parents=True)
        for path in sorted((SUBJECT / kind).glob("*/*.png"))[:count]:
            for one in (path, path.with_suffix(".txt")):
                if one.is_file():
                    shutil.copy(one, folder / kind / name / one.name)
    (folder / "run.toml").write_text(TRAIN, "utf-8")


def _make_grid(folder: Path) -> None:
    from grid_folders import write_grid

    made = write_grid(folder, steps=1)
    spec = made.spec.read_text("utf-8").replace("unet = [0.5, 1.0]", "unet = [1.0]")
    (folder / "grid.toml").write_text(spec, "utf-8")
    made.spec.unlink()
    # Which references are one picture takes longer than all that is tortured here.
    for kept in ("references", "Train"):
        for path in sorted(path for path in (folder / kept).rglob("*.png"))[4:]:
            path.unlink()
            path.with_suffix(".txt").unlink(missing_ok=True)


def make_search(folder: Path) -> None:
    from searches import SEARCH

    _make_grid(folder)
    spec = folder / "grid.toml"
    spec.write_text(spec.read_text("utf-8").replace("[0.7]", "[0.2, 0.4, 0.7]") + SEARCH, "utf-8")


def _rendered(folder: Path) -> Path:
    """A grid that is rendered where it lies."""
    from eval.grid.run_grid import run_grid
    from eval.request.spec import read_spec
    from foundation.progress import Silent

    _make_grid(folder)
    run_grid(read_spec(folder / "grid.toml"), Silent())
    return folder / "läufe" / "eval"


def _make_store(folder: Path) -> None:
    _rendered(folder).rename(folder / "store")
    # The store knows where its pictures lie by their whole path.
    import sqlite3

    connection = sqlite3.connect(folder / "store" / "grid.sqlite")
    connection.execute("DELETE FROM fact WHERE key = 'pictures'")
    connection.commit()
    connection.close()


def _make_import(folder: Path) -> None:
    from bare_pictures import write_bare

    store = _rendered(folder)
    write_bare(store, folder / "bare")
    shutil.rmtree(store)


def _make_loras(folder: Path) -> None:
    from base_models.base_model import load_base
    from loaded_transformers import diffusers_file, random_pairs
    from miniature.paths import FOLDERS
    from random_loras import random_kohya_file

    modules = load_base("miniature").modules
    for seed, name in enumerate(("one", "two")):
        random_kohya_file(folder / f"{name}.safetensors", modules, seed, rank=2)
    diffusers_file("flux1", random_pairs("flux1"), folder / "flux.safetensors")
    shutil.copytree(FOLDERS["base"], folder / "base")


def _make_votes(folder: Path) -> None:
    (folder / "store").mkdir()


def _vote(folder: Path) -> None:
    """As a command, so that what goes wrong is told as everywhere."""
    from foundation.command_line import commands_app, run_app

    sys.argv = ["votes", "cast"]
    app = commands_app()
    app.callback()(lambda: None)
    app.command("cast")(lambda: _cast(folder))
    run_app(app)


def _cast(folder: Path) -> None:
    """Six votes, each kept once however often this is begun again, as a voter goes on where the screen is."""
    from eval.voting.kept_votes import keep_vote, kept_votes
    from eval.voting.vote import Pair, Vote

    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(len(kept_votes(folder / "store")), 6):
        pair = Pair(f"cell {number}", "cell ö", "photo of a ohwx person", number)
        keep_vote(folder / "store", Vote(pair, "left", "ada", start + timedelta(minutes=number)))


WORKS = (
    Work("votes", _make_votes, _vote),
    Work("captions", _make_train, command("trainer", "caption", "Train", "--replace", "ohwx", "--with", "zzyx")),
    Work(
        "convert",
        _make_loras,
        command("eval", "convert", "flux.safetensors", "-o", "c.safetensors", "--for", "comfyui"),
    ),
    Work("blend", _make_loras, command("eval", "blend", *BLENDED, "-o", "c.safetensors")),
    Work("bake", _make_loras, command("eval", "bake", "base", "one.safetensors", "-o", "baked"), once=True),
    Work("export", _make_store, command("eval", "export", "store", "--cell", "best", "-o", "best.safetensors")),
    Work("report", _make_store, command("eval", "report", "store", "-o", "report.html")),
    Work("import", _make_import, command("eval", "import", "bare", "-o", "store", *IMPORTED)),
    Work("grid", _make_grid, command("eval", "grid", "grid.toml", "--force")),
    Work("train", _make_train, command("trainer", "run", "run.toml", "--force")),
    Work("search", make_search, command("eval", "search", "grid.toml", "--force")),
)
