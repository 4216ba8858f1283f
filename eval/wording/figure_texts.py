"""How cells, weights, intervals and shares are written, once for all that shows them, and what programs are told."""

from __future__ import annotations

from foundation.terminal_tables import NOT_MEASURED
from foundation.wording.said import Said, say
from loras.weights import Weights

JSON_DIGITS = 4


def cell_name(checkpoint: str, weights: Weights, also: str, on: str = "") -> str:
    """What a cell is called: "hina-000004 at unet=0.8,te=0.6 with style:unet=0.3,te=0.2 on turbo.safetensors"."""
    return f"{checkpoint} at {settings_text(weights, also, on)}"


def settings_text(weights: Weights, also: str, on: str = "") -> str:
    """All of a cell but its checkpoint: "unet=0.8,te=0.6 with style:unet=0.3,te=0.2"; `on`: what it is drawn with,
    where that varies."""
    text = with_others(str(weights), also)
    return f"{text} on {on}" if on else text


def with_others(text: str, also: str) -> str:
    """`text` with the other LoRAs that are blended in, where there are any."""
    return f"{text} with {also}" if also else text


def text_encoder_weight(te1: float, te2: float) -> str:
    """The weight on the text encoder: "0.6", or "0.6 / 0.4" where two have different ones."""
    return f"{te1:g}" if te1 == te2 else f"{te1:g} / {te2:g}"


def number_text(value: float, form: str = ".3f") -> str:
    """A figure of three digits in the `form` of Python's `format`."""
    # "-0.000" would say that something was lost.
    return format(round(value, 3) + 0.0, form)


def interval_text(low: float, high: float, form: str = ".3f") -> Said:
    """The ends of an interval: "0.550 to 0.670"."""
    return say("{low} to {high}", low=f"{low:{form}}", high=f"{high:{form}}")


def with_interval(value: float, low: float, high: float, form: str = ".3f") -> Said:
    """A figure with its interval: "0.610 (95 % 0.550 to 0.670)"."""
    return say("{value} (95 % {interval})", value=f"{value:{form}}", interval=interval_text(low, high, form))


def percent(share: float | None) -> str:
    """A share in percent: "61 %"."""
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def percents(low: float, high: float) -> Said:
    """The ends of an interval of shares, without the sign: "55 to 67"."""
    return interval_text(100 * low, 100 * high, ".0f")


def rounded(value: float | None) -> float | None:
    """A figure as JSON gives it."""
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return None if value is None else round(value, JSON_DIGITS) + 0.0
