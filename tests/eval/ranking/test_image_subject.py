"""A subject without a face is ranked without what faces alone say."""

from __future__ import annotations

from dataclasses import replace

from eval.ranking.ranking import rank
from synthetic_evidence import make_evidence


def test_an_image_subject_has_no_face_rate_gate() -> None:
    evidence = replace(make_evidence([0.6, 0.5], training=0), subject="image")
    failed = evidence.failed.copy()
    failed[0, :8] = True
    black = replace(evidence, failed=failed)
    rows = rank(black)
    assert not any("face rate" in reason for row in rows for reason in row.broken)
    assert all(row.face_rate is None for row in rows)
    assert any("8 failed pictures" in flag for row in rows for flag in row.flags)
