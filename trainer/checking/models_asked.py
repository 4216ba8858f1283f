"""Which models look at the pictures: loaded when the first picture is not known yet, for that takes seconds."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.errors import ConfigurationError
from foundation.files import sha256_of
from foundation.path_fields import OPENCV_FACES
from foundation.wording.said import say
from miniature.paths import NAME, folder_of
from trainer.checking.request import NO_FACES, CheckRequest
from trainer.checking.settings import Settings
from trainer.starting.judge_choice import INSIGHTFACE, packs_there

if TYPE_CHECKING:
    from base_models.vision.face_model import FaceModel

NO_PACK = say(
    "faces: no face pack is named or on this machine; name one (--faces buffalo_l is fetched by insightface once, for "
    "non-commercial research only; --faces opencv:FOLDER is free of that)"
)
NOT_ASKED = say("faces: not looked at, as asked for")
NO_PERSON = say(
    "faces: `{word}` is not in the list of words for people, so none are looked for; where the pictures have faces: "
    "--faces PACK has them looked for"
)


class FacePack:
    """A face pack by its name. `identity` tells it from every other without loading it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def identity(self) -> str:
        """A hash over its files where they lie here, else its name."""
        folder = self._folder()
        files = sorted(folder.rglob("*.onnx")) if folder is not None and folder.is_dir() else []
        digest = hashlib.sha256(b"" if files else self.name.encode())
        for path in files:
            digest.update(sha256_of(path).encode())
        return digest.hexdigest()

    @cached_property
    def model(self) -> FaceModel:
        """The model, loaded; it reads on the CPU. Raises FacePackError."""
        return _loaded(self.name)

    def load(self) -> None:
        """Load it now. Raises FacePackError."""
        assert self.model

    def _folder(self) -> Path | None:
        if self.name.startswith(OPENCV_FACES):
            return Path(self.name.removeprefix(OPENCV_FACES)).expanduser()
        local = folder_of("faces", self.name) or Path(self.name).expanduser()
        return local if local.is_dir() else INSIGHTFACE.expanduser() / self.name


@lru_cache(maxsize=1)
def _loaded(name: str) -> FaceModel:
    """A check before and after mending loads it once."""
    from base_models.vision.faces import load_faces

    return load_faces(name, device="cpu")


def face_pack_of(
    request: CheckRequest, settings: Settings, class_word: str, is_person: bool
) -> tuple[FacePack | None, str]:
    """As asked, as the run's configuration says, or what lies on this machine; else why there is none."""
    if request.faces == NO_FACES:
        return None, NOT_ASKED
    if request.faces:
        _check_named(request.faces)
        return FacePack(request.faces), ""
    if class_word and not is_person:
        return None, NO_PERSON.with_values(word=class_word)
    config = settings.config
    told = config.samples.faces if settings.has_config else None
    if not told and (settings.has_config or request.base) and config.model.base == NAME:
        told = NAME
    told = told or next(iter(packs_there()), None)
    return (FacePack(told), "") if told else (None, NO_PACK)


def _check_named(name: str) -> None:
    if not name.strip():
        raise ConfigurationError(f"--faces: name a face pack, as buffalo_l or opencv:FOLDER, or `{NO_FACES}`")
