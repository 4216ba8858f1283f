"""How cells and figures are written, wherever they are shown."""

from dataclasses import replace

import numpy as np
import pytest

from eval.ranking.columns import COLUMNS
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.ranking.verdict import verdict
from eval.reporting.svg_charts import heat_map
from eval.statistics.contrasts import Estimate
from eval.wording.figure_texts import (
    cell_name,
    interval_text,
    number_text,
    percent,
    percents,
    rounded,
    text_encoder_weight,
    with_interval,
)
from loras.weights import Weights
from synthetic_evidence import make_evidence, without_faces


def test_a_cell_has_one_name_whoever_says_it() -> None:
    assert cell_name("hina", Weights(0.8, 0.6, 0.6), "") == "hina at unet=0.8,te=0.6"
    evidence = make_evidence([0.6, 0.6])
    weights = Weights(0.8, 0.5, 0.25)
    cells = [replace(cell, weights=weights, also="style:unet=0.3,te=0.2") for cell in evidence.cells]
    evidence = replace(evidence, cells=cells)
    rows = rank(evidence)
    name = f"{rows[1].checkpoint} at unet=0.8,te1=0.5,te2=0.25 with style:unet=0.3,te=0.2"
    assert name == rows[1].name == next(cell for cell in cells if cell.id == rows[1].cell).name
    assert name.endswith(rows[1].settings)
    assert f"{name} is not shown to be worse" in " ".join(verdict(rows, evidence, score(evidence)).all)


@pytest.mark.parametrize(
    ("te1", "te2", "text"), [(0.6, 0.6, "0.6"), (0.5, 0.25, "0.5 / 0.25"), (0.0, 0.125, "0 / 0.125")]
)
def test_one_weight_of_the_text_encoders_where_they_agree(te1: float, te2: float, text: str) -> None:
    assert text_encoder_weight(te1, te2) == text
    row = replace(rank(make_evidence([0.6]))[0], te1=te1, te2=te2)
    assert next(column for column in COLUMNS if column.heading == "TEnc").text(row) == text


def test_a_heat_map_has_room_for_the_names_of_its_rows() -> None:
    narrow, wide = (heat_map([name], ["1"], {}, (0.0, 1.0)) for name in ("0.5", "0.125 / 0.0625"))
    assert 'x="38.0"' in narrow
    assert 'x="104.0"' in wide, "14 letters of seven units, ending before the fields"


def test_intervals_and_shares_are_written_alike() -> None:
    assert with_interval(0.61, 0.55, 0.67) == "0.610 (95 % 0.550 to 0.670)"
    assert str(Estimate(0.1, -0.05, 0.25)) == "+0.100 (95 % -0.050 to +0.250)"
    assert (interval_text(0.5, 1.0, ".2f"), percents(0.552, 1)) == ("0.50 to 1.00", "55 to 100")
    assert (percent(0.614), percent(0.0), percent(None)) == ("61 %", "0 %", "-")
    lost = np.zeros((2, 20), dtype=bool)
    lost[:, :12] = True
    assert rank(without_faces(make_evidence([0.6, 0.2]), lost))[0].broken[0] == (
        "face rate 0.25 (95 % 0.10 to 0.49) is below the limit 0.90"
    )


def test_a_change_that_rounds_to_nothing_has_no_minus() -> None:
    assert (number_text(-0.0004, "+.3f"), number_text(-0.0006, "+.3f"), rounded(-0.00001)) == ("+0.000", "-0.001", 0.0)
    assert str(rounded(-0.00001)) == "0.0"
    assert rounded(None) is None
