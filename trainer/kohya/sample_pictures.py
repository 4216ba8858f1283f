"""kohya's sample pictures -> [samples]: its prompts, with what their lines say after `--`, and its samplers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from base_models.drawing.samplers import sampler_name
from foundation.errors import UserError
from foundation.text_files import read_text
from foundation.typed.json_values import is_list, is_table
from trainer.kohya.reading import found, read_table
from trainer.kohya.values import KohyaSettings, Tables, number, printable, whole, words

# kohya's names for samplers that ours are; the others have the same name, or none here.
SAMPLERS = {
    "k_lms": "lms",
    "k_euler": "euler",
    "k_euler_a": "euler_a",
    "dpm_2": "dpm2",
    "k_dpm_2": "dpm2",
    "dpm_2_a": "dpm2_a",
    "k_dpm_2_a": "dpm2_a",
    "dpmsolver++": "dpmpp_2m",
}
MOST_PROMPTS = 24
# kohya's own where a line does not say it. Without `--d` it draws another seed each time.
UNSAID: dict[str, object] = {"negative": "", "steps": 30, "cfg": 7.5, "width": 512, "height": 512}
OPTIONS = {"n": "negative", "s": "steps", "l": "cfg", "w": "width", "h": "height", "d": "seed"}
IN_FILES = {
    "negative_prompt": "negative",
    "sample_steps": "steps",
    "scale": "cfg",
    "width": "width",
    "height": "height",
    "seed": "seed",
}
Line = dict[str, object]


def translate_samples(tables: Tables, asked: KohyaSettings) -> None:
    """[samples], where kohya would draw any: it draws none without an interval."""
    epochs = asked.read("sample_every_n_epochs", whole, 0)
    steps = asked.read("sample_every_n_steps", whole, 0)
    if "sample_prompts" not in asked or not (epochs or steps):
        return
    lines = _lines(asked)
    if not lines:
        return
    if steps and not epochs:
        asked.lost["sample_every_n_steps"] = "pictures are drawn at the ends of epochs (samples.every_n_epochs)"
    tables["samples"] = {**_shared(lines, asked), "every_n_epochs": max(1, epochs), "sampler": _sampler(asked)}


def _lines(asked: KohyaSettings) -> list[Line]:
    """The prompts: of the GUI its text, of sd-scripts what the file of that name holds."""
    text = asked.read("sample_prompts", words, "")
    if "\n" in text or not re.search(r"\.(txt|toml|json)$", text, re.IGNORECASE):
        return _of_text(text, asked)
    path = found(text, asked.beside) if asked.beside else None
    if path is None:
        asked.lost["sample_prompts"] = f"`{printable(text)}` is not there; write its lines into samples.prompts"
        return []
    try:
        if path.suffix.lower() == ".txt":
            return _of_text(read_text(path), asked)
        return _of_table(read_table(path), asked)
    except (UserError, OSError) as error:
        asked.lost["sample_prompts"] = f"`{printable(text)}` cannot be read: {printable(str(error))}"
        return []


def _of_text(text: str, asked: KohyaSettings) -> list[Line]:
    return [_line(row.strip(), asked) for row in text.splitlines() if row.strip() and not row.startswith("#")]


def _line(row: str, asked: KohyaSettings) -> Line:
    """`a person --n blurry --w 512 --d 1`, each option by its first letter as kohya reads them."""
    prompt, *options = row.split(" --")
    line: Line = {"prompt": prompt.strip()}
    for option in options:
        name, _, value = option.strip().partition(" ")
        if name.lower() in OPTIONS:
            _put(line, OPTIONS[name.lower()], value.strip(), asked)
        else:
            asked.lost["sample_prompts"] = f"`--{printable(name)}` is not read here"
    return line


def _of_table(values: Mapping[str, object], asked: KohyaSettings) -> list[Line]:
    """A .toml file's `[prompt]` with its `[[prompt.subset]]`."""
    prompt = values.get("prompt")
    common = prompt if is_table(prompt) else {}
    subsets = common.get("subset")
    lines: list[Line] = []
    for subset in subsets if is_list(subsets) else []:
        own = {**common, **subset} if is_table(subset) else {}
        line: Line = {"prompt": str(own.get("prompt", "")).strip()}
        for theirs, ours in IN_FILES.items():
            if theirs in own:
                _put(line, ours, str(own[theirs]), asked)
        lines.append(line)
    if not lines:
        asked.lost["sample_prompts"] = "the file has no [[prompt.subset]]; write its prompts into samples.prompts"
    return lines


def _put(line: Line, name: str, value: str, asked: KohyaSettings) -> None:
    try:
        read = value if name == "negative" else number(value) if name == "cfg" else whole(value)
        # kohya draws sides in steps of 8, 64 at least.
        line[name] = max(64, read - read % 8) if name in ("width", "height") and isinstance(read, int) else read
    except (ValueError, OverflowError):
        asked.lost["sample_prompts"] = f"`{printable(value)}` is no number for {name}"


def _shared(lines: Sequence[Line], asked: KohyaSettings) -> dict[str, object]:
    """What all prompts share: one size, seed and so on holds for all here; where they differ, the first's."""
    if empty := [line for line in lines if not line["prompt"]]:
        asked.lost["sample_prompts"] = f"{len(empty)} lines without a prompt are left out"
    kept = [line for line in lines if line["prompt"]][:MOST_PROMPTS]
    if len(lines) - len(empty) > MOST_PROMPTS:
        asked.lost["sample_prompts"] = f"only the first {MOST_PROMPTS} of {len(lines)} prompts are drawn"
    shared: dict[str, object] = {"prompts": [line["prompt"] for line in kept]}
    for name, unsaid in UNSAID.items():
        said = [line.get(name, unsaid) for line in kept]
        if any(one != said[0] for one in said):
            asked.lost[f"sample_prompts ({name})"] = "differs between prompts; the first one's holds for all here"
        shared |= {name: said[0]} if said else {}
    seeds = [line.get("seed") for line in kept]
    if seeds and seeds[0] is not None:
        shared["seed"] = seeds[0]
        if any(seed != seeds[0] + at for at, seed in enumerate(seeds) if isinstance(seeds[0], int)):
            asked.lost["sample_prompts (seed)"] = "prompts have seeds that follow each other here, from the first one's"
    return shared


def _sampler(asked: KohyaSettings) -> str:
    name = asked.read("sample_sampler", words, "ddim")
    try:
        return sampler_name(SAMPLERS.get(name, name))
    except ValueError:
        asked.lost["sample_sampler"] = f"`{printable(name)}` is not drawn with here; euler_a stands for it"
        return "euler_a"
