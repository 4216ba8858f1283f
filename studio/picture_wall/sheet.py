"""A page of the wall as one labelled PNG. No Streamlit here."""

from __future__ import annotations

import io
from contextlib import suppress

from PIL import Image, ImageDraw, ImageFont

from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from eval.reporting.contact_sheet import GAP, INK, PALE, PAPER, folded
from eval.store.store import Store
from studio.picture_wall.wall import Tile, Wall
from studio.shared.stores import OpenedStore

TILE, SIDE_WIDTH, SCORE, LINE = 192, 200, 20, 18
MOST_LINES = 8


def sheet_png(opened: OpenedStore, wall: Wall) -> bytes:
    """The wall with names above and at the left, and likeness below each picture."""
    font = ImageFont.load_default(size=14)
    heads = [folded(name, font).split("\n")[:MOST_LINES] for name in wall.columns]
    names = [folded(name, font).split("\n")[:MOST_LINES] for name in wall.rows]
    top = GAP + LINE * max(map(len, heads)) + GAP
    across, down = TILE + GAP, TILE + SCORE + GAP
    sheet = Image.new("RGB", (SIDE_WIDTH + across * len(heads) + GAP, top + down * len(names)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, lines in enumerate(heads):
        pen.text((SIDE_WIDTH + column * across, GAP), "\n".join(lines), fill=INK, font=font)
    for row, lines in enumerate(names):
        pen.text((GAP, top + row * down), "\n".join(lines), fill=INK, font=font)
        for column, tile in enumerate(wall.tiles[row]):
            left, upper = SIDE_WIDTH + column * across, top + row * down
            if tile is not None:
                sheet.paste(_picture(opened.ranked.grid.store, tile), (left, upper))
                pen.text((left, upper + TILE + 2), tile.score, fill=PALE, font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _picture(store: Store, tile: Tile) -> Image.Image:
    """The picture in a square, whole; a grey one where it cannot be read."""
    square = Image.new("RGB", (TILE, TILE), PAPER)
    with suppress(OSError, UnreadablePictureError):
        picture = load_picture(store.pictures.path(tile.picture), TILE)
        picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
        if max(picture.size) < TILE:
            scale = TILE / max(picture.size)
            picture = picture.resize(
                (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
            )
        square.paste(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
        return square
    return Image.new("RGB", (TILE, TILE), PALE)
