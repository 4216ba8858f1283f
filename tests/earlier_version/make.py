"""Makes the files of this folder: what a user of version 0.1.0 has on the disk, and what its commands said of it.

It was run once, by version 0.1.0, before its modules moved: `python tests/earlier_version/make.py` at the root of that
version. It need not run on a later one, which would make other files: what counts is that later versions read these.
Specifications and settings in `project/` and `settings/` were written by hand; all else comes from here. Folders are
written as below PLACE, wherever they were, and whoever puts the files elsewhere puts that place for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from eval.spec import GridSpec
from pydantic import BaseModel
from safetensors.numpy import load_file
from safetensors.torch import save_file

from spelt_loras import spellings
from trainer.config import TrainConfig

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHIPPED = ROOT / "miniature" / "subject"
PLACE = "/where/it/was"
MADE = ("said", "loras", "settings/vae")
MADE_OF_PROJECT = ("subject", "cache", "lora", "stopped", "eval", "searched", "half", "other.safetensors")
PICTURES = {
    "Train/10_ohwx person": ("Train/7_ohwx person", ("00", "03", "06", "09", "12", "15")),
    "Reg/1_person": ("Reg/1_person", ("00", "01", "02", "03", "04", "05", "06", "07")),
    "references": ("references", ("00", "01", "02", "03", "04", "05", "06", "07")),
}
WAYS = {"Down": "Encoder", "Up": "Decoder"}
WANTED_STEPS = 55  # of 60, before Ctrl-C: few are left, for each takes a second where the run goes on
WANTED_PICTURES = 4  # of 9, before the kill


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def told(home: Path, *words: str) -> str:
    """What a command prints; paths among `words` are below `home`."""
    print("$", *words)
    done = subprocess.run(command(*words), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.replace(str(home), PLACE)


def write_said(home: Path, name: str, value: object) -> None:
    path = home / "said" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def copy_pictures(home: Path) -> None:
    """A few of the shipped subject's, with their captions."""
    for folder, (source, names) in PICTURES.items():
        target = home / "project" / "subject" / folder
        target.mkdir(parents=True)
        for name in names:
            for path in (SHIPPED / source).glob(f"{name}.*"):
                shutil.copyfile(path, target / path.name)


def make_runs(home: Path) -> None:
    """A finished run, and the same one stopped in its second epoch."""
    project = home / "project"
    told(home, "trainer", "run", f"{project}/train.toml")
    log = project / "stopped" / "mira-log.jsonl"
    interrupted(
        command("trainer", "run", f"{project}/stopped.toml"), signal.SIGINT, lambda: count_lines(log) >= WANTED_STEPS
    )
    for sheet in (*project.glob("*/mira-samples/sheet.png"), *project.glob("*/mira-samples/identity.png")):
        sheet.unlink()  # half of all bytes, and nothing reads them
    write_said(home, "stopped.json", {"steps": count_lines(log)})
    write_said(home, "runs.json", json.loads(told(home, "trainer", "runs", str(project), "--json")))


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def interrupted(words: list[str], number: signal.Signals, when: Callable[[], bool]) -> None:
    """Run a command and send it a signal. Raises RuntimeError where it came to its end before."""
    process = subprocess.Popen(words, cwd=ROOT)
    while not when() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    if process.wait() == 0:
        raise RuntimeError(f"{words} had finished; make these files again")


def make_other_lora(project: Path) -> None:
    """One to blend in, of few modules, so that it is small."""
    first = load_file(SHIPPED / "first.safetensors")
    few = {key: torch.from_numpy(value) for key, value in first.items() if "attn2" in key}
    save_file(few, project / "other.safetensors", {"ss_output_name": "other"})


