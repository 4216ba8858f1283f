"""Seeds of random numbers, as configurations may give them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LARGEST_SEED = 2**53  # exact in JSON, within torch's range, and with room for the seeds that follow it
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
