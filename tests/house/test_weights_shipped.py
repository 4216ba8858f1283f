"""The committed weights: what lies beside them says nothing of the machine that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from miniature.paths import folder_of

BASE = folder_of("base", "miniature") or Path()
CONFIGURATIONS = sorted(BASE.parent.rglob("config.json"))


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_configuration_names_a_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "_name_or_path" not in text
    assert '"/' not in text
