"""open_clip's models with what prepares pictures and texts for them; its own returns are unions of all its classes."""

from collections.abc import Callable
from typing import Literal, Protocol

from open_clip.model import CLIP
from PIL import Image
from torch import Tensor, device

def create_model_from_pretrained(
    model_name: str,
    pretrained: str | None = None,
    precision: Literal["fp32", "fp16", "bf16"] = "fp32",
    device: str | device = "cpu",
    *,
    image_resize_mode: Literal["shortest", "longest", "squash"] | None = None,
) -> tuple[CLIP, Callable[[Image.Image], Tensor]]: ...

class _Tokenizer(Protocol):
    context_length: int
    def __call__(self, texts: list[str], context_length: int | None = None) -> Tensor: ...

def get_tokenizer(model_name: str) -> _Tokenizer: ...
