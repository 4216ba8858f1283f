"""Whether a store lies on another machine's disk, where SQLite's locks and shared memory are not to be relied on."""

from __future__ import annotations

import re
from pathlib import Path

from foundation.text_files import TextFileError, read_text

MOUNTS = Path("/proc/self/mounts")  # Linux; elsewhere nothing is told
NETWORKED = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ncpfs|ceph|glusterfs|lustre|beegfs|gpfs|fuse\.(sshfs|glusterfs|s3fs|rclone|gcsfuse)"
)
_ESCAPED = re.compile(r"\\(\d{3})")


def network_kind(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of the network's file system that `folder` lies on, as "nfs4"; None for a disk, or where none tells."""
    try:
        lines = read_text(mounts).splitlines() if mounts.is_file() else []
    except (TextFileError, OSError):
        return None
    place, found, length = folder.resolve(), None, -1
    for fields in (line.split(" ") for line in lines):
        point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[1])) if len(fields) > 2 else None
        # Of two at one place the later hides the earlier.
        if point and place.is_relative_to(point) and len(point.parts) >= length:
            found, length = fields[2], len(point.parts)
    return found if found and NETWORKED.fullmatch(found) else None


def network_note(folder: Path) -> str | None:
    """What to say of a store there, or None."""
    kind = network_kind(folder)
    if kind is None:
        return None
    return (
        f"note: {folder} lies on a network file system ({kind}), on which two machines that write one store can damage "
        "it; write it from one machine at a time, or keep on a local disk all but its pictures ([store] pictures)"
    )
