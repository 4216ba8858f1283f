"""Pictures that are gone take rows or units with them, so that what stays is compared in pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eval.ranking.missing_pictures import without_missing


@given(
    st.tuples(st.integers(2, 7), st.integers(1, 7)).flatmap(lambda shape: arrays(bool, shape)),
)
def test_what_stays_has_lost_nothing_and_what_goes_has(gone: np.ndarray) -> None:
    rows, units = without_missing(gone)
    assert not gone[np.concatenate([[True], rows])][:, units].any()
    assert gone[1:][~rows].any(1).all()
    assert gone[:, ~units].any(0).all()
