"""Fields of a configuration that name files and folders. The type says so, and how it starts at the file's folder.

A path that begins with `~` starts at the user's home; an absolute one stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from miniature.paths import NAME

# The key of the validation's context under which the folder stands; without it, what is written stays.
FOLDER = "folder"
# How a name says which kind of model it names; what follows is a folder, of DINOv2 also a hub's name.
LOCAL_CLIP = "local-dir:"
OPENCV_FACES = "opencv:"
DINOV2 = "dinov2:"

Written = TypeVar("Written", str, Path)


def whole_path(written: str, folder: Path) -> str:
    """The path of a file or folder that may not be there yet."""
    return os.path.normpath(folder / os.path.expanduser(written))


def whole_path_or_name(written: str, folder: Path) -> str:
    """The path of what is there, or is written as a path alone is (`./`, `../`, `~`, `/`); else a public name."""
    whole = whole_path(written, folder)
    names_a_path = written.startswith((".", "~", "/")) or os.path.exists(whole)
    return whole if names_a_path and written not in ("", NAME) else written


def whole_clip_name(written: str, folder: Path) -> str:
    """`local-dir:FOLDER` with the folder's whole path; a hub id, or an architecture with its tag, as it is."""
    is_folder = written.startswith(LOCAL_CLIP)
    return LOCAL_CLIP + whole_path(written.removeprefix(LOCAL_CLIP), folder) if is_folder else written


def whole_faces_name(written: str, folder: Path) -> str:
    """`opencv:FOLDER` with the folder's whole path; any other face pack as `whole_path_or_name`."""
    if written.startswith(OPENCV_FACES):
        return OPENCV_FACES + whole_path(written.removeprefix(OPENCV_FACES), folder)
    return whole_path_or_name(written, folder)


def whole_likeness_name(written: str, folder: Path) -> str:
    """`dinov2:FOLDER` with the folder's whole path; `dinov2:OWNER/NAME` of a hub, or another name, as it is."""
    if written.startswith(DINOV2):
        return DINOV2 + whole_path_or_name(written.removeprefix(DINOV2), folder)
    return written


def without_kind(name: str) -> str:
    """What a name says after its kind: of `opencv:FOLDER` the folder."""
    for kind in (LOCAL_CLIP, OPENCV_FACES, DINOV2):
        if name.startswith(kind):
            return name.removeprefix(kind)
    return name


def whole_folder_or_url(written: str, folder: Path) -> str:
    """A folder's whole path; a URL as it is."""
    return written if "://" in written else whole_path(written, folder)


@dataclass(frozen=True)
class Anchored:
    """Marks the type of a field that names a file or folder; `spelling` makes whole what is written in a folder."""

    spelling: Callable[[str, Path], str]

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        said = core_schema.no_info_before_validator_function(self._said, handler(source))
        return core_schema.with_info_after_validator_function(self._whole, said)

    def _said(self, written: object) -> object:
        """A path of no letters would be the file's own folder."""
        if self.spelling is whole_path and isinstance(written, str) and not written.strip():
            raise ValueError("is empty; name a path, or leave the key out")
        return written

    def _whole(self, written: Written, info: ValidationInfo) -> Written:
        context: dict[str, Path] = info.context or {}
        folder = context.get(FOLDER)
        return written if folder is None else type(written)(self.spelling(str(written), folder))


AnchoredPath = Annotated[Path, Anchored(whole_path)]
FilePattern = Annotated[str, Anchored(whole_path)]
PathOrName = Annotated[str, Anchored(whole_path_or_name)]
ClipName = Annotated[str, Anchored(whole_clip_name)]
FacesName = Annotated[str, Anchored(whole_faces_name)]
LikenessName = Annotated[str, Anchored(whole_likeness_name)]
FolderOrUrl = Annotated[str, Anchored(whole_folder_or_url)]
