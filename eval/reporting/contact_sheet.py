"""One picture to share: the base model, every checkpoint at the winner's weights, and the winner, prompt by prompt."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from eval.judging.stored_grid import UnitRecord
from eval.ranking.ranking import RankedCell
from eval.reporting.ranked_grid import RankedGrid
from eval.request.cells import Cell
from foundation.files import whole_file
from loras.weights import Weights

TILE, GAP, HEAD, LINE = 192, 6, 30, 22
MOST_PROMPTS, MOST_CHECKPOINTS = 4, 8
PAPER, INK, PALE = "#ffffff", "#1b1f24", "#59636e"


def write_sheet(ranked: RankedGrid, path: Path) -> None:
    """Write the sheet as PNG: a column for each of base, checkpoints and winner, a row for each subject prompt."""
    columns = _columns(ranked)
    units = _first_of_each_prompt(ranked)
    size = (GAP + len(columns) * (TILE + GAP), HEAD + len(units) * (LINE + TILE + GAP))
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for place, (title, cell) in enumerate(columns):
        left = GAP + place * (TILE + GAP)
        pen.text((left, 8), title, fill=INK, font=font)
        for row, unit in enumerate(units):
            top = HEAD + row * (LINE + TILE + GAP)
            if place == 0:
                pen.text((left, top + 2), f"{unit.prompt} (seed {unit.seed})", fill=PALE, font=font)
            sheet.paste(_tile(ranked.grid.picture_path(cell, unit)), (left, top + LINE))
    with whole_file(path) as beside:
        sheet.save(beside, format="PNG")


def _columns(ranked: RankedGrid) -> list[tuple[str, Cell | None]]:
    """The base model, the winner's epochs at its own weights, and the winner last, marked."""
    best = ranked.rows[0]
    winner = ranked.grid.cell(best.cell, best.checkpoint)
    alone = [cell for cell in ranked.grid.cells if not cell.also and cell.use.weights == winner.use.weights]
    others = list({cell.id: cell for cell in alone if cell.id != winner.id}.values())[:MOST_CHECKPOINTS]
    titled: list[tuple[str, Cell | None]] = [("base model", None)]
    titled += [(cell.use.checkpoint.name, cell) for cell in others]
    return [*titled, (f"best: {_named(best, winner.use.weights)}", winner)]


def _named(best: RankedCell, weights: Weights) -> str:
    return f"{best.checkpoint}{' +' if best.also else ''} {weights.unet:g}/{weights.te1:g}"


def _first_of_each_prompt(ranked: RankedGrid) -> list[UnitRecord]:
    first: dict[str, UnitRecord] = {}
    for unit in ranked.grid.snapshot.units:
        if unit.role == "subject":
            first.setdefault(unit.prompt, unit)
    return list(first.values())[:MOST_PROMPTS]


def _tile(path: Path) -> Image.Image:
    if not path.is_file():
        return Image.new("RGB", (TILE, TILE), PALE)
    with Image.open(path) as opened:
        return opened.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
