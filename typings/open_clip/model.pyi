"""CLIP's two towers: pictures and texts -> vectors of one space."""

from dataclasses import dataclass

from torch import Tensor, nn

@dataclass
class CLIPVisionCfg:
    layers: tuple[int, int, int, int] | list[int] | int = 12
    width: int = 768
    head_width: int = 64
    image_size: tuple[int, int] | int = 224

@dataclass
class CLIPTextCfg:
    context_length: int = 77
    vocab_size: int = 49408
    width: int = 512
    heads: int = 8
    layers: int = 12

class CLIP(nn.Module):
    # Parameters of a text tower's own are left out: `torch.nn.Module` answers for them.
    logit_scale: nn.Parameter
    def __init__(self, embed_dim: int, vision_cfg: CLIPVisionCfg, text_cfg: CLIPTextCfg) -> None: ...
    def encode_image(self, image: Tensor, normalize: bool = False) -> Tensor: ...
    def encode_text(self, text: Tensor, normalize: bool = False) -> Tensor: ...
