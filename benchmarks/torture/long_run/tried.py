"""50,050 pictures into one store, with a kill a minute: what is recorded is exact, and nothing grows meanwhile."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from torture.long_run.account import Account
from torture.long_run.lives import FIGURES, Life, Lives, drawn_in
from torture.long_run.rank_memory import rank_memory
from torture.long_run.stand_in import SIDE, drawing_by_stand_ins
from torture.table import Kept, Row
from torture.tries import Ended, Seen, begun
from torture.works import SUBJECT, command

LONG_RUN = "long"
KILL, WHOLE = "SIGKILL in a long run", "a long run"
CELLS, UNITS, BATCH = 1000, 50, 32
FILES, TEXT_WEIGHTS = 2, 5  # the UNet's weights are as many as make the cells
MOST_LIVES = 1000
MOST_RANK = 300  # MiB
SPEC = """
[model]
base = "miniature"
device = "cpu"
[lora]
checkpoints = ["loras/*.safetensors"]
unet = {unet}
te = {te}
[sampler]
steps = 1
width = {side}
height = {side}
batch = {batch}
[prompts]
texts = [
  "photo of a ohwx person, smiling, red hoodie", "photo of a ohwx person, sad, blue t-shirt",
  "photo of a ohwx person, sunglasses", "photo of a ohwx person, long hair", "photo of a person, green t-shirt",
  "photo of a person, grey coat",
]
seeds = 10
trigger = "ohwx person"
class = "person"
[references]
held_out = "references"
training = "Train"
[store]
path = "store"
"""
GRID = command("eval", "grid", "grid.toml", "--force")
# What the grid imports, imported once here: each life is forked, and begins at once.
IMPORTED = (
    "eval.__main__",
    "eval.grid.run_grid",
    "eval.grid.picture_maker",
    "eval.grid.early_checks",
    "eval.judging.stored_grid",
)


@dataclass
class LongRun:
    """One store, from its first picture to its last. `cells`: rows of the grid beside the base model's own."""

    folder: Path
    cells: int
    every: float
    say: Callable[[str], None]
    lives: list[Life] = field(default_factory=list)

    @property
    def total(self) -> int:
        return (self.cells + 1) * UNITS

    @property
    def log(self) -> Path:
        return self.folder / "drawn"

    def tried(self, seed: int) -> list[Row]:
        """Run it to its end; a row for each kill, and one for what there is at the end."""
        _make(self.folder, self.cells)
        run = drawing_by_stand_ins(GRID, self.log)
        lives = Lives(lambda: run(self.folder), self.folder / "out", self.log, self.every, self.total)
        account, draw, rows = Account(self.folder / "store", self.total, BATCH), Random(f"{seed} long run"), list[Row]()
        while len(self.lives) < MOST_LIVES:
            life = lives.next(draw)
            self.lives.append(life)
            if life.ended is not None:
                break
            seen = Seen(unnamed=life.leaks())
            account.look(seen)
            rows.append(Row(KILL, f"kill {len(self.lives)} of {self.total} pictures", seen.as_row()))
            self.say(
                f"kill {len(self.lives)}: {len(account.known)} of {self.total} pictures; {rows[-1].wrong or 'survived'}"
            )
        if not drawn_in(self.log):
            raise SystemExit(f"{WHOLE}: draws nothing: {self.lives[-1].ended}")
        seen = self._closed(account, lives)
        return [*rows, Row(WHOLE, f"{self.total} pictures", seen.as_row())]

    def _closed(self, account: Account, lives: Lives) -> Seen:
        """What is wrong at the end, the last life's own end included."""
        last, seen = self.lives[-1], Seen(unnamed=self.lives[-1].leaks())
        seen.hangs += ["draws nothing more"] if last.ended is None or last.ended.seconds is None else []
        if last.ended is not None and last.ended.status:
            seen.lost.append(f"ends with {last.ended.status}: {last.ended.said[-300:]}")
        again = account.close(self.log.read_text("utf-8").split(), len(self.lives) - 1, seen)
        before = drawn_in(self.log)
        for words, done in (("the grid once more", lives.run), ("store check", self._check)):
            if (ended := _ended(done, lives.out)).status:
                seen.corrupt.append(f"{words}: ends with {ended.status}: {ended.said[-300:]}")
        if drawn_in(self.log) != before:
            seen.duplicates.append(f"{drawn_in(self.log) - before} pictures are drawn by a grid that is whole")
        self._tell(again, self._ranked(seen))
        return seen

    def _ranked(self, seen: Seen) -> dict[str, object]:
        """What memory ranking the whole of it takes; of a smaller one that says nothing."""
        if self.cells < CELLS:
            return {}
        total, imports = rank_memory(self.folder / "store")
        if total > MOST_RANK:
            seen.unnamed.append(f"ranking it takes {total:.0f} MiB")
        return {"rank_mib": round(total), "rank_imports_mib": round(imports)}

    def _check(self) -> None:
        command("eval", "store", "check", "store")(self.folder)

    def _tell(self, again: int, ranked: dict[str, object]) -> None:
        """The figures, on the terminal and beside the store."""
        seen = [life for life in self.lives if life.warm]
        told: dict[str, object] = {
            "pictures": self.total,
            "kills": len(self.lives) - 1,
            "seconds": round(sum(life.seconds for life in self.lives)),
            "drawn_again": again,
            **ranked,
        }
        for name, figure in FIGURES.items():
            told[f"{name}_first"] = round(figure(seen[0].warm[0]))
            told[f"{name}_last"] = round(figure(seen[-1].warm[-1]))
            told[f"{name}_most"] = round(max(figure(one) for life in self.lives for one in life.glances))
            told[f"{name}_grown_most"] = round(max(life.grown(figure) for life in seen), 1)
        (self.folder / "figures.json").write_text(json.dumps(told, indent=1), "utf-8")
        self.say(f"{WHOLE}: {json.dumps(told)}")


