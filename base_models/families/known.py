"""The families that can be loaded. The next one is a file beside this and a line here."""

from __future__ import annotations

from base_models.families.sd1 import SD1
from base_models.families.sd2 import SD2
from base_models.families.sdxl import SDXL

FAMILIES = {family.key: family for family in (SD1, SD2, SDXL)}
