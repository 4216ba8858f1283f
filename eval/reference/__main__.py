"""Writes docs/keys.md and docs/schema/: `python -m eval.reference [FOLDER]`, the folder of the docs."""

from __future__ import annotations

import sys
from pathlib import Path

from eval.reference.keys_page import PAGE, keys_page, schemas
from foundation.files import write_text

if __name__ == "__main__":
    docs = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs")
    for name, text in {PAGE: keys_page(), **schemas()}.items():
        write_text(docs / name, text)
