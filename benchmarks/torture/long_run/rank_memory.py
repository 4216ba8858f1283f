"""What memory ranking a store takes: at its peak in all, and what of it the imports are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]) / 1024"
RANK = f"""
import sys
from eval.__main__ import app
sys.argv = ["eval", "rank", sys.argv[1], "--json"]
try:
    app()
finally:
    print({PEAK}, *sorted(name for name in sys.modules if not name.startswith("__")), file=sys.stderr)
"""
IMPORT = f"""
import importlib, sys
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except Exception:
        pass
print({PEAK}, file=sys.stderr)
"""


def rank_memory(store: Path) -> tuple[float, float]:
    """MiB at the peak of `eval rank STORE --json`, and of a process that only imports what that imported."""
    total, *imported = _said_by(RANK, str(store))
    (imports,) = _said_by(IMPORT, asked=" ".join(imported))
    return float(total), float(imports)


def _said_by(code: str, *words: str, asked: str = "") -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("LD_PRELOAD", None)
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, env=environment, text=True, input=asked,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True,
    )  # fmt: skip
    return done.stderr.splitlines()[-1].split()
