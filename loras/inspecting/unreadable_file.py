"""Why a file is no LoRA that can be read: what it really is, as far as its first bytes and its keys tell."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from foundation.files import opened_file
from foundation.safetensors_header import HEADER_LIMIT
from foundation.typed.json_values import is_list, is_table, parse_json
from loras.inspecting.header_in_words import printable

_WHOLE_MODEL = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "decoder.", "encoder.conv_in")
_EMBEDDING = ("emb_params", "string_to_param", "clip_l", "clip_g")


def reason_unreadable(path: Path, error: Exception) -> str:
    """A sentence on what is wrong with `path`, of which reading it raised `error`; never raises."""
    message = printable(str(error)).removeprefix(f"{path}: ")
    try:
        return _what_it_is(path) or message
    except OSError as failure:
        return f"cannot be read: {failure.strerror}"


def _what_it_is(path: Path) -> str | None:
    length = path.stat().st_size
    if length == 0:
        return "an empty file; download or save it again"
    with opened_file(path) as stream:
        start = stream.read(200)
        if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
            return "a web page, not a LoRA: the download went wrong, or wanted a login; download it again"
        if start.startswith(b"version https://git-lfs"):
            return "a pointer of Git LFS, not the file itself; get it with `git lfs pull`"
        size = int.from_bytes(start[:8], "little")
        if start[8:9] != b"{" or size > HEADER_LIMIT:
            return None
        if 8 + size > length:
            return _cut_off(8 + size, length)
        stream.seek(8)
        entries = _entries(stream.read(size))
    end = 8 + size + max((_end(entry) for entry in entries.values()), default=0)
    return _cut_off(end, length) if end > length else _other_kind(entries)


def _cut_off(promised: int, length: int) -> str:
    return f"truncated: its header promises {promised} bytes or more, and {length} are there; download it again"


def _entries(text: bytes) -> dict[str, object]:
    try:
        found = parse_json(text)
    except ValueError:
        return {}
    return {key: entry for key, entry in found.items() if key != "__metadata__"} if is_table(found) else {}


def _end(entry: object) -> int:
    offsets = entry.get("data_offsets") if is_table(entry) else None
    end = offsets[1] if is_list(offsets) and len(offsets) == 2 else None
    return end if isinstance(end, int) else 0


def _other_kind(keys: Iterable[str]) -> str | None:
    """What its keys belong to, where it is no LoRA at all."""
    listed = list(keys)
    known = ("lora_", "lora.", "hada_", "lokr_", "oft_blocks", "dora_scale")
    ends = (".diff", ".diff_b", ".w_norm", ".b_norm")
    named = any(key.endswith(ends) or any(part in key for part in known) for key in listed)
    if any(key.startswith(_WHOLE_MODEL) for key in listed) and not named:
        return "a whole model, not a LoRA"
    if listed and all(key in _EMBEDDING for key in listed):
        return "an embedding (textual inversion), not a LoRA"
    if listed and not named:
        shown = printable(", ".join(islice(listed, 3)))
        return f"not a LoRA: it holds {len(listed)} tensors, none named as a LoRA's are ({shown}, ..)"
    return None