def tried_long(
    kept: Kept, folder: Path, share: float, seed: int, only: list[str], every: float, say: Callable[[str], None]
) -> None:
    """The whole of it, or of a smaller share a smaller one; one that is stopped begins anew."""
    # A tenth of the torture has a hundredth of this: 550 pictures, and kills that take seconds.
    least = FILES * TEXT_WEIGHTS
    cells = max(1, round(CELLS * share**2 / least)) * least
    run = LongRun(folder / LONG_RUN, cells, every, say)
    if (not only or LONG_RUN in only) and kept.wants(WHOLE, f"{run.total} pictures"):
        for row in run.tried(seed):
            kept.add(row)


def _make(folder: Path, cells: int) -> None:
    """Two random LoRA files at a square of weights, a few pictures of the subject, and the specification."""
    from base_models.base_model import load_base
    from random_loras import random_kohya_file

    for name in IMPORTED:
        importlib.import_module(name)
    shutil.rmtree(folder, ignore_errors=True)
    modules = load_base("miniature").modules
    for number in range(1, FILES + 1):
        path = folder / "loras" / f"hina-{number:06d}.safetensors"
        random_kohya_file(path, modules, number, rank=1, ss_epoch=str(number))
    for part in ("references", "Train"):
        (folder / part).mkdir()
        for path in sorted((SUBJECT / part).rglob("*.png"))[:4]:
            shutil.copy(path, folder / part / path.name)
    unet, te = _weights(cells // (FILES * TEXT_WEIGHTS)), _weights(TEXT_WEIGHTS)
    (folder / "grid.toml").write_text(SPEC.format(unet=unet, te=te, side=SIDE, batch=BATCH), "utf-8")


def _weights(count: int) -> list[float]:
    return [round((number + 1) / count, 4) for number in range(count)]


def _ended(run: Callable[[], None], out: Path) -> Ended:
    child = begun(run, out)
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), out.with_suffix(".err").read_text("utf-8", "replace"), 0.0)