def make_stores(home: Path) -> None:
    """A finished grid, a finished search and half a grid, with what is said of the first two."""
    project = home / "project"
    told(home, "eval", "grid", f"{project}/grid.toml")
    ranking = json.loads(told(home, "eval", "rank", f"{project}/eval", "--json"))
    write_said(home, "rank.json", ranking)
    exported = {"best": "best"} | {"blended": next(row["cell"] for row in ranking if row["also"])}
    write_said(home, "export.json", {name: export(home, cell) for name, cell in exported.items()})
    found = json.loads(told(home, "eval", "search", f"{project}/search.toml", "--json"))
    write_said(home, "search.json", found)
    write_said(home, "search-rank.json", json.loads(told(home, "eval", "rank", f"{project}/searched", "--json")))
    interrupted(
        command("eval", "grid", f"{project}/half.toml"),
        signal.SIGKILL,
        lambda: recorded_pictures(project / "half" / "grid.sqlite") >= WANTED_PICTURES,
    )
    sums = {
        path.relative_to(project).as_posix(): sha256(path.read_bytes()).hexdigest()
        for store in ("eval", "searched", "half")
        for path in sorted((project / store).glob("pictures/*/*.png"))
    }
    if sum(path.startswith("half/") for path in sums) != recorded_pictures(project / "half" / "grid.sqlite"):
        raise RuntimeError("the kill came between a batch's files and its rows; make these files again")
    write_said(home, "pictures.json", sums)


def recorded_pictures(path: Path) -> int:
    """How many a store knows; read beside whoever writes it, and leaving its journal as it is."""
    if not path.is_file():
        return 0
    with tempfile.TemporaryDirectory() as copies:
        for part in path.parent.glob(f"{path.name}*"):
            if part.exists():
                shutil.copyfile(part, Path(copies) / part.name)
        try:
            return sqlite3.connect(Path(copies) / path.name).execute("select count(*) from picture").fetchone()[0]
        except sqlite3.Error:  # a copy of what was being written
            return 0


def export(home: Path, cell: str) -> dict[str, object]:
    """What was said of an exported cell, and a hash of its tensors."""
    path = home / "exported.safetensors"
    said = json.loads(told(home, "eval", "export", f"{home}/project/eval", "--cell", cell, "-o", str(path), "--json"))
    return {"said": said, "tensors": tensors_sha256(path)}


def tensors_sha256(path: Path) -> str:
    """Of names, types, shapes and bytes, whatever the header says."""
    summed = sha256()
    for name, tensor in sorted(load_file(path).items()):
        summed.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode() + tensor.tobytes())
    return summed.hexdigest()


BLENDS = {
    "exact": ("kohya:unet=0.8,te=0.6", "diffusers:unet=0.3", "peft/adapter_model:unet=-0.5"),
    "rank 2": ("kohya:unet=0.8,te=0.6", "comfyui:unet=0.3", "old diffusers:unet=0.4", "loha:unet=0.5", "lokr:unet=0.7"),
}


