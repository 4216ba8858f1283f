"""Work that is cut into independent pieces, a piece to a thread and each piece on that thread alone.

Factorisations of a few hundred rows take longer when one is spread over threads (float64 `eigh` of 256: 12.7 ms on one,
19.8 on two), so threads take whole pieces: torch and numpy let go of Python's lock. The large ones come first, so that
no thread is left with one at the end. A piece has the same bits on however many threads the whole is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from base_models.threads import on_threads
from foundation.progress import Advance

Name = TypeVar("Name")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Name], Made], sizes: Mapping[Name, int], advance: Advance) -> dict[Name, Made]:
    """What `work` makes of each name, in the order of `sizes`, on as many threads as torch has for one operation.

    `sizes` says which are large. The first error is raised, and what was not begun by then never is: the thread on
    which a piece fails says so itself, since the one that waits may be told long after.
    """
    made: dict[Name, Made] = {}
    failures: list[BaseException] = []

    def piece(name: Name) -> None:
        if failures:
            return
        try:
            made[name] = work(name)
        except BaseException as failure:
            failures.append(failure)

    threads = torch.get_num_threads()
    with (
        on_threads(1),
        threadpool_limits(1, "blas"),  # numpy's, which torch's own does not reach
        ThreadPoolExecutor(threads, "side-by-side", torch.set_num_threads, (1,)) as pool,
    ):
        pieces = [pool.submit(piece, name) for name in sorted(sizes, key=lambda name: -sizes[name])]
        try:
            for _ in as_completed(pieces):
                if failures:
                    break
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    if failures:
        raise failures[0]
    return {name: made[name] for name in sizes}
