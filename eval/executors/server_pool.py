"""The executor of servers that a user runs: each draws picture by picture; what one fails at another is asked for."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from base_models.drawing.batch_size import DeviceFacts
from base_models.drawing.png import failure_of
from base_models.pictures.picture_file import UnreadablePictureError, load_picture
from eval.executors.backlog import Backlog, WorkersLostError
from eval.executors.executor import Amount, FinishedBatch, Job, WrittenFile
from eval.request.cells import Checkpoint
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.plan import Batch, PlannedPicture
from eval.servers.faults import OutOfMemoryFaultError, ServerFaultError, ServerRefusedError
from eval.servers.server import Server, opened_servers
from eval.store.picture_files import picture_place

FIRST_REST, LONGEST_REST = 0.5, 30.0  # seconds that a server is left alone after a fault; they double
ALL_GONE = 300.0  # seconds that all servers may be gone, as while one is started anew
JOIN_SECONDS = 10.0


@dataclass(frozen=True)
class _Word:
    """What a server's thread says: a finished batch, that it is idle, that it failed (why), or an error to raise."""

    server: str
    finished: FinishedBatch | None = None
    fault: str | None = None
    error: Exception | None = None


def facts_of(elsewhere: Elsewhere) -> DeviceFacts:
    """What servers are to a forecast: their addresses; of their memory nothing is known."""
    return DeviceFacts("server", f"{elsewhere.tool} at {', '.join(elsewhere.servers)}", 0)


class ServerPool:
    """Several servers, a thread for each. The base model is theirs: none is loaded here."""

    def __init__(self, job: Job, elsewhere: Elsewhere, all_gone: float = ALL_GONE) -> None:
        self._elsewhere, self._all_gone = elsewhere, all_gone
        self._place = picture_place(job.pictures, Path(gettempdir()))
        self._looked_at = TemporaryDirectory(prefix="lora-studio-")
        self._servers = {server.url: server for server in opened_servers(elsewhere, job.sampling)}
        self._words: queue.Queue[_Word] = queue.Queue()
        self._work = {url: queue.Queue[tuple[Batch, ...] | None]() for url in self._servers}
        self._idle = set(self._servers)
        self._resting: dict[str, str] = {}
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._servers.values()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def workers(self) -> int:
        """One for each server."""
        return len(self._servers)

    def device(self) -> DeviceFacts:
        """The servers by their addresses."""
        return facts_of(self._elsewhere)

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Raise ServerRefusedError for a file that a server lacks. One that does not answer is left alone for now."""
        files = list(checkpoints)
        for server in self._servers.values():
            with suppress(ServerFaultError):
                server.check(files, ())

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        """Draw on all servers, in whatever order they finish. Raises ServerRefusedError or WorkersLostError."""
        backlog, more = Backlog(batches, amount, self.workers), True
        alive = time.monotonic()
        while more or backlog.unfinished:
            more = self._hand_out(backlog)
            if len(self._resting) < len(self._servers):
                alive = time.monotonic()
            elif time.monotonic() - alive > self._all_gone:
                raise WorkersLostError(
                    f"no server has answered for {self._all_gone:.0f} s ({next(iter(self._resting.values()))}); what "
                    "is drawn is kept: start one, and run the command again, it goes on"
                )
            if not backlog.busy and not more and not backlog.unfinished:
                break
            with suppress(queue.Empty):
                if finished := self._heard(backlog, self._words.get(timeout=1.0)):
                    yield finished

    def close(self) -> None:
        """Take back what servers were asked for; what is drawn stays."""
        self._stopped.set()
        for work in self._work.values():
            work.put(None)
        for server in self._servers.values():
            server.close()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        self._looked_at.cleanup()

    def _hand_out(self, backlog: Backlog) -> bool:
        """Give every idle server a group; whether there may be more to give."""
        for url in sorted(self._idle):
            group = backlog.take(url)
            if not group:
                return False
            self._idle.remove(url)
            self._work[url].put(group)
        return True

    def _heard(self, backlog: Backlog, word: _Word) -> FinishedBatch | None:
        if word.error is not None:
            raise word.error
        if word.fault is not None:
            self._resting[word.server] = word.fault
            backlog.lost(word.server, word.fault)
        elif word.finished is not None:
            backlog.done(word.server, word.finished.batch)
            return word.finished
        else:
            self._resting.pop(word.server, None)
            self._idle.add(word.server)
        return None

    def _serve(self, server: Server) -> None:
        """A server's thread: groups come in, words go out."""
        rest = FIRST_REST
        while (group := self._work[server.url].get()) and not self._stopped.is_set():
            try:
                for finished in self._drawn(server, group):
                    rest = FIRST_REST
                    self._words.put(_Word(server.url, finished=finished))
            except ServerFaultError as fault:
                self._words.put(_Word(server.url, fault=str(fault)))
                self._recover(server, fault, rest)
                rest = min(2 * rest, LONGEST_REST)
            except Exception as error:
                self._words.put(_Word(server.url, error=error))
                break
            self._words.put(_Word(server.url))
        with suppress(ServerFaultError, ServerRefusedError):
            server.drop()

    def _recover(self, server: Server, fault: ServerFaultError, rest: float) -> None:
        """Leave it alone until it answers again, so that others are asked first."""
        with suppress(ServerFaultError, ServerRefusedError):
            server.drop()
            if isinstance(fault, OutOfMemoryFaultError):
                server.free()
        self._stopped.wait(rest)
        while not self._stopped.is_set() and not server.is_up():
            self._stopped.wait(rest)

    def _drawn(self, server: Server, group: tuple[Batch, ...]) -> Iterator[FinishedBatch]:
        """A group's batches, each once its pictures are saved; the server is asked for some pictures ahead."""
        waiting = deque(picture for batch in group for picture in batch.pictures)
        asked: deque[str] = deque()
        for batch in group:
            files: list[WrittenFile] = []
            failures: list[str | None] = []
            for picture in batch.pictures:
                while waiting and len(asked) < server.ahead:
                    asked.append(server.begin(waiting.popleft()))
                data = server.finish(asked.popleft())
                if self._stopped.is_set():
                    return
                failures.append(self._kept(server, picture, data))
                files.append(WrittenFile(hashlib.sha256(data).hexdigest(), len(data)))
            yield FinishedBatch(batch, tuple(files), tuple(failures), {})

    def _kept(self, server: Server, picture: PlannedPicture, data: bytes) -> str | None:
        """Save a picture, to the byte; why it shows nothing, or None. Raises ServerFaultError for a damaged one."""
        path = Path(self._looked_at.name) / f"{picture.id}.png"
        path.write_bytes(data)
        try:
            decoded = load_picture(path)
        except UnreadablePictureError as error:
            raise ServerFaultError(f"{server.url} gives a picture that cannot be decoded ({error.fault})") from error
        finally:
            path.unlink()
        self._place.write(picture.id, data)
        return failure_of(np.asarray(decoded, dtype=np.float32) / 255)
