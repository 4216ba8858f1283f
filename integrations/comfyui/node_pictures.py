"""ComfyUI's `IMAGE` as pictures of 8 bits, to the byte those that its saver writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .comfy_doors import Image
from .studio_door import NodeError

if TYPE_CHECKING:
    import numpy as np


def pictures_of(images: Image) -> list[np.ndarray]:
    """(H, W, 3) uint8 each, cut off below as SaveImage cuts off. Raises NodeError for what is no batch of pictures."""
    import numpy as np

    values = images.cpu().numpy()
    if values.ndim != 4 or values.shape[-1] < 3:
        raise NodeError("images: is no batch of colour pictures; connect an IMAGE")
    with np.errstate(invalid="ignore"):  # what is not finite becomes something, as in the saved file
        return list(np.clip(np.nan_to_num(values[..., :3] * 255.0), 0, 255).astype(np.uint8))
