"""Answers leave at once, in place of when the browser has confirmed what came before them. No Streamlit here.

Streamlit opens its own listening socket without saying that it is TCP's, so asyncio does not switch off Nagle's
algorithm on what it accepts there. uvicorn writes an answer's head and body apart, and the body then waits 40 ms for
the other side to confirm the head, for each picture anew (github.com/Kludex/uvicorn/issues/3149).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

TCP = (socket.AF_INET, socket.AF_INET6)


def answer_undelayed(protocol: type[asyncio.Protocol] = AutoHTTPProtocol) -> None:
    """From now on; uvicorn's protocol is made before the app that it serves, so it cannot be given another."""
    accepted = protocol.connection_made

    def connection_made(self: Any, transport: asyncio.BaseTransport) -> None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in TCP:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted(self, transport)

    protocol.connection_made = connection_made
