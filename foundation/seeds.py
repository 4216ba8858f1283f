"""Seeds of random numbers, as configurations may give them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LARGEST_SEED = 2**53  # exact in JSON, within torch's range, and with room for the seeds that follow it
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
MOST_SEEDS = 100_000


def fault_of_seeds(seeds: int | list[int]) -> str | None:
    """What is wrong with `[prompts] seeds`, and what to write instead; None where nothing is."""
    if isinstance(seeds, int):
        return _fault_of_count(seeds)
    if not seeds:
        return "give at least one seed"
    if wrong := [seed for seed in seeds if not 0 <= seed <= LARGEST_SEED]:
        random = "; -1, a random seed in A1111, would be another one each time" if -1 in wrong else ""
        return f"{wrong[0]}: a seed is from 0 to {LARGEST_SEED}{random}; every cell draws the same ones, so write them"
    if doubled := sorted({seed for seed in seeds if seeds.count(seed) > 1} if len(set(seeds)) < len(seeds) else ()):
        return f"{', '.join(map(str, doubled))}: in the list more than once, which would count a picture twice"
    return None


def _fault_of_count(count: int) -> str | None:
    if count < 1:
        return f"{count}: without brackets it is how many seeds there are; give at least one, as seeds = 4"
    if count > MOST_SEEDS:
        return (
            f"{count}: without brackets it is how many seeds there are, at most {MOST_SEEDS}; "
            f"for that very seed write seeds = [{count}]"
        )
    return None
