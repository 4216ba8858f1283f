"""Small work runs on one thread, and what comes after it on as many as before."""

from __future__ import annotations

import pytest
import torch

from base_models.threads import on_threads


@pytest.mark.parametrize("before", [1, 2, 3])
def test_the_threads_are_given_back_also_after_an_error(before: int) -> None:
    own = torch.get_num_threads()
    try:
        torch.set_num_threads(before)
        with on_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before
        with pytest.raises(MemoryError), on_threads(1):
            raise MemoryError
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(own)
