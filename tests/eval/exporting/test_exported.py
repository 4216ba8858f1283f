"""What `eval export` says of the file that it wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.exporting.exported import Exported
from eval.ranking.ranking import rank
from synthetic_evidence import make_evidence

WRITTEN = Exported(Path("best.safetensors"), "0" * 64, Path("best.png"))


def test_how_the_file_is_used_is_said_and_what_is_in_it_already() -> None:
    evidence = make_evidence([0.7, 0.3])
    blended = replace(evidence.cells[0], also="style:unet=0.3,te=0.2")
    (row, *_) = rank(replace(evidence, cells=[blended, evidence.cells[1]]))
    assert WRITTEN.in_lines(row) == [
        "wrote best.safetensors and best.png: row 1, hina-000001 at unet=0.8,te=0.6 with style:unet=0.3,te=0.2",
        "use it at weight 1, without style:unet=0.3,te=0.2, which is blended in",
    ]


def test_of_one_lora_alone_nothing_is_said_of_another() -> None:
    (row, *_) = rank(make_evidence([0.7, 0.3]))
    assert WRITTEN.in_lines(row)[1] == "use it at weight 1"


def test_a_row_that_is_not_worth_taking_is_said_to_be_none() -> None:
    (row, *_) = rank(make_evidence([0.03, 0.02]))
    assert not row.worth_taking
    assert WRITTEN.in_lines(row)[-1].startswith("but it is not shown to be more like the subject")


def test_a_row_that_breaks_a_limit_is_to_be_looked_at() -> None:
    (row, *_) = rank(make_evidence([0.7, 0.3]))
    (line,) = WRITTEN.in_lines(replace(row, broken=("bleed +0.300 is above its limit",)))[2:]
    assert line == "but look at its pictures first: it breaks a limit (bleed +0.300 is above its limit)"
