"""Values as kohya's files spell them, and one rule for those that are not what their key is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from shlex import split
from typing import TypeVar

from foundation.typed.json_values import is_list

Value = TypeVar("Value")
Default = TypeVar("Default")
# What asks for nothing in a GUI's file. A 0 asks for something where the key is one of ZERO_IS_MEANT.
ASKS_FOR_NOTHING = ("", "none", "false", "0", "0.0", "[]", "{}")
# "learning_rate" of 0 trains nothing, and an alpha of 0 is kohya's for the rank: neither is what is not said.
ZERO_IS_MEANT = (
    "seed",
    "prior_loss_weight",
    "max_grad_norm",
    "learning_rate",
    "unet_lr",
    "text_encoder_lr",
    "network_alpha",
    "conv_alpha",
    "multires_noise_discount",
)
Tables = dict[str, dict[str, object]]


@dataclass(frozen=True)
class KohyaSettings:
    """kohya's settings that ask for something, and in `lost` what of them could not be carried: key -> why.

    `beside` is the folder of the file that they come from.
    """

    values: Mapping[str, object]
    lost: dict[str, str] = field(default_factory=dict)
    beside: Path | None = None

    @classmethod
    def of(cls, settings: Mapping[str, object], beside: Path | None = None) -> KohyaSettings:
        """Without what is empty, zero or false.

        `network_args = ["conv_dim=8", ...]` are settings of their own, and so are the GUI's `additional_parameters`,
        which stand at the end of its command and therefore win.
        """
        lost: dict[str, str] = {}
        inner = pairs(settings.get("network_args"))
        last = _arguments(settings.get("additional_parameters"), lost)
        plain = {key: value for key, value in settings.items() if key not in ("network_args", "additional_parameters")}
        flat = {**plain, **inner, **last}
        return cls({key: value for key, value in flat.items() if _asks_for_something(key, value)}, lost, beside)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def read(self, key: str, reader: Callable[[object], Value], default: Default) -> Value | Default:
        """The value as `reader` reads it; `default` where there is none, or it is of another kind, which is noted."""
        if key not in self.values:
            return default
        try:
            return reader(self.values[key])
        except (TypeError, ValueError, OverflowError):
            self.lost[key] = f"{self.values[key]!r} is not what the key is for"
            return default


def _asks_for_something(key: str, value: object) -> bool:
    text = "" if value is None else str(value).strip().lower()
    return text not in (("", "none", "[]", "{}") if key in ZERO_IS_MEANT else ASKS_FOR_NOTHING)


def _arguments(written: object, lost: dict[str, str]) -> dict[str, object]:
    """`--a=1 --b "x y" z --c` -> a: 1, b: [x y, z], c: True."""
    try:
        said = split(str(written or ""))
    except ValueError:
        lost["additional_parameters"] = "its quotes do not close"
        return {}
    read: dict[str, list[object]] = {}
    name: str | None = None
    for word in said:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            read[name] = [value] if equals else []
        elif name is None:
            lost["additional_parameters"] = f"`{printable(word)}` belongs to no --name"
        else:
            read[name].append(word)
    return {key: True if not one else one[0] if len(one) == 1 else one for key, one in read.items()}


def printable(text: str) -> str:
    """A file's text on one line, without what moves a terminal's cursor or a TOML comment may not hold."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def whole(value: object) -> int:
    """Raises ValueError for a number with a fraction."""
    read = number(value)
    if read != int(read):
        raise ValueError(f"{value!r} is no whole number")
    return int(read)


def number(value: object) -> float:
    """Raises ValueError for what is no number, or not finite."""
    read = float(str(value))
    if not isfinite(read):
        raise ValueError(f"{value!r} is not finite")
    return read


def numbers(value: object) -> list[float]:
    """Of a list, or of words between commas or blanks; at least one."""
    listed = value if is_list(value) else str(value).replace(",", " ").split()
    read = [number(one) for one in listed]
    if not read:
        raise ValueError("no numbers")
    return read


def flag(value: object) -> bool:
    """Raises ValueError for what is neither yes nor no."""
    text = str(value).strip().lower()
    if text not in ("true", "1", "1.0", "false", "0", "0.0"):
        raise ValueError(f"{value!r} is neither true nor false")
    return text in ("true", "1", "1.0")


def words(value: object) -> str:
    """Raises TypeError for a list or a table."""
    if isinstance(value, (list, dict)):
        raise TypeError(f"{value!r} is no text")
    return str(value).strip()


def extension(value: object) -> str:
    """How a file's name ends; kohya joins it to the name as it is, so one without a dot is no ending of ours.

    Raises ValueError for that.
    """
    read = words(value)
    if not read.startswith("."):
        raise ValueError(f"{read!r} does not begin with a dot")
    return read


def pairs(value: object) -> dict[str, object]:
    """`weight_decay=0.05 betas=0.9,0.99`, or a list of such words; a word without `=` says nothing."""
    listed = value if is_list(value) else str(value or "").split()
    split = (str(word).strip("\"' ").partition("=") for word in listed)
    return {key.strip(): _plain(text) for key, equals, text in split if equals}


def _plain(text: str) -> object:
    """`0.9` -> 0.9, `True` -> True, `0.9,0.99` or `(0.9, 0.99)` -> [0.9, 0.99]; anything else stays text."""
    text = text.strip("\"' ")
    if text in ("True", "False"):
        return text == "True"
    try:
        read = [
            number(one) if any(sign in one for sign in ".eE") else int(one) for one in text.strip("()[]").split(",")
        ]
    except ValueError:
        return text
    return read if len(read) > 1 else read[0]
