"""Prompts as other tools write them, with what is said beside the words: kohya's lines, A1111's infotext and lists.

kohya: `a cat --n ugly --w 512 --h 512 --d 1 --l 7 --s 30`, lines that begin with # left out (sd-scripts'
`line_to_prompt_dict`), and the same as tables in TOML or JSON. A1111: `Negative prompt:` and `Steps: 20, ..` below a
prompt, and lines that begin with `--prompt "a cat"`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from foundation.errors import ConfigurationError

NEGATIVE = "negative"
SIZE, SEED, STEPS, CFG, SAMPLER = "size", "seed", "steps", "cfg", "sampler"
BASE, CLIP_SKIP, FILES = "base model", "clip_skip", "files"
# What an option is called: kohya's letters, A1111's words, and the keys of kohya's tables.
OPTIONS = {
    **dict.fromkeys(["n", "negative_prompt"], NEGATIVE),
    **dict.fromkeys(["w", "h", "width", "height"], SIZE),
    **dict.fromkeys(["d", "seed"], SEED),
    **dict.fromkeys(["s", "steps", "sample_steps"], STEPS),
    **dict.fromkeys(["l", "scale", "cfg_scale"], CFG),
    **dict.fromkeys(["ss", "sample_sampler", "sampler_name", "sampler_index"], SAMPLER),
    **dict.fromkeys(["sd_model"], BASE),
    **dict.fromkeys(
        ["batch_size", "n_iter", "outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples",
         "do_not_save_grid", "enum"],
        FILES,
    ),
}  # fmt: skip
INFOTEXT = {
    "Steps": STEPS, "Sampler": SAMPLER, "Schedule type": SAMPLER, "CFG scale": CFG, "Seed": SEED, "Size": SIZE,
    "Model": BASE, "Clip skip": CLIP_SKIP,
}  # fmt: skip
_NEGATIVE_LINE = re.compile(r"^\s*Negative prompt:\s*(.*)$")
_STEPS_LINE = re.compile(r"^\s*Steps: \d+\s*(?:,|$)")
_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*(?:"(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_OPTION = re.compile(r"(?:^|\s)--(?=[A-Za-z])")


@dataclass(frozen=True)
class WrittenPrompt:
    """The words, the negative prompt if it has one, and what else it asks for (SIZE, SEED, ..), values left out."""

    text: str
    negative: str | None = None
    asks: tuple[str, ...] = ()


def prompts_in(text: str) -> list[WrittenPrompt]:
    """The prompts of a text file: one a line, or A1111's infotexts, one after another. Comments are left out.

    Raises ConfigurationError for an option that no prompt here can have.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    if not any(map(_is_infotext, lines)):
        return [written_prompt(line) for line in lines if line.strip()]
    found: list[WrittenPrompt] = []
    for block in _blocks(lines):
        whole = any(map(_is_infotext, block))
        found += [_of_infotext(block)] if whole else [written_prompt(line) for line in block]
    return found


def written_prompt(text: str) -> WrittenPrompt:
    """One prompt with whatever is written beside its words. Raises as `prompts_in`."""
    lines = text.splitlines()
    if any(map(_is_infotext, lines)):
        return _of_infotext(lines)
    first, *options = _OPTION.split(text.strip())
    if not options:
        return WrittenPrompt(first.strip())
    if any(option.split()[:1] == ["prompt"] for option in options):
        return _of_script_line(text)
    named = [option.partition(" ") for option in options]
    return _with_options(first.strip(), [(name, value.strip()) for name, _, value in named])


def prompt_of_table(table: Mapping[str, object]) -> WrittenPrompt:
    """kohya's table of a prompt: `prompt`, `negative_prompt`, `width`, .. Raises as `prompts_in`."""
    return _with_options(
        str(table.get("prompt", "")).strip(),
        [(name, "" if value is None else str(value)) for name, value in table.items() if name != "prompt"],
    )


def _of_script_line(text: str) -> WrittenPrompt:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f'`{text.strip()}`: {error}; write --prompt ".." with both quotes') from None
    options: list[tuple[str, str]] = []
    for word in words:
        if word.startswith("--"):
            options.append((word[2:], ""))
        else:
            name, value = options.pop()
            options.append((name, f"{value} {word}".strip()))
    said = dict(options)
    return _with_options(said.pop("prompt"), list(said.items()))


def _with_options(text: str, options: Sequence[tuple[str, str]]) -> WrittenPrompt:
    if not text:
        raise ConfigurationError(
            f"`--{options[0][0] if options else 'prompt'}`: no words before it; a prompt begins with words"
        )
    negative: str | None = None
    asks: dict[str, None] = {}
    for name, value in options:
        kind = OPTIONS.get(name.lower())
        if kind is None:
            known = ", ".join(f"--{one}" for one in OPTIONS if len(one) < 3)
            raise ConfigurationError(
                f"`--{name}`: nothing that a prompt can ask for here (of kohya's: {known}); take it out"
            )
        if kind == NEGATIVE:
            negative = value
        elif kind in (SIZE, SEED, STEPS, CFG) and len(value.split()) > 1:
            raise ConfigurationError(
                f"`--{name} {value}`: words behind a number would be lost; put them before the options"
            )
        else:
            asks[kind] = None
    return WrittenPrompt(text, negative, tuple(asks))


def _is_infotext(line: str) -> bool:
    return bool(_NEGATIVE_LINE.match(line) or _STEPS_LINE.match(line))


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines that belong together: up to a blank one, or to the settings that end an infotext."""
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line)
        if block and (not line.strip() or _STEPS_LINE.match(line)):
            yield block
            block = []
    if block:
        yield block


def _of_infotext(lines: Sequence[str]) -> WrittenPrompt:
    settings = next((at for at, line in enumerate(lines) if _STEPS_LINE.match(line)), len(lines))
    begins = next((at for at, line in enumerate(lines[:settings]) if _NEGATIVE_LINE.match(line)), settings)
    negative = [_NEGATIVE_LINE.sub(r"\1", line).strip() for line in lines[begins:settings]]
    keys = _PAIR.findall(" ".join(lines[settings:]))
    asks = dict.fromkeys(INFOTEXT[key] for key in keys if key in INFOTEXT)
    return WrittenPrompt(
        " ".join(line.strip() for line in lines[:begins]).strip(),
        " ".join(negative).strip() if begins < settings else None,
        tuple(asks),
    )