def make_loras(home: Path) -> None:
    """LoRA files in every spelling, what inspection said of them, and two blends."""
    loras = home / "loras"
    (loras / "peft").mkdir(parents=True)
    for name, tensors in spellings():
        save_file({key: value.half().contiguous() for key, value in tensors.items()}, loras / name)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 3, "use_rslora": False, "target_modules": ["to_q"]}
    (loras / "peft" / "adapter_config.json").write_text(json.dumps(config))
    files = sorted(str(path) for path in loras.rglob("*.safetensors"))
    inspected = subprocess.run(
        command("eval", "inspect", *files, "--json"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    reports = json.loads(inspected.stdout.replace(str(home), PLACE))
    write_said(home, "inspect.json", {"exit code": inspected.returncode, "reports": reports})
    write_said(home, "blend.json", {name: blend(home, name, parts) for name, parts in BLENDS.items()})


def blend(home: Path, name: str, parts: tuple[str, ...]) -> dict[str, object]:
    """The command's words, what it said, and a hash of the tensors that it wrote, which lie beside what was said."""
    out, rank = home / "said" / f"{name}.safetensors", ["--rank", "2"] if name == "rank 2" else []
    placed = [f"{home}/loras/{part.partition(':')[0]}.safetensors:{part.partition(':')[2]}" for part in parts]
    words = [*placed, "-o", str(out), *rank, "--json"]
    said = json.loads(told(home, "eval", "blend", *words))
    return {"words": [word.replace(str(home), PLACE) for word in words], "said": said, "tensors": tensors_sha256(out)}


def keys_of(model: type[BaseModel]) -> set[str]:
    """Every key of a configuration, as `table.key`, or alone where it stands in no table."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        table = field.annotation
        if isinstance(table, type) and issubclass(table, BaseModel):
            found |= {f"{name}.{inner.alias or key}" for key, inner in table.model_fields.items()}
        else:
            found.add(name)
    return found


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def check_all_keys(folder: Path) -> None:
    """Raises RuntimeError where the specifications that are to have every key lack one."""
    for model, files in ((GridSpec, ("grid-*.toml", "../project/search.toml")), (TrainConfig, ("train-*.toml",))):
        read = [toml(path) for pattern in files for path in folder.glob(pattern)]
        said = {f"{table}.{key}" for one in read for table, values in one.items() for key in _keys(values)}
        if missing := keys_of(model) - {key.removesuffix(".") for key in said}:
            raise RuntimeError(f"{files}: {sorted(missing)} stand in none of them")


def _keys(values: object) -> list[str]:
    return list(values) if isinstance(values, dict) else [""]


def save_small_vae(folder: Path) -> None:
    """One as deep as the miniature's, so that pictures have the same sides, and narrow."""
    torch.manual_seed(3)
    blocks = {f"{way.lower()}_block_types": [f"{way}{part}Block2D"] * 3 for way, part in WAYS.items()}
    config = {"block_out_channels": [4, 4, 4], "norm_num_groups": 2, **blocks}
    vae = AutoencoderKL.from_config(config)
    assert isinstance(vae, AutoencoderKL)
    vae.half().save_pretrained(folder)


def read_settings(home: Path) -> None:
    """What was read of every key: a dry run's figures, records of refused runs, and what is carried over from kohya."""
    settings = home / "settings"
    check_all_keys(settings)
    save_small_vae(settings / "vae")
    grids = sorted(settings.glob("grid-*.toml"))
    dry = {one.name: json.loads(told(home, "eval", "grid", str(one), "--dry-run", "--json")) for one in grids}
    write_said(home, "dry-run.json", dry)
    read: dict[str, object] = {}
    for one in sorted(settings.glob("train-*.toml")):
        subprocess.run(command("trainer", "run", str(one)), cwd=ROOT, check=False)
        folder = settings / str(toml(one)["output"]["folder"])
        record = next(folder.glob("*-run.json")).read_text(encoding="utf-8").replace(str(home), PLACE)
        read[one.name] = json.loads(record)["config"]
    write_said(home, "train-settings.json", read)
    done = subprocess.run(
        command("trainer", "import-kohya", f"{settings}/kohya.json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    write_said(home, "kohya.json", {"stdout": done.stdout, "stderr": done.stderr})


def settle(home: Path) -> None:
    """Write folders as below PLACE, and leave nothing of where they were."""
    for path in (*home.rglob("*.json"), *home.rglob("*.jsonl")):
        path.write_text(path.read_text(encoding="utf-8").replace(str(home), PLACE), encoding="utf-8")
    for path in home.rglob("grid.sqlite"):
        if path.with_name("grid.sqlite-wal").exists():
            continue  # what was killed stays as the kill left it; it has no folder in it yet
        with sqlite3.connect(path) as store:
            store.execute("update fact set value = replace(value, ?, ?)", (str(home), PLACE))
        store.execute("vacuum")
        store.close()
    (home / "project" / "half" / "grid.sqlite-shm").unlink(missing_ok=True)
    if found := [path for path in home.rglob("*") if path.is_file() and os.fsencode(home) in path.read_bytes()]:
        raise RuntimeError(f"{found} still say where they were made")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        for part in ("project", "settings"):
            (home / part).mkdir()
            for path in (HERE / part).iterdir():
                if path.is_file():
                    shutil.copyfile(path, home / part / path.name)
        copy_pictures(home)
        make_other_lora(home / "project")
        make_loras(home)
        make_runs(home)
        read_settings(home)
        make_stores(home)
        settle(home)
        for made in (*MADE, *(f"project/{part}" for part in MADE_OF_PROJECT)):
            shutil.rmtree(HERE / made, ignore_errors=True)
            copy = shutil.copytree if (home / made).is_dir() else shutil.copyfile
            copy(home / made, HERE / made)


if __name__ == "__main__":
    main()
