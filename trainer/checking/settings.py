"""What is checked, and against which run: the folders, the training size, the models, the subject's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from base_models.pictures.listing import list_folder
from foundation.errors import ConfigurationError
from foundation.files import why_unopenable
from foundation.toml_config import read_toml
from foundation.wording.said import say
from trainer.checking.request import CheckRequest, NoDatasetError
from trainer.config.config import RUN_FILE, TrainConfig, parse_config, run_file

TRAIN_NAMES = ("train", "img", "images")
REG_NAMES = ("reg", "regularization", "regularisation")
REFERENCE_NAMES = ("references", "held-out", "held_out")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".bz2")
UNTOLD = say("the preset portrait's")


class Role(StrEnum):
    """What pictures are for."""

    TRAIN = "train"
    REG = "reg"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Place:
    """A folder to be read. `is_parent`: of kohya's folders; else it holds pictures itself.

    `repeats`, `words`, `extension`: of a folder of pictures that a configuration names. `deep`: folders below, too.
    """

    path: Path
    role: Role
    is_parent: bool = False
    repeats: int = 1
    words: str = ""
    extension: str | None = None
    deep: bool = False


@dataclass(frozen=True)
class Settings:
    """The places; the run's configuration, made of the preset where there is none; `origin`: where that comes from."""

    places: tuple[Place, ...]
    config: TrainConfig
    origin: str
    has_config: bool

    @property
    def is_assumed(self) -> bool:
        """Whether nobody said at which size will be trained."""
        return self.origin == UNTOLD


def settings_of(request: CheckRequest) -> Settings:
    """Raises NoDatasetError for what is no dataset, ConfigurationError for a configuration that cannot be read."""
    path = run_file(request.dataset.expanduser())
    if path.resolve() == Path(path.resolve().anchor):
        raise NoDatasetError(f"{path}: is the root of this machine's files; give the folder of the dataset")
    if path.suffix.lower() == ".toml" and path.is_file():
        return _of_config(path, request)
    _check_folder(path)
    train, reg, references = _named_as_usual(path)
    if train is None:
        places = _of_folder(path)
    else:
        places = (Place(train, Role.TRAIN, is_parent=True),)
        places += (Place(reg, Role.REG, is_parent=True),) if reg else ()
    if (named := request.references or references) is not None:
        places += (_references(named.expanduser()),)
    return Settings(places, _default_config(path, request), _origin(request), has_config=False)


def _origin(request: CheckRequest) -> str:
    return (
        UNTOLD
        if request.resolution is None
        else say("{settings}, at {size} px as asked for", settings=UNTOLD, size=request.resolution)
    )


def _of_config(path: Path, request: CheckRequest) -> Settings:
    """What the configuration names. Of a folder that was asked for, also the Reg and references beside its Train."""
    config = _with_resolution(read_toml(path), path, request)
    data, places = config.data, ()
    reg, references = _beside_train(request, data.train)
    if data.train is not None:
        places += (Place(data.train, Role.TRAIN, is_parent=True, extension=data.caption_extension),)
    if data.reg is not None:
        places += (Place(data.reg, Role.REG, is_parent=True, extension=data.caption_extension),)
    elif reg is not None:
        places += (Place(reg, Role.REG, is_parent=True, extension=data.caption_extension),)
    places += tuple(
        Place(
            one.path,
            Role.REG if one.reg else Role.TRAIN,
            repeats=one.repeats,
            words=one.class_words,
            extension=one.caption_extension or data.caption_extension,
        )
        for one in data.folders
    )
    named = request.references or config.data.held_out or config.samples.references or references
    places += (_references(named.expanduser()),) if named is not None else ()
    for place in places:
        _check_folder(place.path)
    return Settings(places, config, say("those of {file}", file=path.name), has_config=True)


def _references(folder: Path) -> Place:
    _check_folder(folder)
    return Place(folder, Role.REFERENCE, deep=True)


def _of_folder(path: Path) -> tuple[Place, ...]:
    """Kohya's folders lie in it, or it is a folder of pictures itself, which is said."""
    here = list_folder(path)
    if not here.pictures and not here.folders:
        raise NoDatasetError(
            f"{path}: has no pictures and no folders; give the folder that holds Train/ and Reg/, the parent of "
            "folders named like `10_ohwx woman`, or a run's train.toml"
        )
    return (Place(path, Role.TRAIN, is_parent=True),)


def _check_folder(path: Path) -> None:
    """Raise NoDatasetError for what is not there, is no folder, or may not be entered."""
    if path.is_dir():
        try:
            next(path.iterdir(), None)
        except OSError as error:
            raise NoDatasetError(f"{path}: cannot be read ({error.strerror}); allow it to this user") from error
        return
    if not path.exists() and not path.is_symlink():
        raise NoDatasetError(f"{path}: no such folder; give one of pictures, or a run's train.toml")
    if fault := why_unopenable(path):
        raise NoDatasetError(f"{path}: {fault}; give a folder of pictures")
    if path.suffix.lower() in ARCHIVES:
        raise NoDatasetError(f"{path}: is an archive; unpack it, and give the folder")
    raise NoDatasetError(f"{path}: is a file, not a folder; give the folder that holds the pictures, or a train.toml")


def _beside_train(request: CheckRequest, train: Path | None) -> tuple[Path | None, Path | None]:
    """Reg and references of the folder that was asked for, where its own Train is what is trained on."""
    folder = request.dataset.expanduser()
    if train is None or not folder.is_dir():
        return None, None
    own, reg, references = _named_as_usual(folder)
    return (reg, references) if own is not None and own.resolve() == train.resolve() else (None, None)


def _named_as_usual(path: Path) -> tuple[Path | None, Path | None, Path | None]:
    """The folders in `path` of training, reg and reference pictures, as far as they are called so."""
    train, reg, references = (_child(path, names) for names in (TRAIN_NAMES, REG_NAMES, REFERENCE_NAMES))
    return train, reg, references


def _child(path: Path, names: tuple[str, ...]) -> Path | None:
    found = {one.name.lower(): one for one in sorted(path.iterdir()) if one.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _with_resolution(values: dict[str, object], path: Path, request: CheckRequest) -> TrainConfig:
    config = parse_config(values, path)
    if request.resolution is None:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"resolution": request.resolution})})


def _default_config(path: Path, request: CheckRequest) -> TrainConfig:
    """The preset's, for a folder that no configuration speaks of."""
    data: dict[str, object] = {"train": str(path)}
    if request.resolution is not None:
        data["resolution"] = request.resolution
    values: dict[str, object] = {
        "model": {"base": request.base or "miniature"},
        "data": data,
        "output": {"folder": str(path.resolve().parent), "name": "unnamed"},
    }
    try:
        return parse_config(values, path / RUN_FILE)
    except ConfigurationError as error:
        raise ConfigurationError(f"--resolution {request.resolution}: {error}") from error
