"""Names that are typed into nodes -> paths in ComfyUI's own folders, and in those that the user has set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from .comfy_doors import folder_paths
from .studio_door import NodeError

# Further folders that names may lie in, as PATH has them; set by who starts ComfyUI, never by a workflow.
SET_FOLDERS = "LORA_STUDIO_COMFY_FOLDERS"
LORA = ".safetensors"
LONGEST = 400  # characters of a name


class PlaceError(NodeError):
    """A name that leads nowhere, or out of the folders that it may lie in."""


def lora_names() -> list[str]:
    """The LoRA files that ComfyUI lists, in the format that is read here."""
    return [one for one in folder_paths().get_filename_list("loras") if one.endswith(LORA)]


def lora_file(name: str) -> Path:
    """A listed LoRA file. Raises PlaceError."""
    listed = {one.replace("\\", "/"): one for one in lora_names()}
    wanted = name.strip().replace("\\", "/")
    known = listed.get(wanted) or listed.get(wanted + LORA)
    path = known and folder_paths().get_full_path("loras", known)
    if not path:
        raise PlaceError(
            f"`{shown(name)}` is no LoRA file of ComfyUI's list; put it into models/loras, or mend the name"
        )
    return Path(path)


def lora_folders() -> list[Path]:
    """The folders of LoRA files that are there, the first the one that is written to."""
    return [path for path in map(Path, folder_paths().get_folder_paths("loras")) if path.is_dir()]


def new_lora_file(name: str) -> Path:
    """Where a LoRA file of that name is to be written: below the first folder of LoRAs. Raises PlaceError."""
    folders = lora_folders()
    if not folders:
        raise PlaceError("ComfyUI has no folder of LoRAs to save to; make models/loras")
    place = below(name if name.endswith(LORA) else name + LORA, folders[0], "save_as")
    if place.name == LORA:
        raise PlaceError(f"`{name}` names no file; write save_as like blends/hina-best")
    return place


def store_folder(name: str) -> Path:
    """A store's folder, there or not: below ComfyUI's output folder, or a folder that is set. Raises PlaceError."""
    return _set_by_user(name) or below(name, Path(folder_paths().get_output_directory()), "store")


def picture_folder(name: str, what: str) -> Path:
    """A folder of pictures below ComfyUI's input or output folder, or one that the user has set. Raises PlaceError."""
    doors = folder_paths()
    return _there(name, what, [Path(doors.get_input_directory()), Path(doors.get_output_directory())])


def model_folder(name: str, what: str) -> Path:
    """A folder of a judging model below ComfyUI's models folder, or one that the user has set. Raises PlaceError."""
    models = Path(folder_paths().models_dir)
    return _there(name, what, [models, models / "insightface" / "models"])


def _there(name: str, what: str, roots: Sequence[Path]) -> Path:
    if path := _set_by_user(name):
        return path
    found = [path for root in roots if (path := below(name, root, what)).is_dir()]
    if not found:
        looked = " or ".join(str(root) for root in roots)
        raise PlaceError(f"{what}: there is no folder `{shown(name)}` below {looked}; make it, or mend the name")
    return found[0]


def below(name: str, root: Path, what: str) -> Path:
    """`name` below `root`, in ComfyUI's own folder whatever it is made of. Raises PlaceError for what leads out."""
    wanted = name.strip().replace("\\", "/")
    parts = PurePosixPath(wanted).parts
    leads_out = ".." in parts or PurePosixPath(wanted).is_absolute() or bool(PureWindowsPath(wanted).drive)
    is_odd = not parts or len(wanted) > LONGEST or not wanted.isprintable()
    if leads_out or is_odd:
        why = "leads out of" if leads_out else "is no name below"
        raise PlaceError(
            f"{what}: `{shown(name)}` {why} {root}; write a name like people/hina, or have ComfyUI started with "
            f"{SET_FOLDERS} naming the folder"
        )
    return root.joinpath(*parts)


def _set_by_user(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """An absolute path in a folder that the user has set; None for any other name."""
    path = Path(os.path.normpath(name.strip()))
    allowed = [Path(os.path.normpath(one)) for one in environment.get(SET_FOLDERS, "").split(os.pathsep) if one]
    is_in = name.isprintable() and path.is_absolute() and any(path.is_relative_to(one) for one in allowed)
    return path if is_in else None


def shown(name: str) -> str:
    """A typed name as it is shown: one line, not endless."""
    text = "".join(letter if letter.isprintable() else " " for letter in name.strip())
    return text if len(text) <= 80 else f"{text[:80]}.."
