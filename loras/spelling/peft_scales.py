"""PEFT keeps a LoRA's scales beside its tensors, in a configuration: read here, with its patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from foundation.errors import LoraFileError
from foundation.text_files import parsing_fault, read_json
from foundation.typed.json_values import is_table, parse_json
from loras.spelling.foreign_kinds import WHAT_TO_DO
from loras.spelling.spelling import ForeignKindError

LONGEST_PATTERN = 500
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")
PARTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "text_conditioner")


@dataclass(frozen=True)
class PeftScales:
    """PEFT keeps scales in a configuration: diffusers >= 0.34 in the header, PEFT itself in adapter_config.json."""

    configs: Mapping[str, Mapping[str, object]]

    @classmethod
    def beside(cls, path: Path, metadata: Mapping[str, str]) -> PeftScales:
        """From the header's `lora_adapter_metadata`, else from adapter_config.json in the file's folder.

        Raises LoraFileError for what is no JSON object, ForeignKindError for another method than LoRA (PEFT's LoHa,
        LoKr, OFT: their tensors are named as LyCORIS' are, and mean something else).
        """
        if "lora_adapter_metadata" in metadata:
            found = _json(metadata["lora_adapter_metadata"], path)
            # A whole pipeline's configurations are told apart by part; a single model's stands alone.
            return cls(_for_all_parts(found) if "lora_alpha" in found else _by_part(found))
        config = path.with_name("adapter_config.json")
        if path.name.startswith("adapter_model") and config.is_file():
            plain = _table(read_json(config), config)
            if plain.get("peft_type", "LORA") != "LORA":
                kind = plain["peft_type"]
                raise ForeignKindError(
                    f"{config}: an adapter of PEFT's type {kind}, of which only LORA is read here; {WHAT_TO_DO}"
                )
            return cls(_for_all_parts(plain))
        return cls({})

    def alpha(self, diffusers_path: str, rank: int, file: Path) -> float | None:
        """The alpha of a module of `file`, whose strength is alpha / rank; None where nothing says.

        Raises LoraFileError for a number or a pattern that is none.
        """
        part, _, inner = diffusers_path.partition(".")
        config = self.configs.get(part)
        if config is None or "lora_alpha" not in config:
            return None
        try:
            alpha = _matching(config.get("alpha_pattern"), inner, config["lora_alpha"])
        except ValueError as error:
            raise LoraFileError(f"{file}: the adapter's configuration has {error}; save the file again") from None
        return alpha * rank**0.5 if config.get("use_rslora") else alpha


def _matching(pattern: object, path: str, otherwise: object) -> float:
    """PEFT's rule: the first pattern that matches the path's end, at a dot. Raises ValueError with what is wrong."""
    for tail, alpha in pattern.items() if is_table(pattern) else ():
        if _pattern(tail).fullmatch(path):
            return _number(alpha)
    return _number(otherwise)


@lru_cache(maxsize=4096)
def _pattern(tail: str) -> re.Pattern[str]:
    """A stranger's expression: one that could take for ever (a group that is repeated) is not tried."""
    if len(tail) <= LONGEST_PATTERN and not _REPEATED_GROUP.search(tail):
        with suppress(re.error):
            return re.compile(rf"(?:.*\.)?(?:{tail})")
    raise ValueError(f"a pattern for alphas that is not understood (`{tail[:80]}`)")


def _number(said: object) -> float:
    with suppress(ValueError):
        return float(str(said))
    raise ValueError(f"an alpha that is no number (`{str(said)[:80]}`)")


def _for_all_parts(config: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return dict.fromkeys(PARTS, config)


def _by_part(flat: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """`{"unet.r": 4}` -> `{"unet": {"r": 4}}`."""
    found: dict[str, dict[str, object]] = {}
    for key, value in flat.items():
        part, _, name = key.partition(".")
        found.setdefault(part, {})[name] = value
    return found


def _json(text: str, path: Path) -> dict[str, object]:
    try:
        return _table(parse_json(text), path)
    except ValueError as error:
        raise LoraFileError(f"{path}: the adapter's configuration is no JSON ({parsing_fault(error)})") from error


def _table(found: object, path: Path) -> dict[str, object]:
    if not is_table(found):
        raise LoraFileError(f"{path}: the adapter's configuration is no JSON object")
    return found
