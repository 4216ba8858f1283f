"""What a grid's prompts say as they are written: in the specification, or in a file of text, TOML or JSON."""

from __future__ import annotations

from pathlib import Path

from base_models.prompts.written_prompts import WrittenPrompt, prompt_of_table, prompts_in, written_prompt
from eval.request.spec import PromptsSection
from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import read_json, read_text
from foundation.toml_config import Section, read_toml
from foundation.typed.json_values import is_list, is_table

FORMS = 'write prompts = ["..", ".."], or kohya\'s [[prompt.subset]] tables with a `prompt` each'


class PromptFile(Section):
    """A file of prompts in TOML; JSON has the list alone. Text, and kohya's `[[prompt.subset]]`, are read as well."""

    prompts: list[str | dict[str, object]]
    """What is drawn, in this order, each a text or a table with a `prompt`; with the trigger it shows the subject."""


def written_prompts(section: PromptsSection) -> list[WrittenPrompt]:
    """The prompts in their order, with what is written beside their words.

    Raises MissingFileError or ConfigurationError.
    """
    try:
        found = _in_file(section.file) if section.file else [written_prompt(text) for text in section.texts]
    except ConfigurationError as error:
        said, source = str(error), source_of(section)
        raise ConfigurationError(said if said.startswith(source) else f"{source}: {said}") from None
    return [one for one in found if one.text]


def source_of(section: PromptsSection) -> str:
    """Where the prompts stand, for messages."""
    return str(section.file or "[prompts]")


def _in_file(path: Path) -> list[WrittenPrompt]:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of prompts")
    if path.suffix.lower() == ".toml":
        return _in_tables(read_toml(path))
    if path.suffix.lower() == ".json":
        return _in_list(read_json(path))
    return prompts_in(read_text(path))


def _in_tables(values: dict[str, object]) -> list[WrittenPrompt]:
    if list(values) == ["prompts"]:
        return _in_list(values["prompts"])
    shared = values.get("prompt")
    if len(values) > 1 or not is_table(shared) or not is_list(subsets := shared.get("subset")):
        raise ConfigurationError(f"holds {', '.join(values) or 'nothing'}; {FORMS}")
    common = {key: value for key, value in shared.items() if key != "subset"}
    return _in_list([{**common, **subset} if is_table(subset) else subset for subset in subsets])


def _in_list(listed: object) -> list[WrittenPrompt]:
    if not is_list(listed):
        raise ConfigurationError(f"is no list of prompts; {FORMS}")
    return [_one_of_a_list(one) for one in listed]


def _one_of_a_list(one: object) -> WrittenPrompt:
    if isinstance(one, str):
        return written_prompt(one)
    if is_table(one) and isinstance(one.get("prompt"), str):
        return prompt_of_table(one)
    raise ConfigurationError(f"`{one}` is no prompt; {FORMS}")
