"""What a grid asks of a user's own program, whichever it is; and how one is opened by its address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from eval.request.cells import Cell, Checkpoint, Sampling
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.plan import PlannedPicture
from eval.servers.a1111 import A1111Server
from eval.servers.comfyui import ComfyServer
from eval.servers.faults import ServerFaultError, ServerRefusedError


class Server(Protocol):
    """Draws pictures one by one. `ahead`: how many it is asked for at once, at most."""

    url: str
    ahead: int

    def check(self, checkpoints: Iterable[Checkpoint], cells: Iterable[Cell]) -> None:
        """Raise ServerRefusedError for what it cannot draw, or ServerFaultError where it does not answer."""
        ...

    def begin(self, picture: PlannedPicture) -> str:
        """Ask for a picture; what it is known by there. Raises ServerFaultError or ServerRefusedError."""
        ...

    def finish(self, asked: str) -> bytes:
        """Wait for a picture, a PNG that tells of what was asked for. Raises as `begin`."""
        ...

    def drop(self) -> None:
        """Take back what was asked for and has not come. Raises as `begin`."""
        ...

    def free(self) -> None:
        """Ask it to give its device's memory back. Raises as `begin`."""
        ...

    def is_up(self) -> bool:
        """Whether it answers."""
        ...

    def close(self) -> None:
        """Let go of what is held for it."""
        ...


def opened_servers(elsewhere: Elsewhere, sampling: Sampling) -> list[Server]:
    """All servers of a grid. Nothing is asked of them yet."""
    kind = ComfyServer if elsewhere.tool == "ComfyUI" else A1111Server
    return [kind(url, elsewhere, sampling) for url in elsewhere.servers]


def check_servers(elsewhere: Elsewhere, sampling: Sampling, cells: Iterable[Cell]) -> None:
    """Raise ServerRefusedError where a server does not answer, or lacks something that these cells need."""
    rows = list(cells)
    files = {use.checkpoint.sha256: use.checkpoint for cell in rows for use in cell.acting}
    for server in opened_servers(elsewhere, sampling):
        try:
            server.check(files.values(), rows)
        except ServerFaultError as error:
            raise no_answer(server.url, elsewhere.tool, error) from error
        finally:
            server.close()


def no_answer(url: str, tool: str, error: ServerFaultError) -> ServerRefusedError:
    """For a server that does not answer when a grid begins."""
    how = ", with --api" if tool == "A1111" else ""
    return ServerRefusedError(f"no {tool} at {url}: {error}; start it{how}, or leave it out")
