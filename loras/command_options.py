"""Options that several commands on LoRA files share, in the same words."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import typer

Dtype = Literal["float16", "bfloat16", "float32"]
DTYPES = "|".join(get_args(Dtype))
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
# What a command takes for a base model's files.
CHECKPOINT = "a diffusers folder, or a .safetensors checkpoint in the original naming (SD1, SD2, SDXL)"
