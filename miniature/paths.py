"""Names of the embedded default models and the folders they stand for. The only part of `miniature` others import."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent
NAME = "miniature"
FOLDERS = {
    "base": ROOT / "weights" / "base",
    "faces": ROOT / "weights" / "faces",
    "clip": ROOT / "weights" / "clip",
    "caption_clip": ROOT / "weights" / "caption_clip",
}
SUBJECT = ROOT / "subject"


def folder_of(part: str, name: str) -> Path | None:
    """The folder of `part` ("base", "faces", "clip" or "caption_clip") if `name` is the miniature's, else None."""
    return FOLDERS[part] if name == NAME else None
