"""kohya_ss's files, read: the GUI's .json, sd-scripts' .toml, and the dataset configurations that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import TextFileError, read_json, read_text
from foundation.toml_config import read_toml
from foundation.typed.json_values import is_list, is_table
from trainer.kohya.keys import CARRIED_KEYS, KOHYAS_OWN, WHY_NOT_CARRIED, WITHOUT_EFFECT
from trainer.kohya.values import printable

GIVE = "give kohya_ss's .json or sd-scripts' .toml"
# Tables of a dataset configuration: they are no sections of settings.
DATASETS, GENERAL = "datasets", "general"
KNOWN = {*CARRIED_KEYS, *WITHOUT_EFFECT, *KOHYAS_OWN, *WHY_NOT_CARRIED, "network_args", "noise_offset_type", DATASETS}


class NotKohyasError(ConfigurationError):
    """A file that holds no settings of kohya's."""


def read_settings(path: Path) -> dict[str, object]:
    """kohya's keys and values, sections flattened as sd-scripts does it; `datasets` and their `general` as they are.

    Raises MissingFileError, ConfigurationError for a file that is neither JSON nor TOML, and NotKohyasError for one
    with none of kohya's keys.
    """
    values = read_table(path)
    model = values.get("model")
    if is_table(model) and "base" in model:
        raise NotKohyasError(f"{path}: is a configuration of this trainer already; `trainer run {path.name}` trains it")
    whole = (GENERAL, DATASETS) if DATASETS in values else ()
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= value if is_table(value) and key not in whole else {key: value}
    if not KNOWN & flat.keys():
        raise NotKohyasError(f"{path}: holds none of kohya's keys, only {_some(flat)}; {GIVE}")
    return flat


def read_table(path: Path) -> dict[str, object]:
    """The table that a .json or .toml file holds; a file of another ending is taken for what it begins like.

    Raises MissingFileError, or ConfigurationError that says what the file is not.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path}: is a folder; {GIVE}")
    try:
        values = read_json(path) if _is_json(path) else read_toml(path)
    except MissingFileError as error:
        raise MissingFileError(f"{path}: no such file; {GIVE}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {GIVE}") from error
    except TextFileError as error:
        raise ConfigurationError(f"{path}: {error.fault}; {GIVE}") from error
    if not is_table(values):
        raise ConfigurationError(f"{path}: holds no settings; {GIVE}")
    return dict(values)


def found(named: str, beside: Path) -> Path | None:
    """The file that a settings file in the folder `beside` names: there, where one stands, or by its name alone there.

    kohya's paths start where its scripts were started, which a settings file does not say.
    """
    plain = named.replace("\\", "/")
    for path in (beside / plain, Path(plain), beside / Path(plain).name):
        if path.is_file():
            return path
    return None


def _is_json(path: Path) -> bool:
    ending = path.suffix.lower()
    return ending == ".json" or (ending != ".toml" and read_text(path).lstrip().startswith(("{", "[")))


def _some(keys: Iterable[str]) -> str:
    names = [f"`{printable(key)[:40]}`" for key in keys]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"


def tables(value: object) -> list[Mapping[str, object]]:
    """The tables of an array of tables; none of anything else."""
    return [one for one in value if is_table(one)] if is_list(value) else []
