"""A stand-in for a kill: a run ends at one of its renames, and nothing catches what ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Killed(BaseException):
    """What stands for a kill: nothing catches it."""


@contextmanager
def killed_at_rename(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """The block must end by the `at`-th rename, which is not made.

    What a kill leaves is what was renamed into place before it, so the renames are all instants that there are.
    """
    count, replace = 0, os.replace

    def counted(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", counted)
        with pytest.raises(Killed):
            yield
