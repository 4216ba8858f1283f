"""What a ComfyUI says by itself on /ws: a picture that is done is fetched at once. Without it, one looks in between."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from urllib.parse import urlsplit, urlunsplit

POLL_SECONDS, LISTENED_SECONDS, RETRY_SECONDS = 0.25, 2.0, 5.0
_ENDS = ("execution_success", "execution_error", "execution_interrupted", '"node": null', '"node":null')
MOST_BYTES = 16 * 2**20  # previews of pictures come this way, too


class Listener:
    """Counts what is heard, as long as the package `websockets` is there and the server speaks; never an error."""

    def __init__(self, url: str, headers: Mapping[str, str], client: str) -> None:
        parts = urlsplit(url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._url = urlunsplit((scheme, parts.netloc, parts.path + "/ws", f"clientId={client}", ""))
        self._headers = dict(headers)
        self._told, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._is_open = False
        self.heard = 0

    def wait(self) -> None:
        """Wait until something has ended, or it is time to look."""
        if self._thread is None and find_spec("websockets"):
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()
        self._told.wait(LISTENED_SECONDS if self._is_open else POLL_SECONDS)
        self._told.clear()

    def close(self) -> None:
        """Listen no more; a thread that waits for words ends with the next ones."""
        self._closed.set()
        self._told.set()

    @property
    def is_closed(self) -> bool:
        """Whether nobody waits any more."""
        return self._closed.is_set()

    def _listen(self) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        while not self._closed.is_set():
            # A TypeError is an older websockets, which knows no `proxy`.
            with suppress(OSError, WebSocketException, TypeError):
                opened = connect(
                    self._url,
                    additional_headers=self._headers,
                    max_size=MOST_BYTES,
                    open_timeout=RETRY_SECONDS,
                    proxy=None,
                )
                with opened as socket:
                    self._is_open = True
                    while not self._closed.is_set():
                        with suppress(TimeoutError):
                            self._hear(socket.recv(timeout=1.0))
            self._is_open = False
            self._closed.wait(RETRY_SECONDS)

    def _hear(self, message: str | bytes) -> None:
        """All is a sign of life but how long the queue is; what has ended is looked at."""
        if not isinstance(message, str) or '"status"' not in message[:40]:
            self.heard += 1
        if isinstance(message, str) and any(mark in message for mark in _ENDS):
            self._told.set()
