"""Which folders a page may be told of: those below where the studio was started, and below what it was started with.

Whatever is typed into a page comes through here, so that neither a page elsewhere nor somebody at the keyboard reaches
another file of this machine. Links are followed first: a link out of an allowed folder leads out of it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from studio.languages.translation import tr

VARIABLE = "LORA_STUDIO_STORE"
LONGEST = 4096  # characters: no system knows longer paths


class OutsideError(UserError):
    """A path that lies outside of what the studio was started with, or that is none."""


@dataclass(frozen=True)
class AllowedFolders:
    """`here` is where the studio was started; `roots` are all folders, `here` among them, that may be looked into."""

    here: Path
    roots: tuple[Path, ...]

    def path(self, written: str) -> Path:
        """A typed path, absolute, its links followed; it need not be there. Raises OutsideError."""
        text = written.strip()
        if not text or len(text) > LONGEST or "\0" in text:
            raise OutsideError(tr("a folder or a file is asked for; type its path"))
        try:
            path = (self.here / Path(text).expanduser()).resolve()
        except (OSError, RuntimeError) as error:  # a circle of links, a name that is too long, a user that is none
            raise OutsideError(tr("{path}: is no path that can be followed; type another one", path=text)) from error
        if not self.holds(path):
            raise OutsideError(
                tr(
                    "{path}: lies outside of the folders that the studio was started with; to open it, start the "
                    "studio with its folder as well: {command}",
                    path=text,
                    command=self.started_with([_parent_of(path)]),
                )
            )
        return path

    def started_with(self, more: Sequence[Path]) -> str:
        """The command that starts the studio with these folders beside those that it has."""
        had = [one for one in self.roots if one != self.here]
        folders = map(str, dict.fromkeys([*had, *more]))
        return shlex.join(["python", "-m", "streamlit", "run", "studio", "--", ".", *folders])

    def holds(self, path: Path) -> bool:
        """Whether a path lies below one of the folders, once its links are followed."""
        resolved = path.resolve()
        return any(resolved.is_relative_to(root) for root in self.roots)

    def called(self, path: Path) -> str:
        """A path as a person would write it from `here`; one that a command would take for an option begins with ./"""
        name = str(path.relative_to(self.here)) if path.is_relative_to(self.here) else str(path)
        return f"./{name}" if name.startswith("-") else name


def allowed_folders(arguments: Sequence[str], variables: Mapping[str, str], here: Path) -> AllowedFolders:
    """What the studio was started with: `here`, its arguments, and the variable LORA_STUDIO_STORE."""
    here = here.resolve()
    named = [*arguments, *variables.get(VARIABLE, "").split(os.pathsep)]
    roots = [here, *((here / Path(name).expanduser()).resolve() for name in named if name)]
    return AllowedFolders(here, tuple(dict.fromkeys(roots)))


def _parent_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent
