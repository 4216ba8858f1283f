"""The families whose LoRA files are read: a new one is its own file and its line here."""

from __future__ import annotations

from loras.families.anima import ANIMA
from loras.families.chroma import CHROMA
from loras.families.family import ReadableFamily
from loras.families.flux1 import FLUX1
from loras.families.flux2 import FLUX2
from loras.families.krea2 import KREA2
from loras.families.lumina2 import LUMINA2
from loras.families.qwen_image import QWEN_IMAGE
from loras.families.sd35 import SD35
from loras.families.stable_diffusion import SD1, SD2, SDXL
from loras.families.z_image import Z_IMAGE

READABLE: dict[str, ReadableFamily] = {
    family.key: family
    for family in (SD1, SD2, SDXL, FLUX1, FLUX2, Z_IMAGE, KREA2, QWEN_IMAGE, CHROMA, SD35, ANIMA, LUMINA2)
}
# Stable Diffusion 1, 2 and XL share names of modules, and are told apart in `loras.lora_family`.
TRANSFORMERS = tuple(family for family in READABLE.values() if not family.rendered)
