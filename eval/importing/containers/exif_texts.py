"""Texts in EXIF: UserComment (A1111, Forge, SwarmUI), and what ComfyUI's savers put into Make, Model and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from PIL import Image

from foundation.typed.untyped import untyped

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
PLAIN_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x013B)  # description, make, model, software, artist
HEADER = b"Exif\0\0"
# The first eight bytes of a UserComment (EXIF 2.3, table 6).
UNICODE, ASCII, UNDEFINED = b"UNICODE\0", b"ASCII\0\0\0", b"\0" * 8
_NAMED = re.compile(r"^\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)


def exif_texts(data: bytes) -> dict[str, str]:
    """The texts of EXIF bytes: UserComment as "parameters", `prompt:{..}` and `workflow:{..}` by those names.

    Damaged EXIF holds none: the picture itself may be sound.
    """
    exif = Image.Exif()
    try:
        exif.load(data.removeprefix(HEADER))
        plain: Mapping[int, object] = {tag: untyped(exif).get(tag) for tag in PLAIN_TAGS}
        comment: object = untyped(exif).get_ifd(EXIF_IFD).get(USER_COMMENT) or untyped(exif).get(USER_COMMENT)
    except Exception:  # PIL's reader of damaged EXIF raises whatever the bytes lead it into
        return {}
    texts: dict[str, str] = {}
    for value in plain.values():
        text = value if isinstance(value, str) else ""
        if named := _NAMED.match(text):
            texts.setdefault(named[1].lower(), text[named.end() :])
    if said := _comment(comment):
        texts["parameters"] = said
    return texts


def _comment(value: object) -> str:
    if isinstance(value, str):
        return value.strip("\0 ")
    if not isinstance(value, bytes):
        return ""
    head, rest = value[:8], value[8:]
    if head == UNICODE:
        return _utf16(rest)
    if head in (ASCII, UNDEFINED):
        return rest.decode("utf-8", "replace").strip("\0 ")
    return value.decode("utf-8", "replace").strip("\0 ")


def _utf16(data: bytes) -> str:
    """EXIF leaves the order of bytes to the file's; savers do not keep to it, and Latin letters' zero byte tells."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").strip("\0 ")
    is_little = data[1::2].count(0) > data[0::2].count(0)
    return data.decode("utf-16-le" if is_little else "utf-16-be", "replace").strip("\0 ")
