"""All sample pictures of a run on one: a row an epoch, a column a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from base_models.pictures.picture_file import load_picture
from foundation.files import whole_file
from trainer.samples.curve import EpochSamples

TILE, GAP, SIDE, LINE = 160, 6, 128, 15
HEAD_LINES, LINE_LETTERS = 4, 25
PAPER, INK, PALE = "#ffffff", "#1b1f24", "#59636e"
# Longer runs show so many epochs, spread evenly; every picture stays a file.
MOST_ROWS = 40


def write_sheet(drawn: Sequence[EpochSamples], prompts: Sequence[str], folder: Path, path: Path) -> None:
    """Write the sheet of `drawn`, whose pictures lie in `folder`, as PNG."""
    shown = _spread([one for one in drawn if one.pictures])
    head = GAP + HEAD_LINES * LINE
    sheet = Image.new("RGB", (SIDE + len(prompts) * (TILE + GAP), head + len(shown) * (TILE + GAP)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for column, prompt in enumerate(prompts):
        lines = wrap(prompt, LINE_LETTERS, max_lines=HEAD_LINES, placeholder=" ...")
        pen.multiline_text((SIDE + column * (TILE + GAP), GAP), "\n".join(lines), fill=PALE, font=font, spacing=2)
    for row, one in enumerate(shown):
        top = head + row * (TILE + GAP)
        pen.multiline_text((GAP, top), "\n".join(_label(one)), fill=INK, font=font, spacing=3)
        for column, name in enumerate(one.pictures):
            sheet.paste(_tile(folder / name), (SIDE + column * (TILE + GAP), top))
    with whole_file(path) as beside:
        sheet.save(beside, format="PNG")


def _label(one: EpochSamples) -> list[str]:
    if one.identity is None:
        return [one.title]
    interval = "" if one.identity.low is None else f"{one.identity.low:.3f} to {one.identity.high:.3f}"
    faces = f"{one.identity.faces} of {len(one.pictures)} with a face"
    return [one.title, f"identity {one.identity.mean:.3f}", interval, faces]


def _spread(rows: list[EpochSamples]) -> list[EpochSamples]:
    if len(rows) <= MOST_ROWS:
        return rows
    return [rows[round(at * (len(rows) - 1) / (MOST_ROWS - 1))] for at in range(MOST_ROWS)]


def _tile(path: Path) -> Image.Image:
    """The whole picture within a square, on paper."""
    tile = Image.new("RGB", (TILE, TILE), PAPER)
    picture = load_picture(path)
    share = TILE / max(picture.size)
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    tile.paste(picture.resize(size, Image.Resampling.LANCZOS))
    return tile
