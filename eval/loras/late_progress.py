"""Progress for work that is mostly over at once: a bar on stderr appears only if it is not done after two seconds."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from trainer.progress import Advance, terminal

PATIENCE = 2.0  # seconds
_Item = TypeVar("_Item")


def shown_if_slow(items: Sequence[_Item], title: str) -> Generator[_Item]:
    """The items one by one, with a bar from the moment that they have taken PATIENCE seconds together."""
    started = time.monotonic()
    with ExitStack() as stack:
        advance: Advance | None = None
        for done, item in enumerate(items):
            yield item
            if advance is not None:
                advance(1)
            elif time.monotonic() - started > PATIENCE and done + 1 < len(items):
                advance = stack.enter_context(terminal()).task(title, total=len(items))
                advance(done + 1)
