"""One picture to share: the base model, every checkpoint at the winner's weights, and the winner, prompt by prompt."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from eval.judging.stored_grid import UnitRecord
from eval.reporting.ranked_grid import RankedGrid
from eval.request.cells import Cell
from eval.request.epochs.training_order import in_training_order
from eval.store.store import KeptPicture
from foundation.files import whole_file

TILE, GAP, HEAD, LINE, FOLD = 192, 6, 30, 22, 18
MOST_PROMPTS, MOST_CHECKPOINTS = 4, 8
PAPER, INK, PALE = "#ffffff", "#1b1f24", "#59636e"


def write_sheet(ranked: RankedGrid, path: Path) -> None:
    """Write the sheet as PNG: a column for each of base, checkpoints and winner, a row for each subject prompt."""
    font = ImageFont.load_default(size=14)
    columns = [(folded(title, font), cell) for title, cell in _columns(ranked)]
    units = _first_of_each_prompt(ranked)
    best = ranked.rows[0]
    grid = ranked.grid.beside(ranked.grid.cell(best.cell, best.checkpoint))
    head = HEAD + FOLD * max(title.count("\n") for title, _ in columns)
    size = (GAP + len(columns) * (TILE + GAP), head + len(units) * (LINE + TILE + GAP))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (title, cell) in enumerate(columns):
        left = GAP + place * (TILE + GAP)
        pen.text((left, 8), title, fill=INK, font=font)
        for row, unit in enumerate(units):
            top = head + row * (LINE + TILE + GAP)
            if place == 0:
                pen.text((left, top + 2), f"{unit.prompt} (seed {unit.seed})", fill=PALE, font=font)
            sheet.paste(_tile(grid.picture(cell, unit)), (left, top + LINE))
    with whole_file(path) as beside:
        sheet.save(beside, format="PNG")


def _columns(ranked: RankedGrid) -> list[tuple[str, Cell | None]]:
    """The base model, the winner's epochs at its own weights, and the winner last, marked."""
    best = ranked.rows[0]
    winner = ranked.grid.cell(best.cell, best.checkpoint)
    own = [cell for cell in ranked.grid.cells if cell.on == winner.on]
    alone = [cell for cell in own if not cell.also and cell.use.weights == winner.use.weights]
    distinct = {cell.id: cell for cell in alone if cell.id != winner.id}.values()
    others = in_training_order(distinct, lambda cell: cell.use.checkpoint.trained)
    titled: list[tuple[str, Cell | None]] = [("base model", None)]
    titled += [(cell.use.checkpoint.name, cell) for cell in others[:MOST_CHECKPOINTS]]
    return [*titled, (f"best: {best.name}", winner)]


def folded(title: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """`title` in lines that are no wider than a picture, broken between words where that does."""
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if font.getlength(longer) <= TILE else [*lines, word]
        while font.getlength(lines[-1]) > TILE:
            fits = next(end for end in range(len(lines[-1]), 0, -1) if font.getlength(lines[-1][:end]) <= TILE)
            lines = [*lines[:-1], lines[-1][:fits], lines[-1][fits:]]
    return "\n".join(line for line in lines if line)


def _first_of_each_prompt(ranked: RankedGrid) -> list[UnitRecord]:
    first: dict[str, UnitRecord] = {}
    for unit in ranked.grid.snapshot.units:
        if unit.role == "subject":
            first.setdefault(unit.prompt, unit)
    return list(first.values())[:MOST_PROMPTS]


def _tile(kept: KeptPicture) -> Image.Image:
    with suppress(OSError, UnreadablePictureError):
        if kept.fault is None:
            return load_picture(kept.path).resize((TILE, TILE), Image.Resampling.LANCZOS)
    empty = Image.new("RGB", (TILE, TILE), PALE)
    ImageDraw.Draw(empty).text((8, 8), kept.fault or "damaged", fill=PAPER, font=ImageFont.load_default(size=14))
    return empty
