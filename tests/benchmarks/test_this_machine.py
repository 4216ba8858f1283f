"""What a figure was measured on is said with the vectors' width, and with what narrows it."""

from __future__ import annotations

import pytest

from this_machine.words import NARROWED, machine_in_words, vector_bits


def test_the_widest_vectors_count() -> None:
    assert vector_bits({"sse2", "avx", "avx2", "avx512f"}) == 512
    assert vector_bits({"sse2", "avx", "avx2"}) == 256
    assert vector_bits({"fp", "asimd"}) == 128
    assert vector_bits(set()) == "unknown"


def test_what_narrows_vectors_is_said_and_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NARROWED:
        monkeypatch.delenv(name, raising=False)
    assert " bits, no GPU" in machine_in_words("no GPU")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert " bits ATEN_CPU_CAPABILITY=avx2, no GPU" in machine_in_words("no GPU")
