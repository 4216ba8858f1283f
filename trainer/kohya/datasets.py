"""sd-scripts' dataset configuration: `[[datasets]]` and their `[[datasets.subsets]]` -> folders, and what all share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.typed.json_values import is_table
from trainer.kohya.reading import DATASETS, GENERAL, found, read_table, tables
from trainer.kohya.values import KohyaSettings, extension, flag, printable, whole, words

Folder = dict[str, object]
# Of a folder itself. All other keys hold for a whole run here.
OF_A_FOLDER = ("image_dir", "num_repeats", "class_tokens", "is_reg", "caption_extension")
# What a dataset configuration calls otherwise than the settings do.
OTHER_NAMES = {"batch_size": "train_batch_size"}
# With a dataset configuration, sd-scripts reads these no more.
NOT_READ_BESIDE = ("train_data_dir", "reg_data_dir", "in_json", "dataset_config")


@dataclass(frozen=True)
class Datasets:
    """`settings` are kohya's, with what the folders share in the place of their own; `folders` as ours name them."""

    settings: dict[str, object]
    folders: tuple[Folder, ...]
    lost: dict[str, str]


def with_datasets(settings: Mapping[str, object], beside: Path | None) -> Datasets:
    """The settings with the folders of a dataset configuration, in them or in the file that `dataset_config` names."""
    lost: dict[str, str] = {}
    config, rest = settings, {key: value for key, value in settings.items() if key not in (DATASETS, GENERAL)}
    named = str(settings.get("dataset_config") or "").strip()
    if DATASETS not in settings:
        read = _named_file(named, beside, lost) if named else None
        if read is None:
            return Datasets({key: value for key, value in rest.items() if key != "dataset_config"}, (), lost)
        config = read
    subsets = _subsets(config)
    folders = _folders(subsets, lost)
    if not folders:
        lost[DATASETS] = "names no folder of pictures (image_dir)"
    kept = {key: value for key, value in rest.items() if key not in NOT_READ_BESIDE}
    return Datasets({**kept, **_shared(subsets, lost)}, tuple(folders), lost)


def _named_file(named: str, beside: Path | None, lost: dict[str, str]) -> Mapping[str, object] | None:
    path = found(named, beside) if beside else None
    if path is None:
        lost["dataset_config"] = f"`{printable(named)}` is not there; copy it beside the settings, and import again"
        return None
    try:
        return read_table(path)
    except UserError as error:
        lost["dataset_config"] = str(error)
        return None


def _subsets(config: Mapping[str, object]) -> list[dict[str, object]]:
    """Each folder's own values over its dataset's, over those of all."""
    general = config.get(GENERAL)
    common = general if is_table(general) else {}
    read: list[dict[str, object]] = []
    for dataset in tables(config.get(DATASETS)):
        own = {key: value for key, value in dataset.items() if key != "subsets"}
        read += [{**common, **own, **subset} for subset in tables(dataset.get("subsets"))]
    return read


def _folders(subsets: Sequence[Mapping[str, object]], lost: dict[str, str]) -> list[Folder]:
    folders: dict[str, Folder] = {}
    for subset in subsets:
        asked = KohyaSettings({key: value for key, value in subset.items() if value not in (None, "")})
        path = asked.read("image_dir", words, "")
        if not path:
            continue
        repeats = asked.read("num_repeats", whole, 1)
        if repeats < 1:
            lost["num_repeats"] = f"kohya leaves out `{printable(path)}`, which is repeated {repeats} times"
        elif path in folders:
            lost["image_dir"] = f"`{printable(path)}` stands there more than once; it is shown at one resolution here"
        else:
            folders[path] = _folder(path, repeats, asked)
        lost |= asked.lost
    return list(folders.values())


def _folder(path: str, repeats: int, asked: KohyaSettings) -> Folder:
    folder: Folder = {"path": path, "repeats": repeats}
    if class_words := asked.read("class_tokens", words, ""):
        folder["class_words"] = class_words
    if asked.read("is_reg", flag, False):
        folder["reg"] = True
    if ending := asked.read("caption_extension", extension, ""):
        folder["caption_extension"] = ending
    return folder


def _shared(subsets: Sequence[Mapping[str, object]], lost: dict[str, str]) -> dict[str, object]:
    """What all folders say of a key; where they differ, what the first says that shows the subject."""
    showing = [one for one in subsets if not one.get("is_reg")]
    first = showing[0] if showing else dict[str, object]()
    shared: dict[str, object] = {}
    for key in dict.fromkeys(key for subset in subsets for key in subset if key not in OF_A_FOLDER):
        said = [subset.get(key) for subset in subsets]
        if any(one != said[0] for one in said):
            heard = ", ".join(dict.fromkeys("none" if one is None else printable(str(one)) for one in said))
            lost[key] = f"differs between folders ({heard}); the first folder's holds for all here"
        if first.get(key) is not None:
            shared[OTHER_NAMES.get(key, key)] = first[key]
    return shared
