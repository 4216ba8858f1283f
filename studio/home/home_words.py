"""What Home says of stores and of folders of LoRA files. No Streamlit here."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from eval.store.connection import last_changed
from eval.store.store_progress import StoreProgress
from foundation.errors import UserError
from studio.languages.translation import tr
from studio.shared.allowed_folders import AllowedFolders
from studio.shared.found_work import LoraFolder
from studio.shared.stores import is_finished, store_progress
from studio.shared.tables import Table, table_of
from studio.shared.time_words import ago, pictures_in_words

SHOWN = 30  # stores, and folders of LoRA files: the rest is counted


@dataclass(frozen=True)
class StoreLine:
    """A store: `progress` is None where it cannot be opened; `words` then say why."""

    folder: Path
    name: str
    words: str
    is_finished: bool
    progress: StoreProgress | None = None


def store_lines(stores: Sequence[Path], folders: AllowedFolders, now: float | None = None) -> list[StoreLine]:
    """Finished stores first, of these the last changed first."""
    seconds = time.time() if now is None else now
    ordered = sorted(stores, key=lambda one: max(last_changed(one)), reverse=True)
    lines = [_line(one, folders.called(one), seconds) for one in ordered]
    return sorted(lines, key=lambda one: not one.is_finished)


def _line(store: Path, name: str, now: float) -> StoreLine:
    try:
        progress = store_progress(store)
    except (UserError, OSError) as problem:
        return StoreLine(store, name, str(problem), is_finished=False)
    finished = is_finished(store, last_changed(store))
    changed = ago(max(0.0, now - max(last_changed(store)) / 1e9))
    return StoreLine(
        store,
        name,
        tr("{pictures}, {time}", pictures=pictures_in_words(progress.made), time=changed),
        finished,
        progress,
    )


def lora_table(loras: Sequence[LoraFolder], folders: AllowedFolders) -> Table:
    """Folders of LoRA files, the last changed first, a row each."""
    ordered = sorted(loras, key=lambda one: one.changed, reverse=True)[:SHOWN]
    return table_of(
        {
            tr("folder"): [folders.called(one.folder) for one in ordered],
            tr("files"): [one.count for one in ordered],
            tr("last changed"): [
                f"{datetime.fromtimestamp(one.changed).astimezone():%Y-%m-%d %H:%M}" for one in ordered
            ],
        }
    )


def inspecting(loras: Sequence[LoraFolder], folders: AllowedFolders) -> str:
    """The command that looks into the folder that was changed last."""
    latest = max(loras, key=lambda one: one.changed)
    return shlex.join(["python", "-m", "eval", "inspect", folders.called(latest.folder)])
